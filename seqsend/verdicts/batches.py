"""What came back for a JSON-RPC batch → its items, each judged by the failure table. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from seqsend.jsonrpc import Call, NotAnAnswer, answers_with, decode_batch, read_error
from seqsend.models import JsonRpcError, Reply
from seqsend.verdicts.failure_table import (
    MAYBE_DELIVERED,
    NO_ANSWER,
    NOT_DELIVERED,
    PASSED_ON,
    RESULT,
    Judgement,
    judge_message,
    judge_status,
)
from seqsend.verdicts.http_statuses import status_delivered
from seqsend.verdicts.node_errors import excuse_for
from seqsend.verdicts.shown import describe_body, describe_error, describe_value
from seqsend.verdicts.words import plain, says

# geth and op-geth node/rpcstack.go errMsgBatchTooLarge; reth jsonrpsee "The batch request was too
# large", "Batched requests are not supported by this server"; erigon "batch limit … exceeded";
# nethermind "Batch size limit exceeded"; proxyd "too many RPC calls in batch request"; besu
# "Number of requests exceeds max batch size"; dRPC 31 "Batch of more than 3 requests …"; Go's
# encoding/json and Rust's serde in servers that do not accept arrays
_BATCH_REFUSED = (
    (
        r"batch(?:es|ed|ing)? … (?:too|limit|exceed|not|disabled|unsupported|more than|at most"
        r"|only|max"
        r"|larger|bigger|forbidden|disallowed|refused|over|up to|unavailable)"
    ),
    (
        r"(?:too many|too large|limit\w*|exceed\w*|max\w*|number|not|no|unsupported|disabled"
        r"|larger|more"
        r"|invalid) (?:\S+ ){0,6}?batch(?:es|ed|ing)?\b"
    ),
    "unmarshal array",
    "invalid type: sequence",
    r"expected (?:an )?object\b",
)
# JSON-RPC 2.0, sections 5.1 and 6: the array itself was not accepted as a request.
_NOT_A_REQUEST = (-32600, -32700)
# Statuses with which servers refuse to read a batch (413 proxyd, nginx; 503 nethermind; 400, 422,
# 501 servers without support for batches).
_REFUSING = frozenset({400, 413, 422, 501, 503})


class BatchJudgement(NamedTuple):
    """What a reply to a JSON-RPC batch means."""

    whole: Judgement
    """For the batch as a whole: a result if its items are judged one by one, else an outage."""
    items: tuple[Judgement | None, ...]
    """In the order of the calls; None for a call without an answer."""
    refused: bool
    """The server refused the batch, and may be asked again with a smaller one."""


def judge_batch(
    reply: Reply, calls: Mapping[int, Call], *, strict_errors: bool = False
) -> BatchJudgement:
    """Judge an endpoint's reply to a batch; ``calls`` maps each request id to its call.

    With ``strict_errors`` every JSON-RPC error is a verdict, even one that says "not from me".
    """
    if reply.status is not None and not 200 <= reply.status < 300:
        return _judge_batch_status(reply.status, reply, calls, strict_errors=strict_errors)
    try:
        messages = decode_batch(reply.body)
    except NotAnAnswer as why:
        words = describe_body(reply.body)
        reason = f"{why}: {words}" if words else str(why)
        return _outage(Judgement(NO_ANSWER, reason, why.reason_code), calls)
    items = _judge_items(messages, calls, strict_errors=strict_errors)
    if any(items):
        return BatchJudgement(Judgement(RESULT), items, refused=False)
    error = next(filter(None, map(read_error, messages)), None)
    if error is not None:
        return _judge_whole(error, describe_error(error), calls, strict_errors=strict_errors)
    words = describe_value(messages[0]) if messages else None
    reason = "no answer to any of the batch's requests"
    return _outage(
        Judgement(NO_ANSWER, f"{reason}: {words}" if words else reason, "not_json_rpc"), calls
    )


def _judge_batch_status(
    status: int, reply: Reply, calls: Mapping[int, Call], *, strict_errors: bool
) -> BatchJudgement:
    whole = judge_status(status, reply, strict_errors=strict_errors)
    if whole.error is not None and status_delivered(status) != "no":
        reason = f"HTTP {status}: {describe_error(whole.error)}"
        return _judge_whole(whole.error, reason, calls, strict_errors=strict_errors)
    if status == 413 or _refuses_batch(describe_body(reply.body) or ""):
        return _refused(whole._replace(row=NOT_DELIVERED), calls)
    if status in _REFUSING and whole.error is None:
        return _refused(whole._replace(row=MAYBE_DELIVERED), calls)
    return _outage(whole, calls)


def _judge_whole(
    error: JsonRpcError, reason: str, calls: Mapping[int, Call], *, strict_errors: bool
) -> BatchJudgement:
    """Judge an error that belongs to no item.

    Nothing was delivered only if it says that the whole batch was refused: otherwise some items may
    have been run before it.
    """
    if error.code in _NOT_A_REQUEST or _refuses_batch(error.message):
        return _refused(Judgement(NOT_DELIVERED, reason, error=error), calls)
    excuse = None if strict_errors else excuse_for(error)
    if excuse is not None:
        return _outage(Judgement(PASSED_ON, reason, excuse.reason_code, error=error), calls)
    return _refused(Judgement(MAYBE_DELIVERED, reason, error=error), calls)


def _refuses_batch(text: str) -> bool:
    return says(plain(text), _BATCH_REFUSED)


def _refused(whole: Judgement, calls: Mapping[int, Call]) -> BatchJudgement:
    reason = f"batch of {len(calls)} refused: {whole.reason}"
    whole = whole._replace(reason=reason, reason_code="batch_refused")
    return BatchJudgement(whole, (None,) * len(calls), refused=True)


def _outage(whole: Judgement, calls: Mapping[int, Call]) -> BatchJudgement:
    return BatchJudgement(whole, (None,) * len(calls), refused=False)


def _id_of(message: Any, calls: Mapping[int, Call]) -> int | None:
    found = message.get("id") if isinstance(message, dict) else None
    return found if type(found) is int and found in calls else None


def _judge_items(
    messages: list[Any], calls: Mapping[int, Call], *, strict_errors: bool
) -> tuple[Judgement | None, ...]:
    by_id: dict[int | None, list[Any]] = {}
    for message in messages:
        by_id.setdefault(_id_of(message, calls), []).append(message)
    strays = by_id.get(None, [])
    return tuple(
        _judge_item(
            by_id.get(request_id, []), strays, call, request_id, strict_errors=strict_errors
        )
        for request_id, call in calls.items()
    )


def _judge_item(
    messages: list[Any], strays: list[Any], call: Call, request_id: int, *, strict_errors: bool
) -> Judgement | None:
    if len(messages) > 1:
        return Judgement(NO_ANSWER, "two answers to one request", "not_json_rpc")
    if not messages:
        # Even under a wrong id, the transaction's own hash is the answer to it.
        expected = call.expected
        own = expected is not None and any(answers_with(stray, expected) for stray in strays)
        return Judgement(RESULT, result=expected) if own else None
    error = read_error(messages[0])
    if error is not None and _refuses_batch(error.message):
        return None  # it was not run: asked again in a smaller batch
    return judge_message(messages[0], call, request_id, strict_errors=strict_errors)
