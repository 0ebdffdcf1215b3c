"""The failure table (examples/REFERENCE.md, "Failover"), row by row."""

import json
from typing import Any

import pytest

from seqsend.endpoints import parse_endpoints
from seqsend.errors import EndpointFailure
from seqsend.jsonrpc import Call
from seqsend.models import Attempt, Delivered, JsonRpcError, ReasonCode, Reply
from seqsend.verdicts import failure_table as table
from seqsend.verdicts.failure_table import (
    NOT_IDEMPOTENT,
    judge_failure,
    judge_reply,
    may_move_on,
    trusts_verdict,
)
from seqsend.verdicts.methods import SEND_METHODS, SYNC
from tests.support.sayings import SAYINGS, Saying

HASH = "0x" + "ab" * 32
CHAIN_ID = Call("eth_chainId", [])
SEND = Call("eth_sendRawTransaction", ["0x02"], expected=HASH)
RECEIPT = Call("eth_getTransactionReceipt", [HASH])
SEND_SYNC = Call(SYNC, ["0x02"], expected=HASH)
OTHER_HASH = "0x" + "cd" * 32


def result(value: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode()


def error(code: int = -32000, message: str = "nonce too low", request_id: int | None = 1) -> bytes:
    said = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": said}).encode()


def not_mined_yet(data: Any) -> bytes:
    said = {"code": 4, "message": "not mined in time: transaction not yet included", "data": data}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "error": said}).encode()


OTHER_RESULTS: tuple[Any, ...] = (OTHER_HASH, "0x1", True, 1, {}, [HASH], "")
REFUSED = (401, 402, 403, 404, 405, 407, 410, 411, 414, 415, 421, 426, 429, 431, 451)
CLOUDFLARE = (521, 522, 523, 525, 526, 530)
# The transaction's own hash is proof enough, however odd the envelope.
ODD_ENVELOPES = (
    f'{{"id": 1, "result": "{HASH}"}}',
    f'{{"jsonrpc": "1.0", "id": 1, "result": "{HASH}"}}',
    f'{{"jsonrpc": "2.0", "id": "1", "result": "{HASH}"}}',
    f'{{"jsonrpc": "2.0", "id": 1.0, "result": "{HASH}"}}',
    f'{{"jsonrpc": "2.0", "id": true, "result": "{HASH}"}}',
    f'{{"jsonrpc": "2.0", "id": 2, "result": "{HASH}"}}',
    f'{{"jsonrpc": "2.0", "result": "{HASH}"}}',
    f'{{"jsonrpc": "2.0", "id": 1, "result": "{HASH}", "error": null}}',
    f'{{"jsonrpc": "2.0", "id": 1, "result": "{HASH}", "error": {{}}}}',
    f'[{{"jsonrpc": "2.0", "id": 1, "result": "{HASH}"}}]',
    f'{{"jsonrpc": "2.0", "id": 1, "result": "{HASH.upper()}"}}',
)

