"""What follows an attempt, and how a finished call ended."""

from collections.abc import Callable, Sequence

from seqsend.errors import CallError, DeliveryUnknown, Rejected, Unreachable
from seqsend.failover.requester import OUTCOMES
from seqsend.failover.submission import Submission
from seqsend.jsonrpc import Call
from seqsend.models import Answer, Attempt, AttemptOutcome, Endpoint
from seqsend.transports.base import Deadline
from seqsend.verdicts.failure_table import (
    Judgement,
    is_idempotent,
    may_move_on,
    trusts_verdict,
)


def end_of(submission: Submission) -> Answer | CallError:
    """Return how a call ended that is over."""
    decided, endpoint = submission.decided, submission.answered_by
    method, attempts = submission.call.method, tuple(submission.attempts)
    if decided is None or endpoint is None:
        tried = submission.attempts_of_round
        missing = [a for a in tried if a.reason_code == "no_such_method"]
        answered = [a for a in tried if a.phase == "answer"]
        if missing and missing == answered and submission.call.expected is None:
            # No endpoint that was reached has the method: that is an answer, too.
            error, endpoint = missing[-1].error, missing[-1].endpoint
            return Rejected(method, attempts, submission.elapsed, error=error, endpoint=endpoint)
        failure = DeliveryUnknown if submission.may_be_delivered else Unreachable
        return failure(method, attempts, submission.elapsed, note=submission.note)
    if decided.error is None:
        return Answer(decided.result, endpoint, attempts, submission.elapsed)
    others = tuple(attempt for attempt in attempts if attempt.outcome != "verdict")
    end = Rejected if trusts_verdict(submission.call, others) else DeliveryUnknown
    return end(method, attempts, submission.elapsed, error=decided.error, endpoint=endpoint)


def open_unless_lacked(submissions: Sequence[Submission]) -> list[Submission]:
    """Return the submissions for which an endpoint failed, and not by lacking the method."""
    return [s for s in submissions if any(map(_says_more, s.attempts_of_round))]


def _says_more(attempt: Attempt) -> bool:
    return attempt.reason_code != "no_such_method"


def may_go_again(submission: Submission, *, retry_unsafe: bool) -> bool:
    """Return whether no endpoint has decided it and the same bytes may be sent again."""
    if submission.decided is not None:
        return False
    safe = retry_unsafe or is_idempotent(submission.call.method)
    return safe or not submission.may_be_delivered


def may_hedge(order: tuple[Endpoint, ...], submissions: Sequence[Submission]) -> bool:
    """Return whether several endpoints may be asked at the same time for all ``submissions``."""
    return len(order) > 1 and all(is_idempotent(s.call.method) for s in submissions)


def move_on_or_stop(
    submission: Submission,
    judgement: Judgement,
    *,
    rest: tuple[Endpoint, ...],
    too_late: Callable[[], str | None],
    retry_unsafe: bool,
) -> tuple[AttemptOutcome, Judgement]:
    """Return the outcome of an attempt; stop the submission if no other endpoint follows.

    ``rest`` are the endpoints that are left; ``too_late`` returns the deadline that passed, if any.
    """
    if judgement.row.kind != "outage":
        return OUTCOMES[judgement.row.kind], judgement
    note = _why_not_on(judgement, submission.call, rest, too_late(), retry_unsafe=retry_unsafe)
    if rest and note is None:
        return "failover", judgement
    submission.stop(note)
    return "outage", judgement


def _why_not_on(
    judgement: Judgement,
    call: Call,
    rest: tuple[Endpoint, ...],
    too_late: str | None,
    *,
    retry_unsafe: bool,
) -> str | None:
    """Return why the endpoints ``rest`` must not be tried after an outage, or None if they may."""
    if not rest:
        return None
    if too_late:
        return not_tried(too_late, rest)
    if not may_move_on(judgement.row, call, retry_unsafe=retry_unsafe):
        return not_tried(f"a second {call.method} could do it twice", rest)
    return None


def time_is_up(*deadlines: Deadline | None) -> str | None:
    """Return which of ``deadlines`` has passed, in words; None if none has."""
    late = (by for by in deadlines if by is not None and by.remaining <= 0)
    return next((f"{by.name} passed" for by in late), None)


def not_tried(why: str, rest: tuple[Endpoint, ...]) -> str:
    """Return ``why`` the endpoints ``rest`` were not tried, with their positions."""
    which = ", ".join(str(endpoint.index) for endpoint in rest)
    return f"{why}; endpoint{'s' if len(rest) > 1 else ''} {which} not tried"


def stop_all(submissions: Sequence[Submission], note: str) -> None:
    """Ask no other endpoint for ``submissions``; ``note`` says why."""
    for submission in submissions:
        submission.stop(note)
