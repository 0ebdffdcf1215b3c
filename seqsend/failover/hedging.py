"""Hedging: if an endpoint does not answer soon, the next is asked as well (`--hedge-after`).

Each request has a thread, which does nothing else. The thread that made the call records the
outcome, as it does without hedging, so that only one thread changes a submission.
"""

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from seqsend import threads, waiting
from seqsend.failover.ends import move_on_or_stop, not_tried, stop_all, time_is_up
from seqsend.failover.requester import OUTCOMES, Exchanged, Request, still_open
from seqsend.failover.submission import Submission
from seqsend.models import AttemptOutcome, Endpoint
from seqsend.transports.base import Deadline, Exchange
from seqsend.verdicts.failure_table import Judgement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.failover.loop import Failover
    from seqsend.failover.visits import Steps

_GRACE = 0.1  # seconds for an abandoned thread to report how far it came; it takes far less


class _Visit:
    """An endpoint that is being asked, and the request that is under way there."""

    def __init__(self, endpoint: Endpoint, place: int, submissions: Sequence[Submission]) -> None:
        self.endpoint = endpoint
        self.place = place
        """Its position in the order in which endpoints are asked."""
        self.pending = set(submissions)
        """The submissions that it has neither answered nor failed."""
        self.steps: Steps
        self.requests: Sequence[Request]
        self.exchange: Exchange
        self.cancellation: waiting.Cancellation | None = None
        """Of the thread that carries the request; None if there is no such thread."""


_News = tuple[_Visit, Exchanged | BaseException]


