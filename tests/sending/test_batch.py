"""JSON-RPC batches: whatever the answer, each transaction ends with its true status."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from seqsend import SequencerClient
from seqsend.sending.stream import Ended, Line
from tests.support.calls import calls_in
from tests.support.node import Anvil
from tests.support.servers import Closing, Replying, Request, Silent, dead, http, pass_on
from tests.support.wallet import Signed, Wallet

HASHES: dict[str, str] = {}


@pytest.fixture
def signed(node: Anvil, wallet: Wallet) -> list[Signed]:
    """Return eight transactions of one account, in nonce order."""
    first = node.nonce(wallet.address)
    made = [wallet.sign(2, nonce=first + i) for i in range(8)]
    HASHES.update({s.raw: s.hash for s in made})
    return made


def run(urls: list[str], signed: list[Signed], size: int = 8, **options: Any) -> list[Ended]:
    with SequencerClient(urls, **({"request_timeout": 5.0} | options)) as client:
        lines = [Line(i, s.raw) for i, s in enumerate(signed, start=1)]
        return list(client.stream(batch_size=size, keep_going=True).run(iter(lines)))


def statuses(ended: list[Ended]) -> list[str]:
    return [e.status for e in ended]


def sizes(server: Replying) -> list[int]:
    """Return the number of transactions in each request."""
    asked = [r.json for r in server.requests]
    return [len(a) if isinstance(a, list) else 1 for a in asked]


def results(request: Request) -> list[dict[str, Any]]:
    calls = calls_in(request)
    return [{"jsonrpc": "2.0", "id": c["id"], "result": HASHES.get(c["params"][0])} for c in calls]


def test_a_batch_goes_to_a_real_node(node: Anvil, signed: list[Signed]) -> None:
    with Replying(lambda r: http(200, pass_on(r.body, node.url))) as relay:
        ended = run([relay.url], signed, size=5)
        assert sizes(relay) == [5, 3]
    assert statuses(ended) == ["accepted"] * 8
    assert all(node.has_transaction(s.hash) for s in signed)
    assert statuses(run([node.url], signed)) == ["known"] * 8


def limited(limit: int, refusal: Callable[[Request], bytes]) -> Callable[[Request], bytes]:
    """Take batches of up to ``limit``, and refuse larger ones."""

    def reply(request: Request) -> bytes:
        asked = request.json
        if isinstance(asked, list) and len(asked) > limit:
            return refusal(request)
        found = results(request)
        return http(200, json.dumps(found if isinstance(asked, list) else found[0]).encode())

    return reply


def _error(code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}


def _said(code: int, message: str, *, array: bool, status: int = 200) -> Callable[[Request], bytes]:
    body: Any = [_error(code, message)] if array else _error(code, message)
    return lambda _request: http(status, json.dumps(body).encode())


REFUSALS: dict[str, Callable[[Request], bytes]] = {
    "geth: an array of one error": _said(-32600, "batch too large", array=True),
    "reth: a single object": _said(-32600, "The batch request was too large", array=False),
    "proxyd: 413": _said(-32021, "request body too large", array=False, status=413),
    "nginx: 413": lambda _request: http(413, b"<html>"),
    "nethermind: 503": lambda _request: http(503, b""),
    "-32005": _said(-32005, "batch limit exceeded", array=False),
    "400": _said(-32600, "invalid request", array=False, status=400),
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("limit", [1, 3])
def test_a_refused_batch_is_split_and_the_smaller_size_is_remembered(
    refusal: str, limit: int, signed: list[Signed]
) -> None:
    with Replying(limited(limit, REFUSALS[refusal])) as server:
        ended = run([server.url], signed)
        found = sizes(server)
    assert statuses(ended) == ["accepted"] * 8
    assert found == ([8, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1] if limit == 1 else [8, 4, 2, 2, 2, 2])


def test_the_size_is_remembered_for_the_run(signed: list[Signed]) -> None:
    with Replying(limited(2, REFUSALS["nginx: 413"])) as server:
        run([server.url], signed, size=4)
        assert sizes(server) == [4, 2, 2, 2, 2]


def test_a_rate_limited_batch_goes_to_the_next_endpoint_whole(
    signed: list[Signed],
) -> None:
    said = _said(-32016, "over rate limit", array=False, status=200)
    with Replying(said) as first, Replying(limited(8, said)) as second:
        ended = run([first.url, second.url], signed)
        assert (sizes(first), sizes(second)) == ([8], [8])
    assert statuses(ended) == ["accepted"] * 8
    assert {e.end.endpoint.index for e in ended} == {2}  # type: ignore[union-attr]


def test_answers_are_matched_by_their_ids(signed: list[Signed]) -> None:
    with Replying(lambda r: http(200, json.dumps(results(r)[::-1]).encode())) as server:
        assert statuses(run([server.url], signed)) == ["accepted"] * 8


def test_transactions_missing_from_an_answer_are_sent_again(signed: list[Signed]) -> None:
    def reply(request: Request) -> bytes:
        found = results(request)
        whole: Any = found[:3] if isinstance(request.json, list) else found[0]
        return http(200, json.dumps(whole).encode())

    with Replying(reply) as server:
        ended = run([server.url], signed)
        assert sizes(server) == [8, 3, 2]
    assert statuses(ended) == ["accepted"] * 8


def test_an_id_answered_twice_counts_as_unanswered_and_unknown_ids_are_ignored(
    signed: list[Signed],
) -> None:
    def reply(request: Request) -> bytes:
        if not isinstance(request.json, list):  # the look-ups that follow
            return http(200, json.dumps(results(request)[0]).encode())
        found = results(request)
        strange = [{"jsonrpc": "2.0", "id": 999_999, "result": "0x"}, 7, None, [], {"id": []}]
        return http(200, json.dumps([*found, found[0], *strange]).encode())

    with Replying(reply) as server:
        ended = run([server.url], signed)
    assert statuses(ended) == ["unknown"] + ["accepted"] * 7


def test_a_single_object_answers_one_transaction_and_the_rest_are_sent_again(
    signed: list[Signed],
) -> None:
    def reply(request: Request) -> bytes:
        return http(200, json.dumps(results(request)[0]).encode())

    with Replying(reply) as server:
        assert statuses(run([server.url], signed[:3])) == ["accepted"] * 3


def test_a_batch_may_mix_verdicts_and_results(
    node: Anvil, wallet: Wallet, signed: list[Signed]
) -> None:
    poor = Wallet.of_key("0x" + "22" * 32).sign(2, nonce=0)
    mixed = [signed[0], poor, signed[1], signed[0]]
    ended = run([node.url], mixed)
    assert statuses(ended) == ["accepted", "rejected", "accepted", "known"]


def test_transactions_that_an_endpoint_cannot_take_now_go_to_the_next(
    node: Anvil, signed: list[Signed]
) -> None:
    def reply(request: Request) -> bytes:
        found = results(request)
        for item in found[::2]:
            del item["result"]
            item["error"] = {"code": -32000, "message": "node is syncing"}
        for item, asked in list(zip(found, request.json, strict=True))[1::2]:
            item["result"] = node.rpc("eth_sendRawTransaction", *asked["params"])
        return http(200, json.dumps(found).encode())

    # Two accounts: with one, every second nonce would be missing at both endpoints.
    other = Wallet(1)
    nonce = node.nonce(other.address)
    pairs = [pair for i in range(4) for pair in (other.sign(2, nonce=nonce + i), signed[i])]
    with Replying(reply) as first:
        ended = run([first.url, node.url], pairs)
    assert statuses(ended) == ["accepted"] * 8
    assert [e.end.endpoint.index for e in ended] == [2, 1] * 4  # type: ignore[union-attr]


def test_a_timeout_after_half_of_the_batch_was_delivered_loses_nothing(
    node: Anvil, signed: list[Signed]
) -> None:
    """The first endpoint takes half of the batch and never answers."""

    def reply(request: Request) -> bytes:
        for asked in request.json[:4]:
            node.rpc("eth_sendRawTransaction", *asked["params"])
        first.wait(5)
        return b""

    with Replying(reply) as first:
        ended = run([first.url, node.url], signed, request_timeout=1.0)
    assert statuses(ended) == ["known"] * 4 + ["accepted"] * 4
    assert all(node.has_transaction(s.hash) for s in signed)
    assert all(e.end.attempts[0].delivered == "unknown" for e in ended)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("server", "status"),
    [
        (dead, "unreachable"),
        (Silent, "unknown"),
        (lambda: Closing(after="request", how="rst"), "unknown"),
        (lambda: Replying(http(200, b"[]")), "unknown"),
        (lambda: Replying(http(200, b"7")), "unknown"),
        (lambda: Replying(http(200, b"<html>")), "unknown"),
        (lambda: Replying(http(502, b"<html>")), "unknown"),
        (lambda: Replying(http(429, b"")), "unreachable"),
    ],
)
def test_if_a_batch_fails_at_every_endpoint_all_its_transactions_say_so(
    server: Callable[[], Any], status: str, signed: list[Signed]
) -> None:
    with server() as failing:
        ended = run([failing.url], signed[:3], request_timeout=0.4, deadline=1.5)
    assert statuses(ended) == [status] * 3
    assert all(e.end.attempts for e in ended)  # type: ignore[union-attr]


def test_after_a_failover_the_next_batch_starts_at_the_new_endpoint(
    node: Anvil, signed: list[Signed]
) -> None:
    with dead() as nobody, SequencerClient([nobody.url, node.url]) as client:
        lines = iter([Line(i, s.raw) for i, s in enumerate(signed, start=1)])
        ended = list(client.stream(batch_size=4).run(lines))
        assert client.preferred.index == 2
    assert statuses(ended) == ["accepted"] * 8
    assert [len(e.end.attempts) for e in ended] == [2] * 4 + [1] * 4  # type: ignore[union-attr]


def test_threads_may_share_a_client(node: Anvil) -> None:
    """Three streams at once, each with its own account."""
    failures: list[str] = []

    def send(index: int, client: SequencerClient) -> None:
        wallet = Wallet(index)
        nonce = node.nonce(wallet.address)
        lines = [Line(i, wallet.sign(2, nonce=nonce + i).raw) for i in range(20)]
        failures.extend(
            e.status for e in client.stream(batch_size=7).run(iter(lines)) if e.status != "accepted"
        )

    with SequencerClient(node.url) as client:
        threads = [threading.Thread(target=send, args=(i, client)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
