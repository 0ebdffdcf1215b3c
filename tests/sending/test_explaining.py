"""Why a transaction was rejected: with a real node, and with endpoints that fail."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import rlp  # type: ignore[import-untyped]
from eth_account import Account

from seqsend import Rejected, SequencerClient
from tests.support.calls import calls_in
from tests.support.cli import SCHEMA, Run, seqsend, start
from tests.support.moments import until
from tests.support.node import Anvil
from tests.support.servers import Relaying, Replying, Request, Silent, dead, http, pass_on
from tests.support.wallet import CHAIN_ID

GWEI = 10**9
_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # anvil's first
RICH, POOR = Account.from_key(_KEY), Account.from_key("0x" + "42" * 32)
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
DECODED = json.loads((Path(__file__).parents[1] / "decoded.schema.json").read_text())
TRANSACTION = {"$defs": DECODED["$defs"], "$ref": "#/$defs/transaction"}


def at(*urls: str) -> str:
    return f"--rollup.sequencer-http={','.join(urls)}"


def sign(account: Any = RICH, **fields: Any) -> str:
    common = {"type": 2, "nonce": 0, "to": RICH.address, "value": 1, "gas": 21_000}
    fees = {"maxFeePerGas": 100 * GWEI, "maxPriorityFeePerGas": GWEI, "chainId": CHAIN_ID}
    signed = account.sign_transaction(common | fees | fields)
    return str(signed.raw_transaction.to_0x_hex())


def explanation_of(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = run.document["explanation"]
    jsonschema.validate(found["transaction"], TRANSACTION)
    return found


@pytest.fixture(scope="module")
def chain() -> Any:
    """A node on which the first account's nonce 0 is spent."""
    with Anvil() as node:
        node.rpc("eth_sendRawTransaction", sign(value=5))
        node.nonce(RICH.address)
        yield node


# Cause → fields of the transaction, and how the sentence begins.
REJECTED: dict[str, tuple[dict[str, Any], str]] = {
    "other chain": ({"nonce": 1, "chainId": 10}, "it is signed for chain 10, but this is chain"),
    "nonce spent": ({"nonce": 0}, "its nonce 0 is spent by transaction 0x"),
    "fee below the base fee": (
        {"nonce": 1, "maxFeePerGas": 5, "maxPriorityFeePerGas": 1},
        "its max fee of 0.000000005 gwei is below the base fee of ",
    ),
    "tip above the fee": (
        {"nonce": 1, "maxPriorityFeePerGas": 101 * GWEI},
        "its priority fee of 101 gwei is above its max fee of 100 gwei",
    ),
    "too little gas": (
        {"nonce": 1, "gas": 20_999},
        "its gas limit of 20999 is below the minimum of 21000",
    ),
    "more gas than a block": (
        {"nonce": 1, "gas": 50_000_000},
        "its gas limit of 50000000 is above the block gas limit of 30000000",
    ),
    "too much initcode": (
        {"nonce": 1, "to": b"", "data": bytes(50_000), "gas": 3_000_000},
        "its initcode has 50000 bytes, but only 49152 are allowed",
    ),
    "no funds": ({"by": POOR}, "it needs 0.002100000000000001 ether for its value and the most"),
}


@pytest.mark.parametrize("cause", REJECTED)
def test_the_sentence_names_why_a_real_node_rejects_it(cause: str, chain: Anvil) -> None:
    fields, sentence = REJECTED[cause]
    raw = sign(fields.get("by", RICH), **{k: v for k, v in fields.items() if k != "by"})
    as_json = seqsend("send", raw, at(chain.url), "--json")
    found = explanation_of(as_json)
    assert (as_json.document["status"], as_json.code) == ("rejected", 3)
    assert found["sentence"].startswith(sentence)
    assert found["chain"]["chain_id"] == CHAIN_ID
    assert found["transaction"]["hash"] == as_json.document["hash"]
    plain = seqsend("send", raw, at(chain.url))
    assert (plain.code, plain.out) == (3, "")
    lines = plain.err.splitlines()
    (why,) = [at for at, line in enumerate(lines) if line.startswith("why: ")]
    assert lines[why] == f"why: {found['sentence']}"
    assert [line.split()[0] for line in lines[why + 1 : why + 4]] == [
        "transaction",
        "chain",
        "nonce",
    ]


def test_another_transaction_with_its_nonce_in_the_pool_is_named() -> None:
    with Anvil(extra=("--no-mining",)) as node:
        first = node.rpc("eth_sendRawTransaction", sign(value=5))
        found = explanation_of(seqsend("send", sign(value=6), at(node.url), "--json"))
    said = f"another transaction of the sender with nonce 0 is in the pool: {first}"
    assert found["sentence"] == said
    assert (found["chain"]["next_nonce"], found["chain"]["pending_nonce"]) == (0, 1)


