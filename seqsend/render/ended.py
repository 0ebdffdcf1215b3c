"""How a line of a stream ended, or a wait for a receipt, as an outcome."""

from dataclasses import replace

from seqsend.errors import CallError
from seqsend.models import Sent
from seqsend.render.outcome import (
    Outcome,
    in_our_words,
    outcome_of_error,
    outcome_of_interrupt,
    outcome_of_sent,
    outcome_of_usage,
)
from seqsend.sending.stream import Broken, Ended, NotSent


def outcome_of_ended(ended: Ended, *, alone: bool) -> Outcome:
    """Return the outcome of one line of many, or of a transaction that is ``alone``."""
    line = None if alone else ended.line
    if isinstance(ended.end, Sent):  # of many, nearly all
        found = outcome_of_sent(ended.end, line)
    else:
        found = replace(_outcome_of_failure(ended), line=line)
    if not ended.waited:
        return found
    return replace(
        found,
        status=ended.status,
        receipt=ended.receipt,
        waited=True,
        error=in_our_words(_WAITED[ended.status]) if ended.status in _WAITED else None,
    )


_WAITED = {
    "pending": "accepted, and no receipt came within the time given",
    "reverted": "mined, and reverted: it had no effect but its fee",
}


def _outcome_of_failure(ended: Ended) -> Outcome:
    end = ended.end
    if isinstance(end, CallError):
        return outcome_of_error("send", end)
    if isinstance(end, Broken):
        return outcome_of_interrupt("send", end.attempts, ended.hash)
    if isinstance(end, NotSent):
        said = f"not sent: the run had stopped at line {end.because}"
        return Outcome("send", "not_sent", hash=ended.hash, error=in_our_words(said))
    return outcome_of_usage("send", str(end))
