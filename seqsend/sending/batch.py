"""Several transactions in one JSON-RPC batch, each with an end of its own.

A batch is one attempt of all its transactions. What comes back is judged for each by the failure
table: those that are answered are done, the others go on to the next endpoint, in their order. A
server that takes no such batches is asked with smaller ones, down to single calls; how many it
takes is remembered.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from seqsend.errors import CallError, DeliveryUnknown, Interrupted, Rejected, Unreachable
from seqsend.failover.loop import Failover
from seqsend.failover.requester import judged
from seqsend.jsonrpc import Call
from seqsend.models import Attempt, Endpoint, Sent
from seqsend.sending.submission import End, call_for, settle
from seqsend.sending.transaction import RawTransaction
from seqsend.transports.base import Deadline
from seqsend.verdicts.failure_table import Judgement, trusts_verdict

_SHORTENED = "not answered in its batch"


@dataclass(slots=True)
class _Item:
    """One transaction on its way."""

    transaction: RawTransaction
    call: Call
    attempts: list[Attempt] = field(default_factory=list)
    decided: Judgement | None = None
    """The result or verdict, once an endpoint has given one."""


class Batches:
    """Sends batches of up to ``size`` transactions, for a whole run."""

    def __init__(
        self, failover: Failover, size: int, conditions: Mapping[str, Any] | None = None
    ) -> None:
        """Begin with ``size`` at every endpoint; ``conditions`` are for all transactions."""
        self._failover = failover
        self._requester = failover.requester
        self._conditions = conditions
        self._sizes = dict.fromkeys((e.index for e in failover.endpoints), size)

    def submit(self, transactions: Sequence[RawTransaction]) -> list[Sent | CallError]:
        """Send ``transactions`` and return how each ended, in their order.

        Raises:
            Interrupted: by Ctrl-C; its attempts are those of all of them.

        """
        started = time.monotonic()
        by = self._requester.start_deadline()
        items = [_Item(t, call_for(t, self._conditions)) for t in transactions]
        try:
            self._send(items, by)
            return [self._end(item, by, started) for item in items]
        except Interrupted as interrupted:
            before = {id(attempt): attempt for item in items for attempt in item.attempts}
            raise Interrupted(*before.values(), *interrupted.attempts) from None

    def _send(self, items: list[_Item], by: Deadline | None) -> None:
        for position, endpoint in enumerate(self._failover.in_order()):
            waiting = [item for item in items if item.decided is None]
            too_late = by is not None and by.remaining <= 0 and all(i.attempts for i in waiting)
            if not waiting or too_late:
                return
            last = position + 1 == len(self._failover.endpoints)
            self._send_to(endpoint, waiting, by, last=last)
            if any(item.decided for item in waiting):
                self._failover.prefer(endpoint, failed_over=position > 0)

    def _send_to(
        self, endpoint: Endpoint, items: list[_Item], by: Deadline | None, *, last: bool
    ) -> None:
        """Ask one endpoint for all of ``items``, until it fails or all have had their turn."""
        while items:
            size = self._sizes[endpoint.index]
            chunk, rest = items[:size], items[size:]
            again: list[_Item] = []
            if len(chunk) == 1:
                failed = self._ask_one(endpoint, chunk[0], by, last=last)
            else:
                again, failed = self._ask_many(endpoint, chunk, by, last=last)
            if failed:
                return
            items = again + rest

    def _ask_one(self, endpoint: Endpoint, item: _Item, by: Deadline | None, *, last: bool) -> bool:
        """Ask for one; tell whether the endpoint failed."""
        judgement, attempt = self._requester.ask(endpoint, self._requester.prepare(item.call), by)
        self._note(item, judgement, self._requester.tell(_named(attempt, last=last)))
        return judgement.row.kind == "outage"

    def _ask_many(
        self, endpoint: Endpoint, chunk: list[_Item], by: Deadline | None, *, last: bool
    ) -> tuple[list[_Item], bool]:
        """Ask for several; return those to be asked for again here, and whether it failed."""
        answer, attempt = self._requester.ask_batch(endpoint, [item.call for item in chunk], by)
        if answer.refused:
            self._sizes[endpoint.index] = len(chunk) // 2
            attempt = replace(attempt, outcome="refused")
        attempt = self._requester.tell(_named(attempt, last=last))
        if answer.whole.row.kind == "outage":
            for item in chunk:
                item.attempts.append(attempt)
            return chunk, not answer.refused
        missing: list[_Item] = []
        for item, judgement in zip(chunk, answer.items, strict=True):
            if judgement is not None:
                # A result is what the whole batch is judged as: nothing is to be told besides.
                same = judgement.row is answer.whole.row
                self._note(item, judgement, attempt if same else judged(attempt, judgement))
                continue
            # Not answered, and perhaps taken all the same.
            lost = replace(attempt, outcome="refused", delivered="unknown", reason=_SHORTENED)
            item.attempts.append(lost)
            missing.append(item)
        if missing:
            self._sizes[endpoint.index] = max(1, len(chunk) - len(missing))
        return missing, False

    def _note(self, item: _Item, judgement: Judgement, attempt: Attempt) -> None:
        item.attempts.append(attempt)
        if judgement.row.kind != "outage":
            item.decided = judgement

    def _end(self, item: _Item, by: Deadline | None, started: float) -> Sent | CallError:
        attempts, elapsed = tuple(item.attempts), time.monotonic() - started
        last, method = attempts[-1], item.call.method
        end: End
        if item.decided is None:
            maybe = any(attempt.delivered == "unknown" for attempt in attempts)
            attempts = (*attempts[:-1], replace(last, outcome="outage"))
            end = (DeliveryUnknown if maybe else Unreachable)(method, attempts, elapsed)
        elif item.decided.error is None:
            return Sent(item.transaction.hash, "accepted", last.endpoint, attempts, elapsed)
        else:
            kind = Rejected if trusts_verdict(item.call, attempts[:-1]) else DeliveryUnknown
            error = item.decided.error
            end = kind(method, attempts, elapsed, error=error, endpoint=last.endpoint)
        try:
            return settle(self._failover, item.transaction, end, by, started)
        except CallError as settled:
            return settled


def _named(attempt: Attempt, *, last: bool) -> Attempt:
    """Return ``attempt`` as a failover only where there is an endpoint left to go to."""
    if last and attempt.outcome == "failover":
        return replace(attempt, outcome="outage")
    return attempt
