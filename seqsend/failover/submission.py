"""One call on its way: what was tried, and what came of it."""

from bisect import bisect_right

from seqsend.failover.requester import Request
from seqsend.jsonrpc import Call
from seqsend.models import Attempt, Endpoint
from seqsend.verdicts.failure_table import Judgement


class Submission:
    """A call with its attempts and, in the end, what decided it.

    Everything is recorded as it happens. Whatever ends a run, even a signal, the submission says
    what is true of this call, and only of this one, whatever else was in its batch.
    """

    __slots__ = (
        "_begins",
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
        """``round`` is the round of its first attempt, counted from 1."""
        self.request = request
        self.fallback = fallback
        """What an endpoint that lacks the method is sent instead."""
        self.round = round
        """Which round over the endpoints it is in, counted from 1."""
        self.attempts: list[Attempt] = []
        """The requests that carried this call, in the order in which they began."""
        self.decided: Judgement | None = None
        """The result or the verdict, once an endpoint has given one."""
        self.answered_by: Endpoint | None = None
        """The endpoint that gave it."""
        self.over = False
        """No further endpoint is to be asked: the fate is decided, or all were asked."""
        self.note: str | None = None
        """Why the endpoints that are left were not asked, if that ended it."""
        self._begins: list[float] = []
        self._ended = 0.0

    @property
    def call(self) -> Call:
        """The call to make."""
        return self.request.call

    @property
    def elapsed(self) -> float:
        """Seconds from the start of the first attempt to the end of the last."""
        return self._ended - self._begins[0] if self._begins else 0.0

    @property
    def may_be_delivered(self) -> bool:
        """Whether an endpoint may have received the call without having answered it."""
        return any(attempt.delivered == "unknown" for attempt in self.attempts)

    @property
    def attempts_of_round(self) -> list[Attempt]:
        """The attempts that were made in the round it is in."""
        return [attempt for attempt in self.attempts if attempt.round == self.round]

    def add(self, attempt: Attempt, ended: float, began: float | None = None) -> None:
        """Add an attempt that has ended; times are on the clock of `time.monotonic`.

        Without ``began``, the time at which it began, it comes after all others.
        """
        if began is None:
            began = max(ended - attempt.elapsed, *self._begins[-1:], 0.0)
        place = bisect_right(self._begins, began)
        self._begins.insert(place, began)
        self.attempts.insert(place, attempt)
        self._ended = max(self._ended, ended)

    def decide(self, judgement: Judgement, endpoint: Endpoint) -> None:
        """Record the result or verdict that decides the call.

        If several endpoints were asked at once, the first answer decides, unless a later one weighs
        more: if one endpoint took a transaction, another may refuse it for that very reason.
        """
        method = self.call.method
        if self.decided is None or _weight(self.decided, method) < _weight(judgement, method):
            self.decided, self.answered_by = judgement, endpoint
        self.over = True

    def reopen(self) -> None:
        """Begin another round: the endpoints are asked once more."""
        self.over, self.note = False, None
        self.round += 1

    def stop(self, note: str | None) -> None:
        """Ask no further endpoint; ``note`` says why, if some were left to ask."""
        self.over, self.note = True, note


def _weight(judgement: Judgement, method: str) -> int:
    """Return how strongly a judgement suggests that the sequencer has the transaction.

    A result weighs most; then a verdict that calls it known, one that leaves it open, and one that
    says that nobody took it.
    """
    error = judgement.error
    if error is None:
        return 3
    from seqsend.verdicts.node_errors import excuse_for, is_final, says_already_known

    excuse = excuse_for(error)  # a verdict if errors are strict
    if says_already_known(error) or (excuse is not None and excuse.delivered == "unknown"):
        return 2
    return 0 if is_final(error, method) else 1
