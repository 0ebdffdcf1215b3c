"""Receipts: what became of transactions that were taken. Waiting overlaps with sending."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from seqsend.errors import CallError, Rejected
from seqsend.failover.loop import Failover
from seqsend.jsonrpc import Call
from seqsend.models import Sent
from seqsend.sending.stream import Ended
from seqsend.transports.base import Deadline

_POLLED_EVERY = 0.25  # seconds; blocks of a rollup come every 2 s, of some every 0.25 s
_LAST_POLL = 0.25  # seconds; what a promised time may be passed by
_LONGEST_QUEUE = 1000  # results held back at a time: memory does not grow with the input


@dataclass(slots=True)
class _Waiting:
    ended: Ended
    until: Deadline | None
    """None for what has no receipt to wait for."""


class Receipts:
    """Adds to each transaction that was taken its receipt, or leaves it without after a time."""

    def __init__(
        self,
        failover: Failover,
        timeout: float,
        *,
        run: Callable[[Callable[[], Any]], Any] = lambda wait: wait(),
    ) -> None:
        """``timeout`` is in seconds, for each transaction from when it was taken.

        ``run`` runs what takes time: whoever handles signals lets them through there.
        """
        self._failover = failover
        self._timeout = timeout
        self._run = run
        self._queue: deque[_Waiting] = deque()
        self._next_poll = 0.0
        self._unanswered = False
        """The last poll got no answer."""

    def follow(self, results: Iterator[Ended]) -> Iterator[Ended]:
        """Yield ``results`` in their order, each once its receipt is there or its time is over."""
        for ended in results:
            waits = isinstance(ended.end, Sent)
            until = Deadline.after(self._timeout, "wait timeout") if waits else None
            self._queue.append(_Waiting(ended, until))
            yield from self._ready(patient=len(self._queue) >= _LONGEST_QUEUE)
        while self._queue:
            yield from self._ready(patient=True)

    def left(self) -> Iterator[Ended]:
        """Yield what is still waited for, without its receipt: after Ctrl-C."""
        while self._queue:
            yield self._queue.popleft().ended

    def _ready(self, *, patient: bool) -> Iterator[Ended]:
        """Yield from the front what is ready; where nothing is, wait for one if ``patient``."""
        while self._queue:
            first = self._queue[0]
            if first.until is None:
                yield self._queue.popleft().ended
                continue
            wait = self._next_poll - time.monotonic()
            if not patient and (wait > 0 or self._unanswered):
                return
            found = self._run(partial(self._poll, first.ended, first.until, wait))
            if found is not None or first.until.remaining <= 0:
                yield replace(self._queue.popleft().ended, receipt=found, waited=True)
                patient = False
            else:
                self._next_poll = time.monotonic() + _POLLED_EVERY

    def _poll(self, ended: Ended, until: Deadline, wait: float) -> Any:
        time.sleep(max(0.0, min(wait, until.remaining)))
        # It may have been mined while others were waited for: each is asked for at its end, and
        # given the time to be answered. Where nobody answers, that is not tried for all.
        if until.remaining <= 0 and self._unanswered:
            return None
        enough = until.remaining > _LAST_POLL
        by = until if enough else Deadline.after(_LAST_POLL, "last poll")
        call = Call("eth_getTransactionReceipt", [ended.hash])
        try:
            found = self._failover.call(call, by=by).result
        except CallError as error:
            self._unanswered = not isinstance(error, Rejected)
            return None  # told already; the next poll may find a better endpoint
        self._unanswered = False
        return found if isinstance(found, dict) and found.get("blockNumber") else None
