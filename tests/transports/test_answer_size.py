"""Limits on the size of an answer: small for sends and look-ups, larger for calls."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from seqsend import SequencerClient
from seqsend.errors import CallError
from seqsend.jsonrpc import LONGEST_KNOWN
from seqsend.sending.transaction import parse_raw_transaction
from tests.support.calls import calls_in, respond
from tests.support.servers import Replying, Request, jsonrpc_error, jsonrpc_result
from tests.support.wallet import Wallet
from tests.support.ws import answering, serving

LARGE = "x" * (LONGEST_KNOWN + 1)


def _serve(kind: str, reply: Callable[[Any], Any]) -> Any:
    """Return a server that answers each request with the result of ``reply``."""
    if kind == "http":
        return Replying(lambda request: jsonrpc_result(request, reply(request.json)))
    return serving(
        answering(
            lambda asked: json.dumps(
                {"jsonrpc": "2.0", "id": asked["id"], "result": reply(asked)}
            ).encode()
        )
    )


def _url(server: Any) -> str:
    return server if isinstance(server, str) else str(server.url)


@pytest.mark.parametrize("kind", ["http", "ws"])
def test_the_answer_to_a_call_may_be_larger_than_that_to_a_send(kind: str) -> None:
    raw = Wallet(0).sign(2, nonce=0, value=1).raw
    with _serve(kind, lambda _: LARGE) as server, SequencerClient(_url(server)) as client:
        for _ in range(2):  # over one connection
            assert client.request("debug_traceTransaction").result == LARGE
        for send in (
            lambda: client.send_raw_transaction(raw),
            lambda: client.request("eth_sendRawTransaction", [raw]),
        ):
            with pytest.raises(CallError) as caught:
                send()
            assert caught.value.attempts[0].reason == "answer larger than 4MiB"


def test_the_users_limit_holds_for_calls_and_sends() -> None:
    raw = Wallet(0).sign(2, nonce=0, value=1).raw
    with (
        _serve("http", lambda _: "x" * 2000) as server,
        SequencerClient(server.url, max_response_size=1000) as client,
    ):
        with pytest.raises(CallError, match="answer larger than 1000B"):
            client.request("debug_traceTransaction")
        with pytest.raises(CallError, match="answer larger than 1000B"):
            client.send_raw_transaction(raw)


def test_a_batch_may_be_answered_with_the_limit_for_each_transaction() -> None:
    """Receipts with their logs are large."""

    def answer(request: Request) -> bytes:
        note = {"note": "x" * (LONGEST_KNOWN - 1000)}
        hashes = [parse_raw_transaction(call["params"][0]).hash for call in calls_in(request)]
        return respond(request, [{"result": known} | note for known in hashes])

    from seqsend import Line

    signed = [Wallet(0).sign(2, nonce=nonce, value=1).raw for nonce in range(3)]
    with Replying(answer) as server, SequencerClient(server.url) as client:
        lines = [Line(number, raw) for number, raw in enumerate(signed, start=1)]
        ends = list(client.stream(batch_size=3).run(lines))
    assert [end.status for end in ends] == ["accepted"] * 3


def test_the_answer_to_a_look_up_is_bounded() -> None:
    def answer(request: Request) -> bytes:
        if request.json["method"] == "eth_sendRawTransaction":
            return jsonrpc_error(request, -32000, "nonce too low")
        return jsonrpc_result(request, LARGE)

    with (
        Replying(answer) as server,
        SequencerClient(server.url) as client,
        pytest.raises(CallError) as caught,
    ):
        client.send_raw_transaction(Wallet(0).sign(2, nonce=0, value=1).raw)
    assert caught.value.status == "unknown"
    assert caught.value.attempts[-1].reason == "answer larger than 4MiB"
