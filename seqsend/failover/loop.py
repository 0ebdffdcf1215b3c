"""The failover loop and the preferred endpoint; nothing else.

Modelled on op-reth's sequencer client: start at the preferred endpoint, go on cyclically, each
endpoint once, always with the same bytes.
"""

import time
from dataclasses import replace

from seqsend.errors import DeliveryUnknown, Interrupted, Rejected, Unreachable
from seqsend.failover.requester import Requester
from seqsend.jsonrpc import Call
from seqsend.models import Answer, Attempt, Endpoint, Preference, Preferred
from seqsend.transports.base import Deadline
from seqsend.verdicts.failure_table import Judgement, Row, may_move_on, trusts_verdict


class Failover:
    """Makes calls over a list of endpoints; safe to share between threads."""

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...],
        requester: Requester,
        *,
        failback_after: float | None = None,
        begin_at: Preference | None = None,
    ) -> None:
        """``failback_after`` is in seconds, None for never; ``begin_at`` is from an earlier run."""
        self.endpoints = endpoints
        self.requester = requester
        self._failback_after = failback_after
        began = begin_at or Preference(1, age=0.0)
        # Threads write them without a lock: each writes an endpoint that has just answered, so
        # whoever comes last is right too.
        self._preferred = endpoints[began.index - 1]
        self._failed_over_at = time.monotonic() - began.age

    @property
    def preferred(self) -> Endpoint:
        """The endpoint that the next call tries first."""
        return self.in_order()[0]

    def call(self, call: Call, *, retry_unsafe: bool = False, by: Deadline | None = None) -> Answer:
        """Ask the endpoints in turn until one answers.

        ``retry_unsafe`` lets a method that is not idempotent go on after an attempt that may have
        been delivered. ``by`` is the deadline of a larger task; by default the call has its own.

        Raises:
            Rejected: an endpoint answered with a JSON-RPC error.
            Unreachable: every endpoint failed and none can have received the request.
            DeliveryUnknown: no answer that can be trusted, and one endpoint may have received it.
            UsageError: the call cannot be encoded; nothing was sent.

        """
        started = time.monotonic()
        by = by or self.requester.start_deadline()
        request = self.requester.prepare(call)
        order = self.in_order()
        attempts: list[Attempt] = []
        note = None
        for position, endpoint in enumerate(order, start=1):
            try:
                judgement, attempt = self.requester.ask(endpoint, request, by)
            except Interrupted as interrupted:
                raise Interrupted(*attempts, *interrupted.attempts) from None
            if judgement.row.kind != "outage":
                self.requester.tell(attempt)
                self.prefer(endpoint, failed_over=bool(attempts))
                return _conclude(call, judgement, tuple(attempts), attempt, started)
            rest = order[position:]
            note = _why_not_on(judgement.row, call, rest, by, retry_unsafe=retry_unsafe)
            if note is not None or not rest:
                attempt = replace(attempt, outcome="outage")
            attempts.append(self.requester.tell(attempt))
            if note is not None:
                break
        missing = [a for a in attempts if a.reason_code == "no_such_method"]
        answered = [a for a in attempts if a.phase == "answer"]
        if missing and missing == answered and call.expected is None:
            raise Rejected(  # no endpoint that was reached has the method: that is the answer
                call.method,
                tuple(attempts),
                time.monotonic() - started,
                error=missing[-1].error,
                endpoint=missing[-1].endpoint,
            )
        maybe = any(attempt.delivered == "unknown" for attempt in attempts)
        failure = DeliveryUnknown if maybe else Unreachable
        raise failure(call.method, tuple(attempts), time.monotonic() - started, note=note)

    def in_order(self) -> tuple[Endpoint, ...]:
        """Return the endpoints in the order in which a call that begins now tries them."""
        first = self._preferred.index - 1
        if (
            self._failback_after is not None
            and time.monotonic() - self._failed_over_at >= self._failback_after
        ):
            first = 0
        return self.endpoints[first:] + self.endpoints[:first]

    def prefer(self, endpoint: Endpoint, *, failed_over: bool) -> None:
        """Have later calls begin at ``endpoint``, which has answered: after a failover, or not."""
        if not failed_over and endpoint is self._preferred:
            return
        self._failed_over_at = time.monotonic()
        self._preferred = endpoint
        self.requester.notify(Preferred(endpoint))


def _why_not_on(
    row: Row, call: Call, rest: tuple[Endpoint, ...], by: Deadline | None, *, retry_unsafe: bool
) -> str | None:
    """Return why the endpoints ``rest`` must not be tried after an outage, or None if they may."""
    if not rest:
        return None
    if by is not None and by.remaining <= 0:
        why = f"{by.name} passed"
    elif not may_move_on(row, call, retry_unsafe=retry_unsafe):
        why = f"a second {call.method} could do it twice"
    else:
        return None
    which = ", ".join(str(endpoint.index) for endpoint in rest)
    return f"{why}; endpoint{'s' if len(rest) > 1 else ''} {which} not tried"


def _conclude(
    call: Call, judgement: Judgement, before: tuple[Attempt, ...], last: Attempt, started: float
) -> Answer:
    attempts, elapsed = (*before, last), time.monotonic() - started
    if judgement.error is None:
        return Answer(judgement.result, last.endpoint, attempts, elapsed)
    end = Rejected if trusts_verdict(call, before) else DeliveryUnknown
    raise end(call.method, attempts, elapsed, error=judgement.error, endpoint=last.endpoint)
