"""One endpoint, asked once: deadlines set, the answer judged, its words cleaned of our secrets."""

import itertools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

from seqsend.errors import EndpointFailure, Interrupted
from seqsend.jsonrpc import Call, encode_batch, encode_request
from seqsend.models import Attempt, AttemptOutcome, Endpoint, Event, JsonRpcError, Reply
from seqsend.redaction import excerpt, scrub, scrub_json
from seqsend.transports.base import Deadline, Exchange, Transport
from seqsend.verdicts.batches import BatchJudgement, judge_batch
from seqsend.verdicts.failure_table import Class, Judgement, judge_failure, judge_reply

Observer = Callable[[Event], None]
"""Is told of every attempt and call as it ends, in the thread that made it, and of every change of
the preferred endpoint."""

T = TypeVar("T")

_log = logging.getLogger("seqsend")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long things may take, in seconds."""

    dial: float = 5.0
    """DNS, TCP over all addresses of the name, and TLS."""
    request: float = 10.0
    """One whole attempt, from the start of its dial to the last byte of the answer."""
    total: float | None = None
    """All attempts of a call together; None for as long as they take."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call with the bytes that every endpoint is sent."""

    call: Call
    id: int
    body: bytes


class Requester:
    """Asks one endpoint at a time; safe to share between threads."""

    def __init__(
        self,
        transport: Transport,
        limits: Timeouts,
        *,
        secrets: frozenset[str] = frozenset(),
        strict_errors: bool = False,
        observer: Observer | None = None,
    ) -> None:
        """``secrets`` are never let into a reason or an error.

        With ``strict_errors`` every JSON-RPC error is a verdict.
        """
        self._transport = transport
        self._limits = limits
        self._secrets = secrets
        self._strict_errors = strict_errors
        self._observer = observer
        self._ids = itertools.count(1)

    def start_deadline(self) -> Deadline | None:
        """Return the moment by which a task that begins now must have ended, if there is one."""
        total = self._limits.total
        return None if total is None else Deadline.after(total, "deadline")

    def prepare(self, call: Call) -> Request:
        """Return the bytes that ask for ``call``, the same for every endpoint.

        Raises:
            UsageError: the call cannot be encoded.

        """
        request_id = next(self._ids)
        return Request(call, request_id, encode_request(call, request_id))

    def ask(
        self, endpoint: Endpoint, request: Request, by: Deadline | None
    ) -> tuple[Judgement, Attempt]:
        """Ask one endpoint; whoever asked gives the attempt its outcome, and tells it.

        Raises:
            Interrupted: by Ctrl-C; the attempt has been told.

        """

        def judge(reply: Reply) -> Judgement:
            return self._cleaned(
                judge_reply(reply, request.call, request.id, strict_errors=self._strict_errors)
            )

        def fail(failure: EndpointFailure, exchange: Exchange) -> Judgement:
            return self._cleaned(judge_failure(failure, written=exchange.written))

        judgement, attempt = self._exchange(
            endpoint, request.call, request.body, by, judge=judge, fail=fail
        )
        return judgement, judged(attempt, judgement)

    def ask_batch(
        self, endpoint: Endpoint, calls: Sequence[Call], by: Deadline | None
    ) -> tuple[BatchJudgement, Attempt]:
        """Ask one endpoint for several calls in one JSON-RPC batch; else as `ask`."""
        by_id = {next(self._ids): call for call in calls}

        def judge(reply: Reply) -> BatchJudgement:
            found = judge_batch(reply, by_id, strict_errors=self._strict_errors)
            items = tuple(None if j is None else self._cleaned(j) for j in found.items)
            return replace(found, whole=self._cleaned(found.whole), items=items)

        def fail(failure: EndpointFailure, exchange: Exchange) -> BatchJudgement:
            failed = self._cleaned(judge_failure(failure, written=exchange.written))
            return BatchJudgement(failed, (None,) * len(by_id), refused=False)

        body = encode_batch(by_id)
        judgement, attempt = self._exchange(endpoint, calls[0], body, by, judge=judge, fail=fail)
        return judgement, replace(judged(attempt, judgement.whole), batch=len(calls))

    def tell(self, attempt: Attempt) -> Attempt:
        """Log ``attempt``, show it to the observer, and return it."""
        _log.debug("%s %s: %s", attempt.endpoint, attempt.outcome, attempt.reason or "ok")
        self.notify(attempt)
        return attempt

    def notify(self, event: Event) -> None:
        """Show ``event`` to the observer."""
        if self._observer is None:
            return
        try:
            self._observer(event)
        except Exception:  # noqa: BLE001 - whatever it is
            # Whoever looks on must not be able to stop a transaction (a closed stderr, say).
            _log.exception("the observer failed")

    def _exchange(
        self,
        endpoint: Endpoint,
        call: Call,
        body: bytes,
        by: Deadline | None,
        *,
        judge: Callable[[Reply], T],
        fail: Callable[[EndpointFailure, Exchange], T],
    ) -> tuple[T, Attempt]:
        started = time.monotonic()
        answer_by = Deadline.after(self._limits.request, "request timeout").or_sooner(by)
        dial_by = Deadline.after(self._limits.dial, "dial timeout").or_sooner(answer_by)
        exchange = Exchange(dial_by, answer_by)
        try:
            try:
                reply = self._transport.exchange(endpoint, body, exchange)
                status, judgement = reply.status, judge(reply)
            except EndpointFailure as failure:
                status, judgement = failure.http_status, fail(failure, exchange)
        except KeyboardInterrupt:
            raise Interrupted(self.tell(_interrupted(endpoint, call, exchange, started))) from None
        return judgement, Attempt(
            endpoint=endpoint,
            method=call.method,
            outcome="failover",
            phase=exchange.phase,
            delivered="no",
            elapsed=time.monotonic() - started,
            http_status=status,
            timings=exchange.timings,
            tls_expires=exchange.tls_expires,
        )

    def _cleaned(self, judgement: Judgement) -> Judgement:
        """Take out of a server's words what it may quote of our URL or headers."""
        reason, error = judgement.reason, judgement.error
        if error is None and reason is None:
            return judgement
        if error is not None:
            message = scrub(error.message, self._secrets)
            error = JsonRpcError(error.code, message, scrub_json(error.data, self._secrets))
        if reason is not None:
            reason = excerpt(scrub(reason, self._secrets))
        return replace(judgement, reason=reason, error=error)


_OUTCOMES: Mapping[Class, AttemptOutcome] = MappingProxyType(
    {"result": "answered", "verdict": "verdict", "outage": "failover"}
)


def judged(attempt: Attempt, judgement: Judgement) -> Attempt:
    """Return ``attempt`` with what ``judgement`` says of it."""
    return replace(
        attempt,
        outcome=_OUTCOMES[judgement.row.kind],
        delivered=judgement.row.delivered,
        reason=judgement.reason,
        reason_code=judgement.reason_code,
        error=judgement.error,
    )


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
