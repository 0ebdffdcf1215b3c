"""The failure table: what came back → was that the answer, and was the request delivered? Pure.

Each row of the contract's table (section 4) is a :class:`Row` here with a name; `tests/` hold each
name against a test that provokes it.
"""

import re
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Any, Literal

from seqsend.errors import EndpointFailure
from seqsend.jsonrpc import (
    Call,
    NotAnAnswer,
    Result,
    decode_answer,
    decode_error,
    read_answer,
)
from seqsend.models import Attempt, Delivered, JsonRpcError, ReasonCode, Reply
from seqsend.redaction import describe_status
from seqsend.verdicts.node_errors import SEND_METHODS, excuse_in

Class = Literal["result", "verdict", "outage", "again"]
"""``result`` and ``verdict`` end the call; after an ``outage`` the next endpoint is tried;
``again`` is a call in a batch that the same endpoint is asked for again, in a smaller one."""

NEVER_NULL = SEND_METHODS | {
    "eth_chainId",
    "eth_blockNumber",
    "eth_gasPrice",
    "net_version",
    "web3_clientVersion",
}
"""Methods whose ``result: null`` comes from a proxy or a broken node, never from a healthy one."""

NOT_IDEMPOTENT = frozenset({"eth_sendTransaction", "personal_sendTransaction", "wallet_sendCalls"})
"""Methods that do a second time what they did the first: the node signs with the next nonce.

``eth_sendUserOperation`` is not among them: the operation carries its own nonce, and so a hash.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the failure table."""

    name: str
    kind: Class
    delivered: Delivered


NOT_DELIVERED = Row("failed before the request was written", "outage", "no")
MAYBE_DELIVERED = Row("failed after the request was written", "outage", "unknown")
HTTP_REFUSED = Row("HTTP 401, 403, 404, 405, 429", "outage", "no")
HTTP_TIMED_OUT = Row("HTTP 408", "outage", "unknown")
HTTP_REDIRECT = Row("HTTP 3xx", "outage", "no")
HTTP_BROKEN = Row("HTTP 5xx or any other non-2xx", "outage", "unknown")
HTTP_VERDICT = Row("HTTP 400, 409, 413, 422 with a JSON-RPC error", "verdict", "yes")
NO_ANSWER = Row("2xx that is no JSON-RPC answer", "outage", "unknown")
NULL_RESULT = Row("null from a method that never returns null", "outage", "unknown")
OTHER_RESULT = Row("a result that is not the transaction's hash", "outage", "unknown")
VERDICT = Row("JSON-RPC error", "verdict", "yes")
NOT_FROM_ME = Row("JSON-RPC error that says not from me", "outage", "no")
PASSED_ON = Row("JSON-RPC error after the request was passed on", "outage", "unknown")
RESULT = Row("JSON-RPC result", "result", "yes")

ROWS = (
    NOT_DELIVERED,
    MAYBE_DELIVERED,
    HTTP_REFUSED,
    HTTP_TIMED_OUT,
    HTTP_REDIRECT,
    HTTP_BROKEN,
    HTTP_VERDICT,
    NO_ANSWER,
    NULL_RESULT,
    OTHER_RESULT,
    VERDICT,
    NOT_FROM_ME,
    PASSED_ON,
    RESULT,
)

# Asked from the top; the first whose statuses hold the reply's is taken. A 2xx is none of them.
_BY_STATUS: tuple[tuple[Container[int], Row], ...] = (
    ({401, 403, 404, 405, 429}, HTTP_REFUSED),
    ({408}, HTTP_TIMED_OUT),
    (range(300, 400), HTTP_REDIRECT),
    (range(1000), HTTP_BROKEN),
)
# What a TLS port says to plain HTTP: nginx ngx_http_special_response.c; Go net/http/server.go.
_WANTS_HTTPS = re.compile(rb"HTTP request (was sent )?to (an )?HTTPS (port|server)")
_READ_FOR_A_VERDICT = frozenset({400, 409, 413, 422})


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a reply means."""

    row: Row
    reason: str | None = None
    """Why it is an outage, in one line with no secret of ours in it; a server's words unescaped."""
    reason_code: ReasonCode | None = None
    result: Any = None
    error: JsonRpcError | None = None