REPLIES: list[tuple[int, bytes, Call, table.Row]] = [
    (200, result("0x1"), CHAIN_ID, table.RESULT),
    (201, result("0x1"), CHAIN_ID, table.RESULT),
    (200, result(None), RECEIPT, table.RESULT),
    *((status, result(HASH), SEND, table.RESULT) for status in (200, 202, 299)),
    *((200, body.encode(), SEND, table.RESULT) for body in ODD_ENVELOPES),
    (200, error(), SEND, table.VERDICT),
    (200, error(request_id=None), SEND, table.VERDICT),
    (200, error().replace(b'"jsonrpc": "2.0", ', b""), SEND, table.VERDICT),
    (200, error().replace(b"-32000", b'"-32000"'), SEND, table.VERDICT),
    *(
        (status, error(request_id=None), SEND, table.HTTP_VERDICT)
        for status in (400, 409, 413, 422)
    ),
    *((status, b"<html>", SEND, table.HTTP_BROKEN) for status in (400, 409, 422)),
    *((status, error(), SEND, table.HTTP_REFUSED) for status in (*REFUSED, *CLOUDFLARE)),
    (413, b"<html>", SEND, table.HTTP_REFUSED),
    (408, error(), SEND, table.HTTP_TIMED_OUT),
    *((status, b"", SEND, table.HTTP_REDIRECT) for status in (300, 301, 302, 303, 307, 308, 304)),
    *((status, error(), SEND, table.HTTP_BROKEN) for status in (500, 502, 503, 504, 520, 599)),
    *((status, result(HASH), SEND, table.HTTP_BROKEN) for status in (418, 500, 502, 999, 100)),
    # The error says "not passed on", the status "maybe": the error is more exact.
    (503, error(-32012, "backend is over capacity"), SEND, table.NOT_FROM_ME),
    (500, error(-32601, "Method not found"), SEND, table.NOT_FROM_ME),
    (503, error(-32011, "no backend is healthy"), SEND, table.HTTP_BROKEN),
    *(
        (200, body, SEND, table.NO_ANSWER)
        for body in (b"", b"<html>", b"[]", b"{}", b"[" * 200_000, b"\xff", b"9" * 5000)
    ),
    # Any web server may answer with an "error" object: without a version the id must match.
    (200, b'{"error": {"code": -32000, "message": "nonce too low"}}', SEND, table.NO_ANSWER),
    (400, b'{"error": {"code": 400, "message": "Bad Request"}}', SEND, table.HTTP_BROKEN),
    (200, result("0x1").replace(b'"id": 1', b'"id": 2'), CHAIN_ID, table.NO_ANSWER),
    *(
        (200, result(None), Call(method, []), table.NULL_RESULT)
        for method in sorted(table.NEVER_NULL)
    ),
    *((200, result(value), SEND, table.OTHER_RESULT) for value in OTHER_RESULTS),
    (200, result(HASH)[:-1] + b', "error": {"code": 1, "message": "m"}}', SEND, table.NO_ANSWER),
    # EIP-7966: the receipt of this transaction, or its hash; its error 4 is "taken, not mined".
    *(
        (200, result(value), SEND_SYNC, table.RESULT)
        for value in (HASH, {"transactionHash": HASH}, {"transactionHash": HASH.upper()})
    ),
    *(
        (200, result(value), SEND_SYNC, table.OTHER_RESULT)
        for value in (*OTHER_RESULTS, {"transactionHash": OTHER_HASH}, {"transactionHash": None})
    ),
    (200, result(None), SEND_SYNC, table.NULL_RESULT),
    *((200, not_mined_yet(data), SEND_SYNC, table.RESULT) for data in (HASH, None, "0x", [HASH])),
    (200, not_mined_yet(OTHER_HASH), SEND_SYNC, table.VERDICT),
    (200, not_mined_yet(HASH), SEND, table.VERDICT),
]


@pytest.mark.parametrize(("status", "body", "call", "row"), REPLIES)
def test_each_reply_falls_into_its_row(
    status: int, body: bytes, call: Call, row: table.Row
) -> None:
    judgement = judge_reply(Reply(status, body), call, 1)
    assert judgement.row == row
    assert (judgement.reason is None) == (row is table.RESULT)
    assert (judgement.reason_code is None) == (row is table.RESULT)


