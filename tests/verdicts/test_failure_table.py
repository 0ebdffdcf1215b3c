"""The failure table (contract, section 4), row by row."""

import json
from typing import Any

import pytest

from seqsend.endpoints import parse_endpoints
from seqsend.errors import EndpointFailure
from seqsend.jsonrpc import Call
from seqsend.models import Attempt, Delivered, JsonRpcError, Reply
from seqsend.verdicts import failure_table as table
from seqsend.verdicts.failure_table import (
    judge_failure,
    judge_reply,
    may_move_on,
    trusts_verdict,
)
from seqsend.verdicts.node_errors import EXCUSES
from tests.support.sayings import SAID

HASH = "0x" + "ab" * 32
CHAIN_ID = Call("eth_chainId", [])
SEND = Call("eth_sendRawTransaction", ["0x02"], expected=HASH)
RECEIPT = Call("eth_getTransactionReceipt", [HASH])


def result(value: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode()


def error(code: int = -32000, message: str = "nonce too low", request_id: int | None = 1) -> bytes:
    said = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": said}).encode()


OTHER_RESULTS: tuple[Any, ...] = ("0x" + "cd" * 32, "0x1", True, 1, {}, [HASH], "")

REPLIES: list[tuple[int, bytes, Call, table.Row]] = [
    (200, result("0x1"), CHAIN_ID, table.RESULT),
    (201, result("0x1"), CHAIN_ID, table.RESULT),
    (200, result(None), RECEIPT, table.RESULT),
    (200, result(HASH), SEND, table.RESULT),
    (200, result(HASH.upper().replace("X", "x")), SEND, table.RESULT),
    (200, error(), SEND, table.VERDICT),
    (200, error(request_id=None), SEND, table.VERDICT),
    *(
        (status, error(request_id=None), SEND, table.HTTP_VERDICT)
        for status in (400, 409, 413, 422)
    ),
    *((status, b"<html>", SEND, table.HTTP_BROKEN) for status in (400, 409, 413, 422)),
    *((status, error(), SEND, table.HTTP_REFUSED) for status in (401, 403, 404, 405, 429)),
    (408, error(), SEND, table.HTTP_TIMED_OUT),
    *((status, b"", SEND, table.HTTP_REDIRECT) for status in (300, 301, 302, 303, 307, 308, 304)),
    *((status, error(), SEND, table.HTTP_BROKEN) for status in (500, 502, 503, 504, 520, 599)),
    *((status, result(HASH), SEND, table.HTTP_BROKEN) for status in (402, 410, 418, 451, 999, 100)),
    *((status, result(HASH), SEND, table.RESULT) for status in (200, 202, 299)),
    *(
        (200, body, SEND, table.NO_ANSWER)
        for body in (b"", b"<html>", b"[]", b"{}", b"[" * 200_000, b"\xff", b"9" * 5000)
    ),
    (200, result(HASH).replace(b'"id": 1', b'"id": 2'), SEND, table.NO_ANSWER),
    *(
        (200, result(None), Call(method, []), table.NULL_RESULT)
        for method in sorted(table.NEVER_NULL)
    ),
    *((200, result(value), SEND, table.OTHER_RESULT) for value in OTHER_RESULTS),
]


@pytest.mark.parametrize(("status", "body", "call", "row"), REPLIES)
def test_each_reply_falls_into_its_row(
    status: int, body: bytes, call: Call, row: table.Row
) -> None:
    judgement = judge_reply(Reply(status, body), call, 1)
    assert judgement.row == row
    assert (judgement.reason is None) == (row is table.RESULT)


@pytest.mark.parametrize(
    "said",
    [
        b"<center>The plain HTTP request was sent to HTTPS port</center>",  # nginx
        b"Client sent an HTTP request to an HTTPS server.\n",  # Go
    ],
)
def test_a_tls_port_that_was_spoken_to_in_plain_http_is_named(said: bytes) -> None:
    judgement = judge_reply(Reply(400, said), SEND, 1)
    assert judgement.reason == "HTTP 400: the port wants https"
    assert judgement.row == table.HTTP_BROKEN


def test_every_row_of_a_reply_is_reached() -> None:
    reached = {row.name for *_, row in REPLIES} | {row.name for *_, row in SAID}
    assert {row.name for row in table.ROWS} - reached == {
        table.NOT_DELIVERED.name,
        table.MAYBE_DELIVERED.name,
    }


@pytest.mark.parametrize(("written", "delivered"), [(False, "no"), (True, "unknown")])
def test_a_failure_is_ambiguous_once_the_request_was_written(
    written: bool,  # noqa: FBT001
    delivered: Delivered,
) -> None:
    judgement = judge_failure(EndpointFailure("connection reset", "closed"), written=written)
    assert (judgement.row.kind, judgement.row.delivered) == ("outage", delivered)
    assert judgement.reason == "connection reset"


@pytest.mark.parametrize(
    ("row", "delivered"),
    [
        (table.HTTP_REFUSED, "no"),
        (table.HTTP_REDIRECT, "no"),
        (table.HTTP_TIMED_OUT, "unknown"),
        (table.HTTP_BROKEN, "unknown"),
        (table.NO_ANSWER, "unknown"),
        (table.NULL_RESULT, "unknown"),
        (table.OTHER_RESULT, "unknown"),
    ],
)
def test_an_outage_says_what_may_have_been_delivered(row: table.Row, delivered: Delivered) -> None:
    assert (row.kind, row.delivered) == ("outage", delivered)


def test_a_verdict_is_unchanged_and_an_error_inside_an_outage_is_kept() -> None:
    inside = judge_reply(Reply(503, error(-32011, "no backends available")), SEND, 1)
    assert inside.error == JsonRpcError(-32011, "no backends available")
    assert inside.reason == "HTTP 503: no backends available (code -32011)"
    body = b'{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"m\\u001b","data":{"a":[1]}}}'
    assert judge_reply(Reply(200, body), SEND, 1).error == JsonRpcError(3, "m\x1b", {"a": [1]})


def test_a_redirect_says_where_it_points_without_its_secrets() -> None:
    judgement = judge_reply(Reply(307, b"", "https://user:pw@other/login?token=abc"), SEND, 1)
    assert judgement.reason == "HTTP 307 redirect to https://***@other/login?***, not followed"


@pytest.mark.parametrize("method", sorted(table.NOT_IDEMPOTENT))
def test_what_can_be_done_twice_moves_on_only_after_no_delivery(method: str) -> None:
    call = Call(method, [])
    assert may_move_on(table.NOT_DELIVERED, call, retry_unsafe=False)
    assert not may_move_on(table.MAYBE_DELIVERED, call, retry_unsafe=False)
    assert may_move_on(table.MAYBE_DELIVERED, call, retry_unsafe=True)


@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "eth_sendUserOperation", "eth_call"])
def test_what_cannot_be_done_twice_always_moves_on(method: str) -> None:
    assert may_move_on(table.MAYBE_DELIVERED, Call(method, []), retry_unsafe=False)


