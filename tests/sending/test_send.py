"""`seqsend send` against a real node: what the issue promises, line by line."""

import os
import subprocess
import sys

import pytest

from tests.conftest import FreshTx
from tests.support.cli import seqsend, start
from tests.support.node import Anvil
from tests.support.servers import (
    Closing,
    Replying,
    Request,
    Silent,
    Swallowing,
    blackhole,
    dead,
    http,
    jsonrpc_error,
    jsonrpc_result,
)
from tests.support.wallet import Signed, Wallet

SEND = "eth_sendRawTransaction"


def through(*urls: str) -> str:
    return f"--rollup.sequencer-http={','.join(urls)}"


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_a_live_endpoint_takes_over_from_a_dead_one(
    node: Anvil, fresh_tx: FreshTx, kind: int
) -> None:
    signed = fresh_tx(kind)
    with dead() as nobody:
        sent = seqsend("send", signed.raw, through(nobody.url, node.url))
    assert (sent.code, sent.out) == (0, f"{signed.hash}\n")
    assert f"endpoint 1 of 2 {nobody.url}: connection refused (dial, " in sent.err
    assert f"answered by endpoint 2 of 2 {node.url} in " in sent.err
    assert sent.err.rstrip().endswith("after 1 failover")
    assert node.has_transaction(signed.hash)


