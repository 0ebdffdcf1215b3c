"""Receipts of the transactions that were accepted. Waiting overlaps with sending."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from seqsend import waiting
from seqsend.failover.loop import Failover
from seqsend.failover.submission import Submission
from seqsend.models import Level, Sent, WaitProgress
from seqsend.sending.landing import TAGS, Landing
from seqsend.sending.polls import poll
from seqsend.sending.stream import Ended
from seqsend.sending.transaction import RawTransaction
from seqsend.transports.base import Deadline

_POLLED_EVERY = 0.25  # seconds; blocks of a rollup come every 2 s, of some every 0.25 s
_POLLED_EVERY_FOR_TAGS = 1.0  # seconds; the safe head moves every few minutes
_LAST_POLL = 0.25  # seconds by which a promised time may be exceeded
_LONGEST_QUEUE = 1000  # results held back at a time: memory does not grow with the input
_LARGEST_QUEUE = 16 * 2**20  # characters of transactions that may have to be sent again
_POLLED_TOGETHER = 100  # receipts in one batch
_SENT_AGAIN_EVERY = 15.0  # seconds (examples/REFERENCE.md, "send")

_NO_TIME = Deadline(0.0, "no wait")

SendAgain = Callable[[RawTransaction, int], Submission]
"""Returns the submission that, once it is run, sends a transaction again, in that round."""


class _Awaited:
    __slots__ = ("again_at", "begun", "ended", "landing", "transaction", "until")

    def __init__(
        self,
        ended: Ended,
        *,
        landing: Landing | None = None,
        until: Deadline = _NO_TIME,
        begun: float = 0.0,
        transaction: RawTransaction | None = None,
        again_at: float = 0.0,
    ) -> None:
        self.ended = ended
        self.landing = landing
        """None if there is no receipt to wait for."""
        self.until = until
        self.begun = begun
        """When it was first sent, on the clock of `time.monotonic`."""
        self.transaction = transaction
        """Kept to be sent again; None if that is not wanted."""
        self.again_at = again_at

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to wait for."""
        return self.landing is None or self.landing.has_landed