@pytest.mark.parametrize(("method", "code", "message", "row"), SAID)
@pytest.mark.parametrize("status", [200, 400])
def test_knows_who_says_not_from_me(
    method: str, code: int, message: str, row: table.Row, status: int
) -> None:
    reply, call = Reply(status, error(code, message)), Call(method, [])
    verdict = table.VERDICT if status == 200 else table.HTTP_VERDICT
    judgement = judge_reply(reply, call, 1)
    assert judgement.row == (verdict if row is table.VERDICT else row)
    assert judgement.error == JsonRpcError(code, message)
    assert judge_reply(reply, call, 1, strict_errors=True).row == verdict


def test_every_excuse_is_made_by_someone() -> None:
    for excuse in EXCUSES:
        assert any(
            excuse.fits(JsonRpcError(code, message), method)
            for method, code, message, row in SAID
            if row is not table.VERDICT
        )


def _attempt(delivered: Delivered) -> Attempt:
    (endpoint,) = parse_endpoints("http://a")
    return Attempt(endpoint, "m", "failover", "answer", delivered, 0.1)


def test_a_verdict_on_a_transaction_is_not_trusted_after_a_possible_delivery() -> None:
    assert trusts_verdict(SEND, ())
    assert trusts_verdict(SEND, (_attempt("no"),))
    assert not trusts_verdict(SEND, (_attempt("unknown"), _attempt("no")))
    assert trusts_verdict(CHAIN_ID, (_attempt("unknown"),))
