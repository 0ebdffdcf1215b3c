"""The failure table: what came back → was that the answer, and was the request delivered? Pure.

Each row of the contract's table (section 4) is a :class:`Row` here with a name; `tests/` check that
each name has a test that provokes it.
"""

import re
from typing import Any, Literal, NamedTuple

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
from seqsend.verdicts.http_statuses import (
    JUDGED_BY_ERROR,
    status_delivered,
    status_reason_code,
)
from seqsend.verdicts.methods import SEND_METHODS, SYNC
from seqsend.verdicts.shown import describe_body, describe_error, describe_value, shorten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.verdicts.node_errors import Excuse

Class = Literal["result", "verdict", "outage", "again"]
"""``result`` and ``verdict`` end the call; after an ``outage`` the next endpoint is tried;
``again``: the same endpoint is asked for the call again, in a smaller batch."""

NEVER_NULL = SEND_METHODS | {
    "eth_chainId",
    "eth_blockNumber",
    "eth_gasPrice",
    "net_version",
    "web3_clientVersion",
}
"""Methods whose ``result: null`` comes from a proxy or a broken node, never from a healthy one."""

NOT_IDEMPOTENT = frozenset({"eth_sendTransaction", "personal_sendTransaction", "wallet_sendCalls"})
"""Methods that have their effect again if they are repeated: the node signs with the next nonce.
The same holds for any other ``*_sendTransaction``; see `is_idempotent`.

``eth_sendUserOperation`` is not among them: the operation carries its own nonce, and so has a fixed
hash.
"""


class Row(NamedTuple):
    """One line of the failure table."""

    name: str
    kind: Class
    delivered: Delivered


NOT_DELIVERED = Row("failed before the request was written", "outage", "no")
MAYBE_DELIVERED = Row("failed after the request was written", "outage", "unknown")
HTTP_REFUSED = Row("HTTP status of a server that did not pass it on", "outage", "no")
HTTP_TIMED_OUT = Row("HTTP 408", "outage", "unknown")
HTTP_REDIRECT = Row("HTTP 3xx", "outage", "no")
HTTP_BROKEN = Row("HTTP 5xx or any other non-2xx", "outage", "unknown")
HTTP_VERDICT = Row("HTTP 400, 409, 413, 422 with a JSON-RPC error", "verdict", "yes")
NO_ANSWER = Row("2xx that is not a JSON-RPC answer", "outage", "unknown")
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


# HTTP status, pattern in its body, reason code, and the words for the reason.
_TELLING: tuple[tuple[int, bytes, ReasonCode, str], ...] = (
    # What a TLS port says to plain HTTP: nginx ngx_http_special_response.c; Go net/http/server.go.
    (
        400,
        rb"HTTP request (was sent )?to (an )?HTTPS (port|server)",
        "tls_wanted",
        "the port wants https",
    ),
    # go-ethereum node/rpcstack.go virtualHostHandler; node/jwt_handler.go
    (403, rb"^invalid host specified", "unknown_host", "invalid host specified"),
    (401, rb"^missing token", "token_wanted", "missing token"),
    # reth crates/rpc/rpc-layer/src/jwt_validator.rs; alloy crates/rpc-types-engine/src/jwt.rs
    (
        401,
        rb"^Authorization header is missing or invalid",
        "token_wanted",
        "authorization header is missing or invalid",
    ),
    # besu ethereum/api WebSocketService.java
    (
        400,
        rb"^Websocket endpoint can't handle HTTP requests",
        "websocket_wanted",
        "the port wants WebSocket",
    ),
)


class Judgement(NamedTuple):
    """What a reply means."""

    row: Row
    reason: str | None = None
    """Why it is not a result, in one line: our words, then at most 200 characters of the server's,
    not yet escaped, nor scrubbed of the secrets that they may quote."""
    reason_code: ReasonCode | None = None
    """The reason as a word of a closed list; None for a result."""
    result: Any = None
    error: JsonRpcError | None = None


def judge_failure(failure: EndpointFailure, *, written: bool) -> Judgement:
    """Judge an attempt without a reply; ``written`` says whether the request went out whole."""
    row = MAYBE_DELIVERED if written else NOT_DELIVERED
    return Judgement(row, failure.reason, failure.reason_code)


def judge_reply(
    reply: Reply, call: Call, request_id: int, *, strict_errors: bool = False
) -> Judgement:
    """Judge an endpoint's reply to ``call``, whose JSON-RPC id was ``request_id``.

    With ``strict_errors`` every JSON-RPC error is a verdict, even one that says "not from me".
    """
    if reply.status is not None and not 200 <= reply.status < 300:
        return judge_status(reply.status, reply, strict_errors=strict_errors)
    try:
        answer = decode_answer(reply.body, request_id, call.expected)
    except NotAnAnswer as why:
        return _judge_no_answer(why, describe_body(reply.body))
    return _judge_answer(answer, call, strict_errors=strict_errors)


def judge_message(
    message: Any, call: Call, request_id: int, *, strict_errors: bool = False
) -> Judgement:
    """Judge a parsed message that should answer ``call``, as if it had come alone."""
    try:
        answer = read_answer(message, request_id, call.expected)
    except NotAnAnswer as why:
        return _judge_no_answer(why, describe_value(message))
    return _judge_answer(answer, call, strict_errors=strict_errors)