def judge_failure(failure: EndpointFailure, *, written: bool) -> Judgement:
    """Judge an attempt without a reply; ``written`` tells whether the request went out whole."""
    return Judgement(
        MAYBE_DELIVERED if written else NOT_DELIVERED, failure.reason, failure.reason_code
    )


def judge_reply(
    reply: Reply, call: Call, request_id: int, *, strict_errors: bool = False
) -> Judgement:
    """Judge what an endpoint answered to ``call``.

    With ``strict_errors`` every JSON-RPC error is a verdict, also one that says "not from me".
    """
    if reply.status is None or 200 <= reply.status < 300:
        judgement = _judge_body(reply.body, call, request_id)
    else:
        judgement = judge_status(reply.status, reply)
    return excused(judgement, call, strict_errors=strict_errors)


def excused(judgement: Judgement, call: Call, *, strict_errors: bool) -> Judgement:
    """Return ``judgement``, or the outage that it is where its error says "not from me"."""
    error = judgement.error
    if error is None or judgement.row.kind != "verdict" or strict_errors:
        return judgement
    excuse = excuse_in(error, call.method)
    if excuse is None:
        return judgement
    return replace(judgement, row=NOT_FROM_ME if excuse.delivered == "no" else PASSED_ON)


def judge_status(status: int, reply: Reply) -> Judgement:
    """Judge a reply whose HTTP status is not 2xx."""
    error = decode_error(reply.body)
    if error is not None and status in _READ_FOR_A_VERDICT:
        return Judgement(HTTP_VERDICT, describe_error(error), error=error)
    row = next(row for statuses, row in _BY_STATUS if status in statuses)
    said = describe_status(status, reply.location)
    if error is not None:
        said = f"{said}: {describe_error(error)}"
    elif status == 400 and _WANTS_HTTPS.search(reply.body):
        said = f"{said}: the port wants https"
    return Judgement(row, said, error=error)


def _judge_body(body: bytes, call: Call, request_id: int) -> Judgement:
    try:
        return _judge_answer(decode_answer(body, request_id), call)
    except NotAnAnswer as error:
        return Judgement(NO_ANSWER, str(error))


def judge_message(message: Any, call: Call, request_id: int) -> Judgement:
    """Judge a parsed message that is to answer ``call``."""
    try:
        return _judge_answer(read_answer(message, request_id), call)
    except NotAnAnswer as error:
        return Judgement(NO_ANSWER, str(error))


def _judge_answer(answer: Result | JsonRpcError, call: Call) -> Judgement:
    if isinstance(answer, JsonRpcError):
        return Judgement(VERDICT, describe_error(answer), error=answer)
    return _judge_result(answer, call)


def _judge_result(answer: Result, call: Call) -> Judgement:
    value = answer.value
    if value is None and call.method in NEVER_NULL:
        return Judgement(NULL_RESULT, f"null, which {call.method} never returns")
    if call.expected is not None and not same_hash(value, call.expected):
        return Judgement(OTHER_RESULT, "a result that is not this transaction's hash")
    return Judgement(RESULT, result=value)


def same_hash(value: Any, expected: str) -> bool:
    """Tell whether ``value`` is the hash ``expected``, as bytes: in any case."""
    return isinstance(value, str) and value.lower() == expected.lower()


def describe_error(error: JsonRpcError) -> str:
    """Return an error in one line."""
    return f"{error.message} (code {error.code})"


def may_move_on(row: Row, call: Call, *, retry_unsafe: bool) -> bool:
    """Tell whether ``call`` may be sent to another endpoint after an outage of kind ``row``."""
    return retry_unsafe or row.delivered == "no" or call.method not in NOT_IDEMPOTENT


def trusts_verdict(call: Call, before: tuple[Attempt, ...]) -> bool:
    """Tell whether a verdict on ``call`` is final after the attempts ``before`` it.

    A transaction that an earlier endpoint may have taken is refused by the next one for that very
    reason ("nonce too low"): such a refusal says nothing about whether it landed.
    """
    return call.method not in SEND_METHODS or all(a.delivered == "no" for a in before)
