"""The outcome of a transaction of `send`, alone or as one line among others."""

from seqsend.errors import CallError, Interrupted
from seqsend.models import NotSent, Sent
from seqsend.render.outcome import (
    Outcome,
    in_our_words,
    outcome_of_error,
    outcome_of_interrupt,
    outcome_of_sent,
    outcome_of_usage,
)
from seqsend.sending.stream import Ended

_REVERTED = "mined, but reverted: it had no effect except its fee"

_WANTED = {"latest": "in the chain", "safe": "safe", "finalized": "finalized"}


def outcome_of_line(ended: Ended) -> Outcome:
    """Return the outcome of one line among others."""
    if isinstance(ended.end, Sent):  # nearly all
        return _with_receipt(outcome_of_sent(ended.end, ended.line), ended)
    return _outcome_of_failure(ended)._replace(line=ended.line)


def outcome_of_single(ended: Ended, *, interrupted: bool) -> Outcome:
    """Return the outcome of a transaction that was sent alone.

    If a signal ended the command, the outcome says so, and what became of the transaction.
    """
    end = ended.end
    if interrupted and isinstance(end, Sent | NotSent):
        return outcome_of_interrupt("send", end.attempts, ended.hash)
    if isinstance(end, Sent):
        return _with_receipt(outcome_of_sent(end), ended)
    outcome = _outcome_of_failure(ended)
    # The verdict had come before; only its explanation is missing.
    return outcome._replace(interrupted=interrupted and outcome.status == "rejected")


def _with_receipt(outcome: Outcome, ended: Ended) -> Outcome:
    if ended.waited is None:
        return outcome
    said = _words_of_wait(ended)
    return outcome._replace(
        status=ended.status,
        receipt=ended.receipt,
        level=ended.level,
        waited=True,
        error=None if said is None else in_our_words(said),
    )


def _words_of_wait(ended: Ended) -> str | None:
    """Return what is wrong after a wait; None if nothing is."""
    if ended.status == "reverted":
        return _REVERTED
    if ended.status != "pending":
        return None
    if ended.receipt is None:
        return "accepted, but no receipt came in time"
    return f"its block was not {_WANTED[str(ended.waited)]} within the time given"


def _outcome_of_failure(ended: Ended) -> Outcome:
    end = ended.end
    if isinstance(end, CallError):
        return outcome_of_error("send", end)
    if isinstance(end, Interrupted):
        return outcome_of_interrupt("send", end.attempts, ended.hash)
    if isinstance(end, NotSent):
        said = f"not sent: the run stopped at line {end.because}"
        return Outcome(
            "send",
            "not_sent",
            hash=ended.hash,
            attempts=end.attempts,
            error=in_our_words(said),
        )
    return outcome_of_usage("send", str(end))