def test_quiet_keeps_only_the_sentence_and_no_explain_asks_nothing(chain: Anvil) -> None:
    quiet = seqsend("send", sign(value=6), at(chain.url), "-q")
    assert "why: its nonce 0 is spent" in quiet.err
    assert "base fee" not in quiet.err
    with Relaying(chain.url) as seen:
        plain = seqsend("send", sign(value=6), at(seen.url), "--no-explain", "--json")
        assert [_methods(request) for request in seen.requests] == [
            ["eth_sendRawTransaction"],
            ["eth_getTransactionByHash"],
        ]
    assert plain.code == 3
    assert "explanation" not in plain.document


def _methods(request: Request) -> list[str]:
    return [call["method"] for call in calls_in(request)]


def test_the_questions_are_one_batch(chain: Anvil) -> None:
    with Relaying(chain.url) as seen:
        seqsend("send", sign(POOR), at(seen.url))
        assert [len(_methods(request)) for request in seen.requests] == [1, 7]


def _refusing_batches(node: Anvil) -> Callable[[Request], bytes]:
    def reply(request: Request) -> bytes:
        if isinstance(request.json, list):
            refusal = {"code": -32600, "message": "batch requests are not supported"}
            return http(200, json.dumps({"jsonrpc": "2.0", "id": None, "error": refusal}).encode())
        return http(200, pass_on(request.body, node.url))

    return reply


def test_an_endpoint_without_batches_is_asked_one_by_one(chain: Anvil) -> None:
    with Replying(_refusing_batches(chain)) as server:
        run = seqsend("send", sign(POOR), at(server.url), "--json")
        assert [len(_methods(request)) for request in server.requests] == [1, 7, *[1] * 7]
    assert explanation_of(run)["chain"]["balance"] == "0"


@pytest.mark.parametrize("kind", ["accepted", "known", "unknown", "unreachable"])
def test_only_a_rejection_is_explained(kind: str, node: Anvil, fresh_tx: Any) -> None:
    raw = fresh_tx().raw
    answers = {"unknown": http(500, b""), "unreachable": http(404, b"")}
    server = Replying(answers[kind]) if kind in answers else Relaying(node.url)
    with server as seen:
        if kind == "known":
            node.rpc("eth_sendRawTransaction", raw)
        run = seqsend("send", raw, at(seen.url), "--json", "-v")
        asked = {method for request in seen.requests for method in _methods(request)}
    assert run.document["status"] == kind
    assert "explanation" not in run.document
    assert asked <= {"eth_sendRawTransaction", "eth_getTransactionByHash"}


def _rejecting(node: Anvil | None = None, *, then: Callable[[], bytes] | None = None) -> Any:
    """Reject every transaction; answer all else with ``then``, or through ``node``."""

    def reply(request: Request) -> bytes:
        if isinstance(request.json, dict) and request.json["method"].startswith("eth_sendRaw"):
            error = {"code": -32000, "message": "insufficient funds"}
            message = {"jsonrpc": "2.0", "id": request.id, "error": error}
            return http(200, json.dumps(message).encode())
        if then is not None:
            return then()
        assert node is not None
        return http(200, pass_on(request.body, node.url))

    return reply