class Receipts:
    """Adds its receipt to each accepted transaction, or gives up after a time.

    Implements `seqsend.sending.stream.Awaiting` for a stream that waits.
    """

    def __init__(
        self,
        failover: Failover,
        timeout: float,
        wanted: Level,
        send_again: SendAgain,
    ) -> None:
        """``timeout`` is in seconds, for each transaction from when it was accepted.

        ``wanted`` is the level to wait for.
        """
        self._failover = failover
        self._timeout = timeout
        self._wanted = wanted
        self._send_again = send_again
        self._awaited: deque[_Awaited] = deque()
        self._kept = 0
        """Characters of transactions that may have to be sent again."""
        self._next_poll = 0.0
        self._unanswered = False
        """The last poll got no answer."""

    def add(self, ended: Ended, transaction: RawTransaction | None, by: Deadline | None) -> None:
        """Add the end of the next line; ``by`` is the deadline for all that is done for it."""
        if not isinstance(ended.end, Sent):
            self._awaited.append(_Awaited(ended))
            return
        now = time.monotonic()
        landing = Landing(ended.end.hash, self._wanted)
        if ended.end.receipt is not None:
            landing.take_receipt(ended.end.receipt)
        awaited = _Awaited(
            ended,
            landing=landing,
            until=Deadline.after(self._timeout, "wait timeout").or_sooner(by),
            begun=now - ended.end.elapsed,
            transaction=transaction if self._failover.retry_for is not None else None,
            again_at=now + _SENT_AGAIN_EVERY,
        )
        if awaited.transaction is not None:
            self._kept += len(awaited.transaction.hex)
        self._awaited.append(awaited)
        self._notify(awaited)

    def left(self) -> Iterator[Ended]:
        """Yield what is still waited for, without its receipt."""
        while self._awaited:
            yield self._pop().ended

    @property
    def has_ready(self) -> bool:
        """Whether the next end has no receipt to wait for."""
        return bool(self._awaited) and self._awaited[0].is_over

    @property
    def pause(self) -> float | None:
        """Seconds until the next poll; None without a reason to poll, or if nobody answers."""
        if not self._awaited or self._unanswered:
            return None
        return max(0.0, self._next_poll - time.monotonic())

    def ready(self, *, patient: bool) -> Iterator[Ended]:
        """Yield, in order, the ends that are ready; with ``patient``, wait until all are.

        Raises:
            KeyboardInterrupt: a signal came; nothing is lost, see `left`.

        """
        waits = patient or self._is_full
        while self._awaited:
            if self._awaited[0].is_over:
                yield self._finish()
                waits = patient or self._is_full
                continue
            wait = self._next_poll - time.monotonic()
            if not waits and (wait > 0 or self._unanswered):
                return
            self._poll(wait)
            first = self._awaited[0]
            if not first.is_over and first.until.remaining <= 0:
                yield self._finish()
                waits = patient or self._is_full

    @property
    def _is_full(self) -> bool:
        return len(self._awaited) >= _LONGEST_QUEUE or self._kept >= _LARGEST_QUEUE

    def _pop(self) -> _Awaited:
        awaited = self._awaited.popleft()
        if awaited.transaction is not None:
            self._kept -= len(awaited.transaction.hex)
        return awaited

    def _finish(self) -> Ended:
        """Take the first off the queue, and return how it ended."""
        awaited = self._pop()
        landing = awaited.landing
        if landing is None:
            return awaited.ended
        self._notify(awaited, ended=True)
        return awaited.ended._replace(
            receipt=landing.receipt, level=landing.level, waited=landing.wanted
        )

    def _poll(self, wait: float) -> None:
        """Wait, then ask for the first receipts that are still open."""
        first = self._awaited[0]
        waiting.sleep(max(0.0, min(wait, first.until.remaining)))
        # One whose time is up may have been mined while others were waited for: it is asked for
        # once more, with time for an answer. If no endpoint answers, that is not repeated for each
        # of them.
        if first.until.remaining <= 0 and self._unanswered:
            return
        polled = list(islice((a for a in self._awaited if not a.is_over), _POLLED_TOGETHER))
        self._send_due_again(polled)
        enough = first.until.remaining > _LAST_POLL
        by = first.until if enough else Deadline.after(_LAST_POLL, "last poll")
        landings = [a.landing for a in polled if a.landing is not None]
        self._unanswered = not poll(self._failover, landings, by)
        if not first.is_over:  # else its end is reported
            self._notify(first)
        only_tags = self._wanted in TAGS and not any(each.needs_receipt for each in landings)
        pause = _POLLED_EVERY_FOR_TAGS if only_tags else _POLLED_EVERY
        self._next_poll = time.monotonic() + pause

    def _send_due_again(self, polled: Sequence[_Awaited]) -> None:
        """Send transactions without a receipt again, at intervals, as long as retries last.

        A switch to another sequencer may have lost them. How that ends changes nothing: each was
        accepted once, and only its receipt ends the wait.
        """
        for awaited in polled:
            now, transaction = time.monotonic(), awaited.transaction
            lasts = now < awaited.begun + (self._failover.retry_for or 0.0)
            no_receipt = awaited.landing is not None and awaited.landing.receipt is None
            if transaction is None or not (lasts and no_receipt and now >= awaited.again_at):
                continue
            awaited.again_at = now + _SENT_AGAIN_EVERY
            self._send_once_more(awaited, transaction)

    def _send_once_more(self, awaited: _Awaited, transaction: RawTransaction) -> None:
        end = awaited.ended.end
        if not isinstance(end, Sent):
            return
        submission = self._send_again(transaction, end.rounds + 1)
        try:
            self._failover.run([submission], awaited.until)
        finally:  # even if a signal ends it: these attempts carried the transaction
            attempts = (*end.attempts, *submission.attempts)
            awaited.ended = awaited.ended._replace(end=end._replace(attempts=attempts))

    def _notify(self, awaited: _Awaited, *, ended: bool = False) -> None:
        landing = awaited.landing
        if landing is None:
            return
        self._failover.requester.notify(
            WaitProgress(
                landing.hash,
                landing.wanted,
                landing.level,
                landing.receipt,
                elapsed=time.monotonic() - awaited.begun,
                remaining=awaited.until.remaining,
                others=max(0, len(self._awaited) - (not ended)),
                ended=ended,
            )
        )
