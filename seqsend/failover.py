"""The failover loop and the preferred endpoint; nothing else.

Modelled on op-reth's sequencer client: start at the preferred endpoint, go on cyclically, each
endpoint once, always with the same bytes.
"""

import itertools
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from seqsend.errors import DeliveryUnknown, EndpointFailure, Rejected, Unreachable
from seqsend.events import Answer, Attempt, AttemptOutcome, Endpoint, JsonRpcError
from seqsend.jsonrpc import Call, encode_request
from seqsend.policy import (
    Class,
    Judgement,
    Row,
    judge_failure,
    judge_reply,
    may_move_on,
    trusts_verdict,
)
from seqsend.shown import excerpt, scrub, scrub_json
from seqsend.transports.base import Deadline, Exchange, Transport

Observer = Callable[[Attempt], None]
"""Is told of every attempt as it ends, in the thread that made it."""

_log = logging.getLogger("seqsend")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds."""

    dial: float = 5.0
    """DNS, TCP over all addresses of the name, and TLS."""
    request: float = 10.0
    """One whole attempt, from the start of its dial to the last byte of the answer."""
    total: float | None = None
    """All attempts of a call together; None for as long as they take."""


class Failover:
    """Makes calls over a list of endpoints; safe to share between threads."""

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...],
        transport: Transport,
        limits: Limits,
        *,
        secrets: frozenset[str] = frozenset(),
        strict_errors: bool = False,
        failback_after: float | None = None,
        observer: Observer | None = None,
    ) -> None:
        """``failback_after`` is in seconds; ``secrets`` are never let into a reason.

        With ``strict_errors`` every JSON-RPC error ends the call.
        """
        self.endpoints = endpoints
        self._transport = transport
        self._limits = limits
        self._secrets = secrets
        self._strict_errors = strict_errors
        self._failback_after = failback_after
        self._observer = observer
        self._ids = itertools.count(1)
        # Counted from 0. Threads write it without a lock: each writes an endpoint that has just
        # answered, so whoever comes last is right too.
        self._preferred = 0
        self._failed_over_at = 0.0

    @property
    def preferred(self) -> Endpoint:
        """The endpoint that the next call tries first."""
        return self.endpoints[self._preferred]

    def start_deadline(self) -> Deadline | None:
        """Return the moment by which a task that begins now must have ended, if there is one."""
        total = self._limits.total
        return None if total is None else Deadline.after(total, "deadline")

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
        by = by or self.start_deadline()
        request = self._encode(call)
        order = self.in_order()
        attempts: list[Attempt] = []
        note = None
        for position, endpoint in enumerate(order, start=1):
            judgement, attempt = self._ask(endpoint, request, by)
            if judgement.row.kind != "outage":
                self.tell(attempt)
                if attempts:
                    self._prefer(endpoint)
                return _conclude(call, judgement, tuple(attempts), attempt, started)
            rest = order[position:]
            note = _why_not_on(judgement.row, call, rest, by, retry_unsafe=retry_unsafe)
            if note is not None or not rest:
                attempt = replace(attempt, outcome="outage")
            attempts.append(self.tell(attempt))
            if note is not None:
                break
        maybe = any(attempt.delivered == "unknown" for attempt in attempts)
        failure = DeliveryUnknown if maybe else Unreachable
        raise failure(call.method, tuple(attempts), time.monotonic() - started, note=note)

    def ask(self, endpoint: Endpoint, call: Call, by: Deadline | None) -> tuple[Judgement, Attempt]:
        """Ask one endpoint, without failover; the caller names the outcome and calls `tell`."""
        return self._ask(endpoint, self._encode(call), by)

    def tell(self, attempt: Attempt) -> Attempt:
        """Log ``attempt``, show it to the observer, and return it."""
        _log.debug("%s %s: %s", attempt.endpoint, attempt.outcome, attempt.reason or "ok")
        if self._observer is not None:
            try:
                self._observer(attempt)
            except Exception:  # noqa: BLE001 - whatever it is
                # Whoever looks on must not be able to stop a transaction (a closed stderr, say).
                _log.exception("the observer failed")
        return attempt

    def in_order(self) -> tuple[Endpoint, ...]:
        """Return the endpoints in the order in which a call that begins now tries them."""
        if (
            self._failback_after is not None
            and self._preferred
            and time.monotonic() - self._failed_over_at >= self._failback_after
        ):
            self._preferred = 0
        first = self._preferred
        return self.endpoints[first:] + self.endpoints[:first]

    def _prefer(self, endpoint: Endpoint) -> None:
        self._failed_over_at = time.monotonic()
        self._preferred = endpoint.index - 1

    def _encode(self, call: Call) -> "_Request":
        request_id = next(self._ids)
        return _Request(call, request_id, encode_request(call, request_id))

    def _ask(
        self, endpoint: Endpoint, request: "_Request", by: Deadline | None
    ) -> tuple[Judgement, Attempt]:
        started = time.monotonic()
        answer_by = Deadline.after(self._limits.request, "request timeout").or_sooner(by)
        dial_by = Deadline.after(self._limits.dial, "dial timeout").or_sooner(answer_by)
        exchange = Exchange(dial_by, answer_by)
        status = None
        try:
            reply = self._transport.exchange(endpoint, request.body, exchange)
            status = reply.status
            judgement = judge_reply(
                reply, request.call, request.id, strict_errors=self._strict_errors
            )
        except EndpointFailure as failure:
            status = failure.http_status
            judgement = judge_failure(failure, written=exchange.written)
        except KeyboardInterrupt:
            self.tell(_interrupted(endpoint, request.call, exchange, started))
            raise
        judgement = self._cleaned(judgement)
        return judgement, Attempt(
            endpoint=endpoint,
            method=request.call.method,
            outcome=_OUTCOMES[judgement.row.kind],
            phase=exchange.phase,
            delivered=judgement.row.delivered,
            elapsed=time.monotonic() - started,
            reason=judgement.reason,
            http_status=status,
            error=judgement.error,
            timings=exchange.timings,
            tls_expires=exchange.tls_expires,
        )

    def _cleaned(self, judgement: Judgement) -> Judgement:
        """Take out of a server's words what it may quote of our URL or headers."""
        reason, error = judgement.reason, judgement.error
        if error is not None:
            message = scrub(error.message, self._secrets)
            error = JsonRpcError(error.code, message, scrub_json(error.data, self._secrets))
        if reason is not None:
            reason = excerpt(scrub(reason, self._secrets))
        return replace(judgement, reason=reason, error=error)


_OUTCOMES: Mapping[Class, AttemptOutcome] = MappingProxyType(
    {"result": "answered", "verdict": "verdict", "outage": "failover"}
)


@dataclass(frozen=True, slots=True)
class _Request:
    """A call with the bytes that every endpoint is sent."""

    call: Call
    id: int
    body: bytes


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


def _interrupted(endpoint: Endpoint, call: Call, exchange: Exchange, started: float) -> Attempt:
    return Attempt(
        endpoint=endpoint,
        method=call.method,
        outcome="interrupted",
        phase=exchange.phase,
        # The last byte may be out although the signal came before that was noted.
        delivered="unknown" if exchange.phase in ("send", "answer") else "no",
        elapsed=time.monotonic() - started,
        reason="interrupted",
        timings=exchange.timings,
    )
