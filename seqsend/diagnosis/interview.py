"""Questions to one endpoint, all within one deadline."""

from typing import Any, NamedTuple

from seqsend.failover.requester import Requester
from seqsend.jsonrpc import Call
from seqsend.models import Attempt, Endpoint
from seqsend.transports.base import Deadline
from seqsend.verdicts.failure_table import Judgement

_TIMED_OUT = frozenset({"dns_timeout", "dial_timeout", "timeout"})


class QuestionOutcome(NamedTuple):
    """The outcome of one question."""

    judgement: Judgement
    attempt: Attempt

    @property
    def result(self) -> Any:
        """The result; None if the answer was anything else."""
        return self.judgement.result

    @property
    def is_failure(self) -> bool:
        """Whether the endpoint gave no answer of its own."""
        return self.judgement.row.kind == "outage"


class Interview:
    """Asks one endpoint one question after another, as long as there is time."""

    def __init__(self, requester: Requester, endpoint: Endpoint, by: Deadline) -> None:
        """``by`` is the deadline for all questions together."""
        self._requester = requester
        self.endpoint = endpoint
        self.by = by
        self.answered = 0
        """How many questions were answered, in any way, before time was up."""

    @property
    def is_over(self) -> bool:
        """Whether time is up: for another question, there would be no time to dial."""
        return self.by.remaining <= 0

    def ask(self, method: str, *params: Any) -> QuestionOutcome:
        """Ask one question.

        Raises:
            KeyboardInterrupt: a signal came.

        """
        heard = ask_once(self._requester, self.endpoint, self.by, method, *params)
        self.answered += heard.attempt.reason_code not in _TIMED_OUT
        return heard


def ask_once(
    requester: Requester, endpoint: Endpoint, by: Deadline | None, method: str, *params: Any
) -> QuestionOutcome:
    """Ask ``endpoint`` one question, report it to the observer, and return the outcome.

    Raises:
        KeyboardInterrupt: a signal came.

    """
    request = requester.prepare(Call(method, list(params)))
    exchanged = requester.ask(endpoint, [request], by)
    if exchanged.interrupt is not None:
        raise exchanged.interrupt
    (judgement,) = exchanged.judgements
    attempt = exchanged.attempt(judgement)
    if judgement.row.kind == "outage":
        # The phase that failed has no time of its own to show.
        timings = {p: s for p, s in attempt.timings.items() if p != attempt.phase}
        attempt = attempt._replace(timings=timings)
    requester.emit(attempt)
    return QuestionOutcome(judgement, attempt)