def test_sending_it_again_is_known(node: Anvil, fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    for status in ("accepted", "known", "known"):
        sent = seqsend("send", signed.raw, through(node.url), "--json")
        assert (sent.document["status"], sent.document["hash"]) == (status, signed.hash)
        assert sent.code == 0
    plain = seqsend("send", signed.raw, through(node.url))
    assert (plain.code, plain.out) == (0, f"{signed.hash}\n")
    assert "already known: confirmed by endpoint 1 of 1" in plain.err


def test_a_pending_transaction_is_known(wallet: Wallet) -> None:
    with Anvil(extra=("--no-mining",)) as slow:
        signed = wallet.sign(2, nonce=slow.nonce(wallet.address))
        statuses = [
            seqsend("send", signed.raw, through(slow.url), "--json").document["status"]
            for _ in range(2)
        ]
    assert statuses == ["accepted", "known"]


def test_a_nonce_that_another_transaction_spent_is_rejected(node: Anvil, fresh_tx: FreshTx) -> None:
    first, other = fresh_tx(value=1), fresh_tx(value=2)
    seqsend("send", first.raw, through(node.url))
    with Replying(http(500, b"")) as second:
        sent = seqsend("send", other.raw, through(node.url, second.url), "--json")
        plain = seqsend("send", other.raw, through(node.url, second.url))
        # The second endpoint may have it: it gets a look-up and nothing else.
        asked = {request.json["method"] for request in second.requests}
        assert asked == {"eth_getTransactionByHash"}
    assert sent.document["status"] == "rejected"
    assert sent.document["error"] == {"code": -32003, "message": "nonce too low", "data": None}
    assert [a["outcome"] for a in sent.document["attempts"]] == [
        "verdict",
        "not_found",
        "lookup_failed",
    ]
    assert (plain.code, plain.out) == (3, "")
    assert f"rejected by endpoint 1 of 2 {node.url}: nonce too low (code -32003)" in plain.err


def test_a_final_verdict_needs_no_look_up(node: Anvil) -> None:
    poor = Wallet.of_key("0x" + "11" * 32).sign(2, nonce=0)
    sent = seqsend("send", poor.raw, through(node.url), "--json")
    assert sent.document["status"] == "rejected"
    assert len(sent.document["attempts"]) == 1


def test_if_all_are_dead_it_is_unreachable_and_every_attempt_is_listed(fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    with dead() as one, dead() as two, dead() as three:
        plain = seqsend("send", signed.raw, through(one.url, two.url, three.url))
        quiet = seqsend("send", signed.raw, through(one.url, two.url, three.url), "-q")
        sent = seqsend("send", signed.raw, through(one.url, two.url, three.url), "--json")
    for run in (plain, quiet):
        assert (run.code, run.out) == (4, "")
        for index, server in enumerate((one, two, three), start=1):
            assert f"endpoint {index} of 3 {server.url}: connection refused" in run.err
    assert sent.document["status"] == "unreachable"
    assert [a["endpoint"]["index"] for a in sent.document["attempts"]] == [1, 2, 3]
    assert sent.document["hash"] == signed.hash


def test_if_it_was_taken_without_an_answer_the_next_endpoint_knows_it(
    node: Anvil, fresh_tx: FreshTx
) -> None:
    signed = fresh_tx()
    with Swallowing(node.url) as swallowing:
        sent = seqsend(
            "send",
            signed.raw,
            through(swallowing.url, node.url),
            "--sequencer-request-timeout=1s",
            "--json",
        )
    assert sent.document["status"] == "known"
    assert sent.document["endpoint"] == {"index": 2, "url": node.url}
    assert sent.document["attempts"][0]["delivered"] == "unknown"
    assert sent.document["attempts"][0]["elapsed_ms"] <= 1000 + 250
    assert sent.document["elapsed_ms"] <= 1000 + 500


def test_if_the_only_endpoint_took_it_without_an_answer_it_is_unknown(
    node: Anvil, fresh_tx: FreshTx
) -> None:
    signed = fresh_tx()
    with Swallowing(node.url) as swallowing:
        limits = "--sequencer-request-timeout=500ms"
        sent = seqsend("send", signed.raw, through(swallowing.url), limits, "--json")
        plain = seqsend("send", signed.raw, through(swallowing.url), limits)
    assert sent.document["status"] == "unknown"
    assert [a["outcome"] for a in sent.document["attempts"]] == ["outage", "lookup_failed"]
    assert (plain.code, plain.out) == (5, f"{signed.hash}\n")
    assert f"seqsend rpc eth_getTransactionByHash {signed.hash}" in plain.err
    assert node.has_transaction(signed.hash)


def test_a_look_up_round_finds_what_no_endpoint_confirmed(node: Anvil, fresh_tx: FreshTx) -> None:
    """The proxy forwards sends and answers 502 to them; its look-ups work."""
    signed = fresh_tx()

    def reply(request: Request) -> bytes:
        if request.json["method"] == SEND:
            node.rpc(SEND, *request.json["params"])
            return http(502, b"<html>bad gateway</html>")
        return jsonrpc_result(request, node.rpc(request.json["method"], *request.json["params"]))

    with Replying(reply) as proxy, dead() as nobody:
        sent = seqsend("send", signed.raw, through(proxy.url, nobody.url), "--json")
    assert sent.document["status"] == "known"
    assert [a["outcome"] for a in sent.document["attempts"]] == ["failover", "outage", "found"]


def test_a_verdict_after_a_possible_delivery_is_not_trusted(node: Anvil) -> None:
    """Endpoint 2 rejects it and does not have it, but endpoint 1 may still pass it on."""
    poor = Wallet.of_key("0x" + "22" * 32).sign(2, nonce=0)
    with Silent() as silent:
        sent = seqsend(
            "send",
            poor.raw,
            through(silent.url, node.url),
            "--sequencer-request-timeout=500ms",
            "--json",
        )
    assert sent.document["status"] == "unknown"
    assert [a["outcome"] for a in sent.document["attempts"]] == [
        "failover",
        "verdict",
        "not_found",
        "lookup_failed",
    ]
    assert "Insufficient funds" in sent.document["error"]["message"]


def test_already_known_is_unknown_if_the_look_up_fails(fresh_tx: FreshTx) -> None:
    signed = fresh_tx()

    def reply(request: Request) -> bytes:
        if request.json["method"] == SEND:
            return jsonrpc_error(request, -32000, "already known")
        return http(503, b"")

    with Replying(reply) as server:
        sent = seqsend("send", signed.raw, through(server.url), "--json")
    assert sent.document["status"] == "unknown"
    assert sent.document["error"]["message"] == "already known"


def test_a_node_that_finds_another_transaction_confirms_nothing(fresh_tx: FreshTx) -> None:
    signed = fresh_tx()

    def reply(request: Request) -> bytes:
        if request.json["method"] == SEND:
            return jsonrpc_error(request, -32000, "already known")
        return jsonrpc_result(request, {"hash": "0x" + "00" * 32})

    with Replying(reply) as server:
        sent = seqsend("send", signed.raw, through(server.url), "--json")
    assert sent.document["status"] == "unknown"


def test_a_wrong_hash_is_not_accepted(node: Anvil, fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    with Replying(lambda request: jsonrpc_result(request, "0x" + "ab" * 32)) as liar:
        sent = seqsend("send", signed.raw, through(liar.url, node.url), "--json")
    assert sent.document["status"] == "accepted"
    assert sent.document["endpoint"]["index"] == 2
    assert "not this transaction's hash" in sent.document["attempts"][0]["reason"]


def test_dropped_syns_cost_the_dial_timeout_and_no_more(node: Anvil, fresh_tx: FreshTx) -> None:
    alone = seqsend("send", fresh_tx().raw, through(node.url))
    with blackhole() as hole:
        sent = seqsend(
            "send",
            fresh_tx().raw,
            through(hole.url, node.url),
            "--sequencer-dial-timeout",
            "500ms",
            "--json",
        )
    assert sent.document["status"] == "accepted"
    assert sent.document["attempts"][0]["reason"] == "connection timed out (dial timeout 500ms)"
    assert sent.document["attempts"][0]["elapsed_ms"] <= 500 + 250
    assert sent.elapsed < alone.elapsed + 1


def test_the_deadline_bounds_everything(fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    with Silent() as one, Silent() as two, Silent() as three:
        sent = seqsend(
            "send", signed.raw, through(one.url, two.url, three.url), "--deadline=700ms", "--json"
        )
    assert sent.document["status"] == "unknown"
    assert sent.document["elapsed_ms"] < 700 + 250
    assert sent.document["attempts"][0]["reason"] == "no answer in time (deadline 700ms)"
    assert "endpoints 2, 3 not tried" in sent.document["error"]["message"]


@pytest.mark.parametrize("raw", ["", "0x", "0xzz", "0x" + "ab" * 32, "0x7e01", "{}"])
def test_anything_but_a_transaction_is_not_sent(raw: str) -> None:
    with Replying(http(500, b"")) as server:
        sent = seqsend("send", raw, through(server.url), "--json")
        assert server.requests == []
    assert sent.document["status"] == "usage"
    assert sent.document["hash"] is None
    assert sent.err.startswith("error: raw transaction ") or "deposit" in sent.err


def test_a_closed_pipe_ends_it_quietly(node: Anvil, fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    with start("send", signed.raw, through(node.url)) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        err = running.stderr.read()
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert running.returncode == 0
    assert node.has_transaction(signed.hash)


def test_an_answer_that_cannot_be_written_is_not_lost(node: Anvil, fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "seqsend", "send", signed.raw, through(node.url)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert signed.hash in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reset_after_the_request_may_have_delivered_it(node: Anvil, fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    with Closing(after="request", how="rst") as closing:
        sent = seqsend("send", signed.raw, through(closing.url, node.url), "--json")
    assert sent.document["status"] == "accepted"
    assert sent.document["attempts"][0]["delivered"] == "unknown"


def test_no_secret_is_shown_and_the_credentials_are_used(fresh_tx: FreshTx) -> None:
    signed: Signed = fresh_tx()
    key, word = "K3y" + "a" * 20, "s3cret-w0rd"

    def reply(request: Request) -> bytes:
        quoted = (
            f"insufficient funds: bad key {key} for user:{word} with {request.headers['X-Token']}"
        )
        return jsonrpc_error(request, -32000, quoted)

    with Replying(reply) as server:
        url = (
            server.url.replace("http://", f"http://user:{word}@") + f"/v3/{key}?k=qu3ry-secret#fr4g"
        )
        runs = [
            seqsend(
                "send",
                signed.raw,
                through(url),
                "--rollup.sequencer-headers=X-Token=t0ken-value",
                *more,
            )
            for more in ((), ("--json",), ("-v",), ("-q",))
        ]
        assert {r.headers["Authorization"] for r in server.requests} == {
            "Basic dXNlcjpzM2NyZXQtdzByZA=="
        }
        assert server.requests[0].path == f"/v3/{key}?k=qu3ry-secret"
    for run in runs:
        assert run.code == 3
        shown = run.out + run.err
        for secret in (key, word, "qu3ry-secret", "fr4g", "t0ken-value"):
            assert secret not in shown
        assert f"http://***@127.0.0.1:{server.port}/v3/***?***" in shown


def test_an_error_that_is_not_a_verdict_moves_on_unless_errors_are_strict(
    node: Anvil, fresh_tx: FreshTx
) -> None:
    signed = fresh_tx()

    def reply(request: Request) -> bytes:
        return jsonrpc_error(request, -32601, "rpc method is not whitelisted", status=200)

    with Replying(reply) as proxy:
        at = through(proxy.url, node.url)
        strict = seqsend("send", signed.raw, at, "--strict-errors", "--json")
        by_variable = seqsend(
            "send",
            signed.raw,
            at,
            "--json",
            environment=os.environ | {"SEQSEND_STRICT_ERRORS": "1"},
        )
        sent = seqsend("send", signed.raw, at, "--json")
    assert strict.document["status"] == by_variable.document["status"] == "rejected"
    assert sent.document["status"] == "accepted"
    assert sent.document["attempts"][0]["reason"] == "rpc method is not whitelisted (code -32601)"
