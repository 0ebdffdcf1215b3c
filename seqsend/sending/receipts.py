"""Receipts: what became of transactions that were taken. Waiting overlaps with sending."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from seqsend import waiting
from seqsend.errors import CallError, Rejected
from seqsend.failover.loop import Failover
from seqsend.jsonrpc import Call
from seqsend.models import Sent
from seqsend.sending.stream import Ended
from seqsend.transports.base import Deadline
from seqsend.verdicts.failure_table import same_hash

METHOD = "eth_getTransactionReceipt"

_POLLED_EVERY = 0.25  # seconds; blocks of a rollup come every 2 s, of some every 0.25 s
_LAST_POLL = 0.25  # seconds; what a promised time may be passed by
_LONGEST_QUEUE = 1000  # results held back at a time: memory does not grow with the input


@dataclass(slots=True)
class _Awaited:
    ended: Ended
    until: Deadline | None
    """None for what has no receipt to wait for."""


class Receipts:
    """Adds to each transaction that was taken its receipt, or leaves it without after a time.

    It is the `seqsend.sending.stream.Awaiting` of a stream that waits.
    """

    def __init__(self, failover: Failover, timeout: float) -> None:
        """``timeout`` is in seconds, for each transaction from when it was taken."""
        self._failover = failover
        self._timeout = timeout
        self._awaited: deque[_Awaited] = deque()
        self._next_poll = 0.0
        self._unanswered = False
        """The last poll got no answer."""

    def add(self, ended: Ended) -> None:
        """Take in the end of the next line."""
        waits = isinstance(ended.end, Sent)
        until = Deadline.after(self._timeout, "wait timeout") if waits else None
        self._awaited.append(_Awaited(ended, until))

    def left(self) -> Iterator[Ended]:
        """Yield what is still waited for, without its receipt."""
        while self._awaited:
            yield self._awaited.popleft().ended

    @property
    def has_ready(self) -> bool:
        """Whether the next one has no receipt to wait for."""
        return bool(self._awaited) and self._awaited[0].until is None

    def ready(self, *, patient: bool) -> Iterator[Ended]:
        """Yield from the front what is ready; wait for all of it if ``patient``.

        Raises:
            KeyboardInterrupt: a signal came; nothing is lost, see `left`.

        """
        waits = patient or len(self._awaited) >= _LONGEST_QUEUE
        while self._awaited:
            first = self._awaited[0]
            if first.until is None:
                yield self._awaited.popleft().ended
                continue
            wait = self._next_poll - time.monotonic()
            if not waits and (wait > 0 or self._unanswered):
                return
            found = self._poll(first.ended, first.until, wait)
            if found is not None or first.until.remaining <= 0:
                yield replace(self._awaited.popleft().ended, receipt=found, waited=True)
                waits = patient
            else:
                self._next_poll = time.monotonic() + _POLLED_EVERY

    def _poll(self, ended: Ended, until: Deadline, wait: float) -> dict[str, Any] | None:
        """Wait, then ask for a receipt; return it if it is this transaction's and has a block."""
        waiting.sleep(max(0.0, min(wait, until.remaining)))
        # It may have been mined while others were waited for: each is asked for at its end, and
        # given the time to be answered. If nobody answers, that is not tried for all.
        if until.remaining <= 0 and self._unanswered:
            return None
        enough = until.remaining > _LAST_POLL
        by = until if enough else Deadline.after(_LAST_POLL, "last poll")
        try:
            found = self._failover.read(Call(METHOD, [ended.hash]), by).result
        except CallError as error:
            self._unanswered = not isinstance(error, Rejected)
            return None  # it has been reported; the next poll may find a better endpoint
        self._unanswered = False
        if not isinstance(found, dict) or not found.get("blockNumber"):
            return None
        return found if same_hash(found.get("transactionHash"), ended.hash or "") else None