@pytest.mark.parametrize(
    ("status", "body", "reason", "reason_code"),
    [
        # nginx; Go
        (
            400,
            b"<center>The plain HTTP request was sent to HTTPS port</center>",
            "HTTP 400: the port wants https",
            "tls_wanted",
        ),
        (
            400,
            b"Client sent an HTTP request to an HTTPS server.\n",
            "HTTP 400: the port wants https",
            "tls_wanted",
        ),
        # geth --http.vhosts, and its engine port
        (403, b"invalid host specified\n", "HTTP 403: invalid host specified", "unknown_host"),
        (401, b"missing token\n", "HTTP 401: missing token", "token_wanted"),
        (401, b"", "HTTP 401", "unauthorized"),
        (404, b"404 page not found\n", "HTTP 404: page not found", "not_found"),
        (407, b"", "HTTP 407", "proxy_refused"),
        (413, b"", "HTTP 413", "request_too_large"),
        (429, b"", "HTTP 429", "rate_limited"),
        (500, b"", "HTTP 500", "server_error"),
        (503, error(-32016, "over rate limit"), "HTTP 503: over rate limit (code -32016)", None),
        (403, error(-32601, "not here"), "HTTP 403: not here (code -32601)", "no_such_method"),
        (504, b"", "HTTP 504", "gateway_timeout"),
        (418, b"", "HTTP 418", "http_error"),
        (302, b"", "HTTP 302", "redirect"),
        (200, b"<html>", "not JSON but an HTML page", "html"),
        (200, b"hello", "not JSON but something else: hello", "not_json"),
        (200, b"[" * 600 + b"]" * 600, "JSON nested too deeply", "too_large"),
        (200, error(-32000, "node is syncing"), "node is syncing (code -32000)", "syncing"),
        (200, error(), "nonce too low (code -32000)", "rejected"),
    ],
)
def test_a_failure_has_a_reason_and_a_reason_code(
    status: int, body: bytes, reason: str, reason_code: ReasonCode | None
) -> None:
    judgement = judge_reply(Reply(status, body), SEND, 1)
    assert (judgement.reason or "").startswith(reason)
    assert judgement.reason_code == (reason_code or "rate_limited")


def test_every_row_of_a_reply_is_reached() -> None:
    reached = {row.name for *_, row in REPLIES} | {saying.row.name for saying in SAYINGS}
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
    assert (judgement.reason, judgement.reason_code) == ("connection reset", "closed")


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
def test_an_outage_says_whether_it_may_have_been_delivered(
    row: table.Row, delivered: Delivered
) -> None:
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


@pytest.mark.parametrize(
    "method", [*sorted(table.NOT_IDEMPOTENT), "zks_sendTransaction", "klay_sendTransaction"]
)
def test_a_method_that_could_act_twice_moves_on_only_if_not_delivered(method: str) -> None:
    call = Call(method, [])
    assert may_move_on(table.NOT_DELIVERED, call, retry_unsafe=False)
    assert not may_move_on(table.MAYBE_DELIVERED, call, retry_unsafe=False)
    assert may_move_on(table.MAYBE_DELIVERED, call, retry_unsafe=True)


@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "eth_sendUserOperation", "eth_call"])
def test_a_method_that_cannot_act_twice_always_moves_on(method: str) -> None:
    assert may_move_on(table.MAYBE_DELIVERED, Call(method, []), retry_unsafe=False)


@pytest.mark.parametrize("saying", SAYINGS, ids=str)
@pytest.mark.parametrize("status", [None, 200, 400])
def test_an_error_is_judged_alike_whatever_the_status(saying: Saying, status: int | None) -> None:
    call = Call(saying.method, [])
    reply = Reply(status, error(saying.error.code, saying.error.message))
    verdict = table.HTTP_VERDICT if status == 400 else table.VERDICT
    judgement = judge_reply(reply, call, 1)
    assert judgement.row == (verdict if saying.row is table.VERDICT else saying.row)
    assert judgement.error == saying.error
    assert (judgement.reason_code == "rejected") == (saying.row is table.VERDICT)
    assert judge_reply(reply, call, 1, strict_errors=True).row == verdict


def _attempt(delivered: Delivered) -> Attempt:
    (endpoint,) = parse_endpoints("http://a")
    return Attempt(endpoint, "m", "failover", "answer", delivered, 0.1)


def test_a_verdict_on_a_transaction_is_not_trusted_after_a_possible_delivery() -> None:
    assert trusts_verdict(SEND, ())
    assert trusts_verdict(SEND, (_attempt("no"),))
    assert not trusts_verdict(SEND, (_attempt("unknown"), _attempt("no")))
    assert trusts_verdict(CHAIN_ID, (_attempt("unknown"),))


@pytest.mark.parametrize(
    "method",
    [
        *sorted(SEND_METHODS | NOT_IDEMPOTENT),
        "eth_sendUserOperation",
        "eth_sendBundle",
        "zks_sendRawTransactionWithDetailedOutput",
    ],
)
def test_a_verdict_on_any_other_submission_is_not_trusted_either(method: str) -> None:
    call = Call(method, [])
    assert trusts_verdict(call, (_attempt("no"),))
    assert not trusts_verdict(call, (_attempt("unknown"),))