GARBAGE = [
    http(200, b"<html>"),
    http(500, b""),
    http(200, b"[]"),
    http(
        200,
        json.dumps([{"jsonrpc": "2.0", "id": n, "result": {"a": [n]}} for n in range(20)]).encode(),
    ),
    http(
        200,
        json.dumps(
            [{"jsonrpc": "2.0", "id": n, "result": "0x" + "f" * 9000} for n in range(20)]
        ).encode(),
    ),
    http(
        200, json.dumps([{"jsonrpc": "2.0", "id": n, "result": None} for n in range(20)]).encode()
    ),
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_in_place_of_answers_changes_nothing(garbage: bytes) -> None:
    with Replying(_rejecting(then=lambda: garbage)) as server:
        run = seqsend("send", sign(), at(server.url), "--json")
    assert (run.code, run.document["status"]) == (3, "rejected")
    assert explanation_of(run)["transaction"]["nonce"] == 0


def test_silence_costs_one_request_timeout_and_keeps_the_exit_code() -> None:
    released = threading.Event()

    def wait() -> bytes:
        released.wait(20)
        return http(500, b"")

    with Replying(_rejecting(then=wait)) as server:
        usual = seqsend("send", sign(), at(server.url), "--no-explain")
        run = seqsend("send", sign(), at(server.url), "--sequencer-request-timeout=700ms", "--json")
        short = seqsend("send", sign(), at(server.url), "--deadline=400ms", "--json")
        released.set()
    assert (run.code, short.code) == (3, 3)
    explanation = explanation_of(run)
    assert explanation["chain"] is None
    assert explanation["sentence"].startswith("not known: no endpoint returned")
    # The explaining modules are loaded meanwhile, which is slow on a busy machine.
    assert 0.6 < run.elapsed - usual.elapsed < 0.7 + 1.5
    assert short.elapsed - usual.elapsed < 0.4 + 1.5


def test_readers_are_asked_first_and_then_the_other_endpoints(chain: Anvil) -> None:
    send_only = http(200, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"no"}}')
    with (
        Replying(_rejecting(then=lambda: send_only)) as sequencer,
        dead() as gone,
        Relaying(chain.url) as reader,
    ):
        by_reader = seqsend(
            *("send", sign(), at(sequencer.url), "--reads-from", reader.url, "--json")
        )
        assert len(sequencer.requests) == 1
        by_other = seqsend("send", sign(), at(sequencer.url, gone.url, chain.url), "--json")
    assert explanation_of(by_reader)["chain"]["endpoint"] == {"index": 2, "url": reader.url}
    assert explanation_of(by_other)["chain"]["endpoint"] == {"index": 3, "url": chain.url}


def test_several_rejections_are_explained_only_with_v(chain: Anvil, tmp_path: Path) -> None:
    (tmp_path / "transactions.txt").write_text(f"{sign(POOR)}\n{sign(value=9)}\n")
    words = ("send", "--file", str(tmp_path / "transactions.txt"), "--keep-going", at(chain.url))
    plain = seqsend(*words, "--json")
    assert ["explanation" in each for each in plain.documents] == [False, False]
    asked = seqsend(*words, "--json", "-v")
    sentences = [each["explanation"]["sentence"].split(" ")[1] for each in asked.documents]
    assert sentences == ["needs", "nonce"]
    assert asked.err.count("why: ") == 2
    assert "explanation" not in seqsend(*words, "--json", "-v", "--no-explain").out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_questions_keeps_the_verdict(number: int) -> None:
    asked, released = threading.Event(), threading.Event()

    def wait() -> bytes:
        asked.set()
        released.wait(20)
        return http(500, b"")

    with Replying(_rejecting(then=wait)) as server:
        running = start("send", sign(), at(server.url), "--json")
        until(asked.is_set)
        running.send_signal(number)
        out, err = running.communicate(timeout=10)
        released.set()
    (document,) = [json.loads(line) for line in out.splitlines()]
    jsonschema.validate(document, SCHEMA)
    assert (document["status"], document["exit_code"]) == ("rejected", 130)
    assert running.returncode == 130
    assert "explanation" not in document
    assert "interrupted: why it was rejected is not known" in err
    assert "Traceback" not in err


def _with_high_s(raw: str) -> str:
    """Return the transaction with its mirrored signature, whose s is in the upper half."""
    fields = rlp.decode(bytes.fromhex(raw[4:]))
    parity, s = fields[-3] == b"", ORDER - int.from_bytes(fields[-1], "big")
    whole: bytes = b"\x02" + rlp.encode([*fields[:-3], b"\x01" * parity, fields[-2], _bytes(s)])
    return "0x" + whole.hex()


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def test_an_impossible_signature_is_named(chain: Anvil) -> None:
    with Replying(_rejecting(chain)) as server:
        run = seqsend("send", _with_high_s(sign(nonce=1)), at(server.url), "--json")
        assert len(server.requests) == 1
    found = explanation_of(run)
    assert found["sentence"].startswith("no account can have signed it: s of the signature")
    assert (found["chain"], found["transaction"]["sender"]) == (None, None)


def test_a_send_that_succeeds_loads_no_explaining_module(node: Anvil, fresh_tx: Any) -> None:
    words = ("-X", "importtime", "-m", "seqsend", "send", fresh_tx().raw, at(node.url))
    # Without coverage, which loads more modules.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=True, env=plain
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "seqsend.sending.sender" in loaded
    unwanted = ("eth_utils", "eth_keys", "coincurve", "pydantic", "decimal")
    ours = ("seqsend.explanation", "seqsend.sending.decoding", "seqsend.sending.explaining")
    assert loaded.isdisjoint({*unwanted, *ours, "seqsend.render.decoded"})


