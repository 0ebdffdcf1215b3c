"""One call on its way: what was tried, and what came of it."""

from seqsend.failover.requester import Request
from seqsend.jsonrpc import Call
from seqsend.models import Attempt, Endpoint
from seqsend.verdicts.failure_table import Judgement


class Submission:
    """A call with its attempts and, in the end, what decided it.

    Everything is written down as it happens. Whatever ends a run, a signal too, the submission says
    what is true of this call, and of no other that travelled with it.
    """

    __slots__ = (
        "_begun",
        "_ended",
        "answered_by",
        "attempts",
        "decided",
        "fallback",
        "note",
        "over",
        "request",
        "round",
    )

    def __init__(
        self,
        request: Request,
        *,
        fallback: Request | None = None,
        round: int = 1,  # noqa: A002 - as in Attempt
    ) -> None:
        """``round`` is that in which its first attempt is made."""
        self.request = request
        self.fallback = fallback
        """What an endpoint without the method is sent instead."""
        self.round = round
        """Which round over the endpoints it is in, counted from 1."""
        self.attempts: list[Attempt] = []
        """The requests that carried this call, in order."""
        self.decided: Judgement | None = None
        """The result or the verdict, once an endpoint has given one."""
        self.answered_by: Endpoint | None = None
        """The endpoint that gave it."""
        self.over = False
        """No further endpoint is to be asked: the fate is decided, or all were asked."""
        self.note: str | None = None
        """Why the endpoints that are left were not asked, if that ended it."""
        self._begun = self._ended = 0.0

    @property
    def call(self) -> Call:
        """What is asked."""
        return self.request.call

    @property
    def elapsed(self) -> float:
        """Seconds from the start of the first attempt to the end of the last."""
        return self._ended - self._begun

    @property
    def may_be_delivered(self) -> bool:
        """Whether an endpoint may have received the call without having answered it."""
        return any(attempt.delivered == "unknown" for attempt in self.attempts)

    @property
    def attempts_of_round(self) -> list[Attempt]:
        """The attempts that were made in the round it is in."""
        return [attempt for attempt in self.attempts if attempt.round == self.round]

    def add(self, attempt: Attempt, ended: float) -> None:
        """Add an attempt that has ended, at a time on the clock of `time.monotonic`."""
        if not self.attempts:
            self._begun = ended - attempt.elapsed
        self.attempts.append(attempt)
        self._ended = ended

    def decide(self, judgement: Judgement, endpoint: Endpoint) -> None:
        """Take a result or a verdict as what the call came to."""
        self.decided, self.answered_by, self.over = judgement, endpoint, True

    def reopen(self) -> None:
        """Begin another round: the endpoints are asked once more."""
        self.over, self.note = False, None
        self.round += 1

    def stop(self, note: str | None) -> None:
        """Ask no further endpoint; ``note`` says why, if some were left to ask."""
        self.over, self.note = True, note