def judge_error(error: JsonRpcError, *, strict_errors: bool, verdict: Row = VERDICT) -> Judgement:
    """Judge a JSON-RPC error; ``verdict`` is the row for it if it is a verdict."""
    excuse = None if strict_errors else _excuse_for(error)
    reason = describe_error(error)
    if excuse is None:
        return Judgement(verdict, reason, "rejected", error=error)
    return Judgement(_row_of(excuse), reason, excuse.reason_code, error=error)


def judge_status(status: int, reply: Reply, *, strict_errors: bool = False) -> Judgement:
    """Judge a reply whose HTTP status is not 2xx.

    An error in its body decides only with statuses that carry errors (`JUDGED_BY_ERROR`); with
    others it may still say that the request was not passed on, and why.
    """
    error = decode_error(reply.body)
    if error is not None and status in JUDGED_BY_ERROR:
        return judge_error(error, strict_errors=strict_errors, verdict=HTTP_VERDICT)
    row, code = row_of_status(status), status_reason_code(status)
    words = describe_body(reply.body) if error is None else describe_error(error)
    if error is not None:
        excuse = None if strict_errors else _excuse_for(error)
        if excuse is not None and "no" in (excuse.delivered, row.delivered):
            row = NOT_FROM_ME if row.delivered == "unknown" else row
            code = excuse.reason_code
    else:
        for listed, pattern, its_code, its_words in _TELLING:
            if status == listed and re.search(pattern, reply.body):
                code, words = its_code, its_words
    said = describe_status(status, reply.location)
    words = (words or "").removeprefix(f"{status} ")  # nginx, Go: "503 Service Unavailable"
    if words:
        said = f"{said}: {words}"
    if reply.retry_after:
        said = f"{said} (Retry-After: {shorten(reply.retry_after)})"
    return Judgement(row, said, code, error=error)


def row_of_status(status: int) -> Row:
    """Return the row of an HTTP status that is not 2xx."""
    if 300 <= status < 400:
        return HTTP_REDIRECT
    if status_delivered(status) == "no":
        return HTTP_REFUSED
    return HTTP_TIMED_OUT if status == 408 else HTTP_BROKEN


def _excuse_for(error: JsonRpcError) -> "Excuse | None":
    from seqsend.verdicts.node_errors import (
        excuse_for,  # loads all phrases; most answers are results
    )

    return excuse_for(error)


def _row_of(excuse: "Excuse") -> Row:
    return NOT_FROM_ME if excuse.delivered == "no" else PASSED_ON


def _judge_no_answer(why: NotAnAnswer, words: str | None) -> Judgement:
    return Judgement(NO_ANSWER, f"{why}: {words}" if words else str(why), why.reason_code)


def _judge_answer(answer: Result | JsonRpcError, call: Call, *, strict_errors: bool) -> Judgement:
    if isinstance(answer, JsonRpcError):
        if call.method == SYNC and call.expected is not None and _took(answer, call.expected):
            return Judgement(RESULT, result=call.expected)
        return judge_error(answer, strict_errors=strict_errors)
    value = answer.value
    if call.method == SYNC and call.expected is not None:
        return _judge_receipt(value, call.expected)
    if value is None and call.method in NEVER_NULL:
        return Judgement(NULL_RESULT, f"null, which {call.method} never returns", "null_result")
    if call.expected is not None and not same_hash(value, call.expected):
        said = "a result that is not this transaction's hash"
        return Judgement(OTHER_RESULT, said, "wrong_result")
    return Judgement(RESULT, result=value)


def _judge_receipt(value: Any, expected: str) -> Judgement:
    """Judge a result of ``eth_sendRawTransactionSync``: the receipt, or at least the hash."""
    own = value.get("transactionHash") if isinstance(value, dict) else value
    if same_hash(own, expected):
        return Judgement(RESULT, result=value)
    if value is None:
        return Judgement(NULL_RESULT, f"null, which {SYNC} never returns", "null_result")
    return Judgement(OTHER_RESULT, "a result that is not this transaction's", "wrong_result")


def _took(error: JsonRpcError, expected: str) -> bool:
    """Return whether an error says: taken, not mined in time (EIP-7966; its data is the hash)."""
    from seqsend.verdicts.node_errors import says_not_mined_yet  # as above

    if not says_not_mined_yet(error):
        return False
    named = error.data if isinstance(error.data, str) else expected
    return same_hash(named, expected) or len(named) != len(expected)


def same_hash(value: Any, expected: str) -> bool:
    """Return whether ``value`` is the hash ``expected``; upper and lower case are the same."""
    return isinstance(value, str) and value.lower() == expected.lower()


def is_idempotent(method: str) -> bool:
    """Return whether calling ``method`` twice has no more effect than calling it once."""
    return method not in NOT_IDEMPOTENT and not method.endswith("_sendTransaction")


def may_move_on(row: Row, call: Call, *, retry_unsafe: bool) -> bool:
    """Return whether ``call`` may be sent to another endpoint after the outage ``row``."""
    return retry_unsafe or row.delivered == "no" or is_idempotent(call.method)


def trusts_verdict(call: Call, before: tuple[Attempt, ...]) -> bool:
    """Return whether a verdict on ``call`` is final after the attempts ``before`` it.

    If an earlier endpoint took a transaction, the next one refuses it for that very reason ("nonce
    too low"): such a refusal says nothing about whether it landed. The same holds for everything
    else that is submitted: a user operation, a bundle, a transaction that the node signs.
    """
    return not submits(call.method) or all(a.delivered == "no" for a in before)


def submits(method: str) -> bool:
    """Return whether ``method`` submits something; all such methods have `_send` in their names."""
    return "_send" in method
