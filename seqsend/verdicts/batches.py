"""What came back for a JSON-RPC batch → its items, each judged by the failure table. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from seqsend.jsonrpc import Call, NotAnAnswer, decode_batch, read_error
from seqsend.models import Reply
from seqsend.verdicts.failure_table import (
    HTTP_BROKEN,
    HTTP_VERDICT,
    MAYBE_DELIVERED,
    NO_ANSWER,
    NOT_DELIVERED,
    RESULT,
    VERDICT,
    Judgement,
    describe_error,
    excused,
    judge_message,
    judge_status,
)


@dataclass(frozen=True, slots=True)
class BatchJudgement:
    """What a reply to a JSON-RPC batch means."""

    whole: Judgement
    """Of the batch as such: a result where its items are judged one by one, else an outage."""
    items: tuple[Judgement | None, ...]
    """In the order of the calls; None for one that got no answer."""
    refused: bool
    """It was too much for the server, which can be asked again with less."""


def judge_batch(
    reply: Reply, calls: Mapping[int, Call], *, strict_errors: bool = False
) -> BatchJudgement:
    """Judge what an endpoint answered to a batch of ``calls``, by their ids.

    A batch is refused with 413 or 503, with a 4xx that holds a JSON-RPC error, or with a single
    error that belongs to no call; unless that error says that the endpoint is no judge at all.
    """
    nothing = (None,) * len(calls)
    if reply.status is not None and not 200 <= reply.status < 300:
        whole = judge_status(reply.status, reply)
        if reply.status == 413:  # nobody has read it: proxyd, nginx
            whole = replace(whole, row=HTTP_VERDICT)
        if whole.row.kind == "verdict" or reply.status == 503:  # so does nethermind refuse it
            return _refused(whole, calls, strict_errors=strict_errors)
        return BatchJudgement(whole, nothing, refused=False)
    try:
        messages = decode_batch(reply.body)
    except NotAnAnswer as why:
        return BatchJudgement(Judgement(NO_ANSWER, str(why)), nothing, refused=False)
    error = read_error(messages[0]) if len(messages) == 1 else None
    if error is not None and not _is_of(messages[0], calls):
        whole = Judgement(VERDICT, describe_error(error), error=error)
        return _refused(whole, calls, strict_errors=strict_errors)
    items = _judge_items(messages, calls, strict_errors=strict_errors)
    if not any(items):
        whole = Judgement(NO_ANSWER, "an answer to none of the batch's requests")
        return BatchJudgement(whole, items, refused=False)
    return BatchJudgement(Judgement(RESULT), items, refused=False)


def _is_of(message: Any, calls: Mapping[int, Call]) -> bool:
    found = message.get("id") if isinstance(message, dict) else None
    return type(found) is int and found in calls


def _judge_items(
    messages: list[Any], calls: Mapping[int, Call], *, strict_errors: bool
) -> tuple[Judgement | None, ...]:
    by_id: dict[int, list[Any]] = {}
    for message in messages:
        if _is_of(message, calls):
            by_id.setdefault(message["id"], []).append(message)
    return tuple(
        _judge_item(by_id.get(request_id, []), call, request_id, strict_errors=strict_errors)
        for request_id, call in calls.items()
    )


def _judge_item(
    messages: list[Any], call: Call, request_id: int, *, strict_errors: bool
) -> Judgement | None:
    if not messages:
        return None
    if len(messages) > 1:
        return Judgement(NO_ANSWER, "two answers to one request")
    return excused(judge_message(messages[0], call, request_id), call, strict_errors=strict_errors)


def _refused(whole: Judgement, calls: Mapping[int, Call], *, strict_errors: bool) -> BatchJudgement:
    """Return that a batch was refused, or that the endpoint says it is no judge."""
    call = next(iter(calls.values()))
    judged = excused(replace(whole, row=VERDICT), call, strict_errors=strict_errors)
    if judged.row.kind == "outage":
        return BatchJudgement(judged, (None,) * len(calls), refused=False)
    reason = f"batch of {len(calls)} refused: {whole.reason}"
    row = MAYBE_DELIVERED if whole.row is HTTP_BROKEN else NOT_DELIVERED
    judged = replace(whole, row=row, reason=reason)
    return BatchJudgement(judged, (None,) * len(calls), refused=True)