class Race:
    """One round over the endpoints in which several may be asked at the same time."""

    def __init__(
        self,
        failover: "Failover",
        submissions: Sequence[Submission],
        hedge_after: float,
        *,
        order: tuple[Endpoint, ...],
        by: Deadline | None,
        starts_by: Deadline | None,
    ) -> None:
        """``hedge_after``: seconds to wait for an endpoint before the next one is asked as well.

        The rest is as for `Failover.run`. Every call among ``submissions`` must be safe to repeat.

        Raises:
            OSError: there are no descriptors left.

        """
        self._failover = failover
        self._submissions = submissions
        self._hedge_after = hedge_after
        self._order = order
        self._by, self._starts_by = by, starts_by
        self._coming = deque(enumerate(order))
        self._open: list[_Visit] = []
        self._next_at = 0.0
        """When the next endpoint is to be asked, if no answer has come by then."""
        self._is_ending = False
        self._was_interrupted = False
        self._mailbox = threads.Mailbox[_News]()

    def run(self) -> None:
        """Ask until every submission is over; then abandon the requests that are still open.

        Raises:
            KeyboardInterrupt: a signal came; the submissions record what it interrupted.

        """
        with self._mailbox:
            try:
                while self._left():
                    self._ask_due()
                    if not self._open:
                        self._stop_all()
                        break
                    with suppress(TimeoutError):
                        self._take(*self._mailbox.take(self._seconds_to_next()))
            except KeyboardInterrupt as signal:
                self._was_interrupted = True
                self._abandon()
                # With nothing left to do, a noted signal may wait: it ends the next wait.
                if self._left() or not isinstance(signal, waiting.SignalReceived):
                    raise
            finally:
                self._abandon()

    def _left(self) -> list[Submission]:
        return [submission for submission in self._submissions if not submission.over]

    def _too_late(self) -> str | None:
        """Return why no other endpoint is asked, or None; the first one always is."""
        is_first = len(self._coming) == len(self._order)
        return None if is_first else time_is_up(self._by, self._starts_by)

    def _seconds_to_next(self) -> float | None:
        if not self._coming or self._too_late():
            return None
        return max(0.0, self._next_at - time.monotonic())

    def _stop_all(self) -> None:
        """Stop what is left when no endpoint may be asked: time is up, or all have failed."""
        late, rest = self._too_late(), tuple(endpoint for _, endpoint in self._coming)
        failed = f"endpoint {self._order[-1].index} had just failed for the transactions before"
        note = not_tried(late, rest) if late and rest else late or f"not tried: {failed} this one"
        stop_all(self._left(), note)

    def _ask_due(self) -> None:
        """Ask each endpoint whose turn has come."""
        while self._coming and not self._too_late():
            if self._open and time.monotonic() < self._next_at:
                return
            place, endpoint = self._coming.popleft()
            left = self._left()
            visit = _Visit(endpoint, place, left)
            visit.steps = self._failover.visits.steps(
                endpoint,
                left,
                self._by,
                partial(self._describe, visit),
                last=not self._coming,
            )
            visit.requests = next(visit.steps)
            self._open.append(visit)
            self._send(visit)

    def _send(self, visit: _Visit) -> None:
        """Send a visit's request in its own thread; if none can be started, send it here.

        It is a daemon thread: the process may end before it does.
        """
        visit.exchange = self._failover.requester.start_exchange(
            visit.requests, self._by, self._starts_by
        )
        self._next_at = visit.exchange.started + self._hedge_after
        visit.cancellation = None
        with suppress(OSError):
            visit.cancellation = waiting.Cancellation()
        if visit.cancellation is not None:
            try:
                threads.start(partial(self._carry, visit), "seqsend-hedge")
            except RuntimeError:
                visit.cancellation.close()
                visit.cancellation = None
        if visit.cancellation is None:
            self._ask(visit)

    def _carry(self, visit: _Visit) -> None:
        assert visit.cancellation is not None
        with visit.cancellation:
            self._ask(visit)

    def _ask(self, visit: _Visit) -> None:
        """Send a visit's request, and put its outcome into the mailbox."""
        ask = self._failover.requester.ask
        news: Exchanged | BaseException
        try:
            news = ask(visit.endpoint, visit.requests, self._by, exchange=visit.exchange)
        except BaseException as error:  # noqa: BLE001 - the thread that made the call raises it
            news = error
        self._mailbox.put((visit, news))

    def _take(self, visit: _Visit, news: Exchanged | BaseException) -> None:
        """Record the outcome of a request, and send the endpoint its next one, if it has one."""
        self._open.remove(visit)
        if isinstance(news, BaseException):
            raise news
        try:
            visit.requests = visit.steps.send(news)
        except StopIteration:
            self._next_at = 0.0  # if anything is left, it failed: the next endpoint need not wait
            return
        self._open.append(visit)
        self._send(visit)

    def _describe(
        self, visit: _Visit, submission: Submission, judgement: Judgement
    ) -> tuple[AttemptOutcome, Judgement]:
        """Return the outcome of an attempt; stop a submission that no other endpoint can answer."""
        kind = judgement.row.kind
        if kind != "again":
            visit.pending.discard(submission)
        if judgement.reason_code == "abandoned":
            return self._describe_abandoned(judgement)
        if kind != "outage" or submission.over or self._is_ending:
            return OUTCOMES[kind], judgement
        rest = tuple(endpoint for _, endpoint in self._coming)
        others = [v for v in self._open if v is not visit and submission in v.pending]
        if not others:
            return move_on_or_stop(
                submission, judgement, rest=rest, too_late=self._too_late, retry_unsafe=False
            )
        goes_on = rest and not self._too_late()
        went_on = any(other.place > visit.place for other in others)
        return ("failover" if goes_on or went_on else "outage"), judgement

    def _describe_abandoned(self, judgement: Judgement) -> tuple[AttemptOutcome, Judgement]:
        if not self._was_interrupted:
            return "abandoned", judgement
        return "interrupted", Judgement(judgement.row, "interrupted", "interrupted")

    def _abandon(self) -> None:
        """End the requests that are still open, and record how far they came.

        An answer that arrives at the last moment counts. Signals wait until this is done.
        """
        self._is_ending = True
        for visit in self._open:
            if visit.cancellation is not None:
                visit.cancellation.cancel()
        until = time.monotonic() + _GRACE
        while self._open:
            try:
                left = until - time.monotonic()
                visit, news = self._mailbox.take(left, heeds_signals=False)
            except TimeoutError:
                break
            self._open.remove(visit)
            self._record(visit, news)
        while self._open:
            self._record(self._open.pop(0), None)

    def _record(self, visit: _Visit, news: Exchanged | BaseException | None) -> None:
        """Record the outcome of the last request to an endpoint; ``news`` None: it is unknown."""
        if isinstance(news, KeyboardInterrupt | waiting.Cancelled):
            visit.steps.close()  # nothing was sent
            return
        exchanged = news
        if not isinstance(exchanged, Exchanged):
            exchanged = still_open(visit.endpoint, visit.requests, visit.exchange)
        with suppress(StopIteration, KeyboardInterrupt):  # the signal is already known
            visit.steps.send(exchanged)
        visit.steps.close()