def test_a_defect_while_explaining_keeps_the_verdict(
    monkeypatch: pytest.MonkeyPatch, chain: Anvil
) -> None:
    monkeypatch.setattr("seqsend.sending.comparison.explain", lambda *_: 1 / 0)
    with SequencerClient(chain.url) as client, pytest.raises(Rejected) as caught:
        client.send_raw_transaction(sign(POOR), explain=True)
    assert caught.value.explanation is None


def test_the_library_explains_only_on_request(chain: Anvil) -> None:
    for explain in (False, True):
        with SequencerClient(chain.url) as client, pytest.raises(Rejected) as caught:
            client.send_raw_transaction(sign(POOR), explain=explain)
        assert (caught.value.explanation is not None) == explain


# ---- Dry runs ----


def test_a_dry_run_sends_nothing_and_says_ok(chain: Anvil) -> None:
    raw = sign(nonce=1)
    with Relaying(chain.url) as seen:
        run = seqsend("send", raw, at(seen.url), "--dry-run", "--json")
        plain = seqsend("send", raw, at(seen.url), "--dry-run")
        assert "eth_sendRawTransaction" not in {m for r in seen.requests for m in _methods(r)}
    assert (run.code, run.document["status"]) == (0, "ok")
    assert explanation_of(run)["chain"]["next_nonce"] == 1
    assert plain.out == f"{run.document['hash']}\n"
    assert plain.err.startswith("dry run, not sent: found no reason not to send it")
    assert not chain.has_transaction(run.document["hash"])


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"nonce": 3}, "its nonce 3 leaves a gap: nonces 1 to 2 are missing"),
        ({"nonce": 1, "gas": 20_000}, "its gas limit of 20000 is below the minimum of 21000"),
        ({"nonce": 0}, "its nonce 0 is spent by transaction"),
    ],
)
def test_a_dry_run_says_why_it_should_not_be_sent(
    fields: dict[str, Any], sentence: str, chain: Anvil
) -> None:
    run = seqsend("send", sign(**fields), at(chain.url), "--dry-run", "--json")
    assert (run.code, run.document["status"]) == (3, "unfit")
    assert run.document["error"]["message"].startswith(f"it should not be sent now: {sentence}")
    plain = seqsend("send", sign(**fields), at(chain.url), "--dry-run")
    assert (plain.code, plain.out) == (3, "")
    assert plain.err.startswith(f"error: it should not be sent now: {sentence}")


def test_a_transaction_already_on_the_chain_is_ok_in_a_dry_run(chain: Anvil) -> None:
    run = seqsend("send", sign(value=5), at(chain.url), "--dry-run", "--json")
    assert run.code == 0
    assert explanation_of(run)["sentence"] == "the endpoint has this transaction"


def test_a_dry_run_counts_earlier_transactions_as_sent(chain: Anvil) -> None:
    half = 6_000 * 10**18
    raws = [sign(nonce=1, value=half), sign(nonce=2), sign(nonce=3, value=half), sign(nonce=5)]
    run = seqsend("send", *raws, "zz", at(chain.url), "--dry-run", "--json")
    assert [each["status"] for each in run.documents] == ["ok", "ok", "unfit", "unfit", "usage"]
    sentences = [each["explanation"]["sentence"] for each in run.documents[2:4]]
    assert "but the sender has 399" in sentences[0]
    assert sentences[1] == "its nonce 5 leaves a gap: nonces 3 to 4 are missing"
    assert run.code == 3


def test_a_dry_run_without_an_answer_is_unreachable() -> None:
    with dead() as nobody:
        run = seqsend("send", sign(), at(nobody.url), "--dry-run", "--json")
    assert (run.code, run.document["status"]) == (4, "unreachable")
    assert [a["reason"] for a in run.document["attempts"]] == ["connection refused"]
    with Silent() as silent:
        words = ("--dry-run", "--sequencer-request-timeout=300ms")
        run = seqsend("send", sign(), at(silent.url), *words)
    assert (run.code, run.out) == (4, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("0x7bc0",), "--dry-run: transactions of type 0x7b are not known here"),
        ((sign(), "--wait"), "--dry-run and --wait cannot be combined"),
        (
            (sign(), '--conditional={"blockNumberMin":1}'),
            "--dry-run cannot compare what --conditional says",
        ),
        ((sign(), "--chain-id", "10"), "is signed for chain 31337, not for chain 10"),
        (("-",), "the input holds no transaction"),
    ],
)
def test_usage_errors_of_a_dry_run(words: tuple[str, ...], said: str) -> None:
    with dead() as nobody:
        run = seqsend("send", "--dry-run", *words, at(nobody.url))
    assert run.code == 2
    assert said in run.err
