"""One request to one endpoint: deadlines set, the answer judged, our secrets removed from it."""

import itertools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from seqsend import waiting
from seqsend.errors import EndpointFailure
from seqsend.jsonrpc import Call, encode_request
from seqsend.models import (
    Attempt,
    AttemptOutcome,
    Endpoint,
    Event,
    JsonRpcError,
    ReasonCode,
    Reply,
    Role,
)
from seqsend.redaction import excerpt, scrub, scrub_json
from seqsend.transports.base import Deadline, Exchange, Transport
from seqsend.transports.failures import failure_of
from seqsend.units import parse_retry_after
from seqsend.verdicts.failure_table import Class, Judgement, Row, judge_failure, judge_reply

Observer = Callable[[Event], None]
"""Called with every attempt and call as it ends, in the thread that made it, and with every change
of the preferred endpoint."""

_log = logging.getLogger("seqsend")

# Outcomes of a call in a batch that are not in the failure table: the same endpoint is asked again,
# with a smaller batch.
_REFUSED = Row("batch refused", "again", "no")
_REFUSED_PERHAPS = Row("batch refused after it may have been taken", "again", "unknown")
_SHORTENED = Judgement(
    Row("not answered in its batch", "again", "unknown"),
    "not answered in its batch",
    "batch_shortened",
)
# The last byte may have been sent, although the signal came before that was noted.
_INTERRUPTED_AFTER = Judgement(
    Row("interrupted after sending began", "outage", "unknown"), "interrupted", "interrupted"
)
_INTERRUPTED_BEFORE = Judgement(
    Row("interrupted before sending began", "outage", "no"), "interrupted", "interrupted"
)
_ABANDONED_AFTER = Judgement(
    Row("abandoned after sending began", "outage", "unknown"),
    "another endpoint answered first",
    "abandoned",
)
_ABANDONED_BEFORE = _ABANDONED_AFTER._replace(
    row=Row("abandoned before sending began", "outage", "no")
)


class Timeouts(NamedTuple):
    """How long things may take, in seconds."""

    dial: float = 5.0
    """DNS, TCP over all addresses of the name, and TLS."""
    request: float = 10.0
    """One whole attempt, from the start of its dial to the last byte of the answer."""
    total: float | None = None
    """All attempts of a call together; None for no limit."""


class Request(NamedTuple):
    """A call, with the bytes that are sent to every endpoint."""

    call: Call
    id: int
    body: bytes


_TIMED_OUT: tuple[ReasonCode, ...] = ("dns_timeout", "dial_timeout", "timeout")

OUTCOMES: Mapping[Class, AttemptOutcome] = MappingProxyType(
    {"result": "answered", "verdict": "verdict", "outage": "outage", "again": "refused"}
)
"""Kind of judgement → outcome of the attempt, if no other endpoint follows."""


class Exchanged(NamedTuple):
    """One request to one endpoint, and what its outcome means for each call in it."""

    endpoint: Endpoint
    method: str
    judgements: tuple[Judgement, ...]
    """One for each call, in order."""
    exchange: Exchange
    """How far it came, and how long each phase took."""
    http_status: int | None
    elapsed: float
    """Seconds."""
    failed: bool
    """The endpoint itself failed: it is sent nothing more."""
    retry_after: float | None = None
    """Seconds after which the endpoint asked to be tried again."""
    interrupt: BaseException | None = None
    """The signal that ended it, if one did; to be raised once the outcome is recorded."""

    @property
    def failed_at_once(self) -> bool:
        """Whether the endpoint failed without having used up a timeout."""
        return self.failed and self.judgements[0].reason_code not in _TIMED_OUT

    def attempt(
        self,
        judgement: Judgement,
        outcome: AttemptOutcome | None = None,
        *,
        round: int = 1,  # noqa: A002 - as in Attempt
        role: Role | None = None,
    ) -> Attempt:
        """Return the attempt to record for a call with ``judgement``, made in ``round``.

        ``role`` is the endpoint's role.
        """
        if self.interrupt is not None:
            outcome = "interrupted"
        return Attempt(
            endpoint=self.endpoint,
            method=self.method,
            outcome=outcome or OUTCOMES[judgement.row.kind],
            phase=self.exchange.phase,
            delivered=judgement.row.delivered,
            elapsed=self.elapsed,
            reason=judgement.reason,
            reason_code=judgement.reason_code,
            http_status=self.http_status,
            error=judgement.error,
            timings=self.exchange.timings,
            batch=len(self.judgements),
            tls_expires=self.exchange.tls_expires,
            round=round,
            retry_after=self.retry_after,
            role=role,
        )


def still_open(endpoint: Endpoint, requests: Sequence[Request], exchange: Exchange) -> Exchanged:
    """Return what is known of an abandoned request whose thread did not report."""
    return Exchanged(
        endpoint=endpoint,
        method=requests[0].call.method,
        judgements=(_ABANDONED_AFTER,) * len(requests),
        exchange=exchange.snapshot(),
        http_status=None,
        elapsed=time.monotonic() - exchange.started,
        failed=True,
    )


class Requester:
    """Sends requests to one endpoint at a time; safe to share between threads."""

    def __init__(
        self,
        transport: Transport,
        timeouts: Timeouts,
        *,
        secrets: frozenset[str] = frozenset(),
        strict_errors: bool = False,
        observer: Observer | None = None,
    ) -> None:
        """``secrets`` are kept out of every reason and error.

        With ``strict_errors`` every JSON-RPC error is a verdict.
        """
        self._transport = transport
        self._timeouts = timeouts
        self._secrets = secrets
        self._strict_errors = strict_errors
        self._observer = observer
        self._ids = itertools.count(1)

    def start_deadline(self) -> Deadline | None:
        """Return the deadline of a task that begins now; None without a total timeout."""
        total = self._timeouts.total
        return None if total is None else Deadline.after(total, "deadline")

    def start_round(self, by: Deadline | None) -> Deadline:
        """Return the deadline of questions that begin now and may take as long as one attempt."""
        return Deadline.after(self._timeouts.request, "request timeout").or_sooner(by)

    def prepare(self, call: Call) -> Request:
        """Return the request for ``call``; its bytes are the same for every endpoint.

        Raises:
            UsageError: the call cannot be encoded.

        """
        request_id = next(self._ids)
        return Request(call, request_id, encode_request(call, request_id))

    def ask(
        self,
        endpoint: Endpoint,
        requests: Sequence[Request],
        by: Deadline | None,
        *,
        starts_by: Deadline | None = None,
        exchange: Exchange | None = None,
    ) -> Exchanged:
        """Send ``requests`` to one endpoint: several as a JSON-RPC batch, a single one alone.

        ``by`` is the deadline for all of it, ``starts_by`` only for the dial; an ``exchange`` that
        was already started holds both.

        Raises:
            KeyboardInterrupt: a signal had come before: nothing was sent.
            Cancelled: this thread had been cancelled before: nothing was sent.

        """
        waiting.check()
        exchange = exchange or self.start_exchange(requests, by, starts_by)
        status, interrupt, retry_after = None, None, None
        try:
            try:
                reply = self._transport.exchange(endpoint, _body_of(requests), exchange)
                status = reply.status
                if reply.retry_after is not None:
                    retry_after = parse_retry_after(reply.retry_after, time.time())
                judgements, failed = self._judge(reply, requests)
            except (EndpointFailure, MemoryError) as error:
                failure = failure_of(error)  # also for want of memory to judge the reply
                status = failure.http_status or status
                judgement = self._clean(judge_failure(failure, written=exchange.written))
                judgements, failed = (judgement,) * len(requests), True
        except KeyboardInterrupt as signal:
            began = exchange.phase in ("send", "answer")
            judgement = _INTERRUPTED_AFTER if began else _INTERRUPTED_BEFORE
            judgements, failed, interrupt = (judgement,) * len(requests), True, signal
        except waiting.Cancelled:
            began = exchange.phase in ("send", "answer")
            judgement = _ABANDONED_AFTER if began else _ABANDONED_BEFORE
            judgements, failed = (judgement,) * len(requests), True
        return Exchanged(
            endpoint=endpoint,
            method=requests[0].call.method,
            judgements=judgements,
            exchange=exchange,
            http_status=status,
            elapsed=time.monotonic() - exchange.started,
            failed=failed,
            retry_after=retry_after,
            interrupt=interrupt,
        )

    def start_exchange(
        self, requests: Sequence[Request], by: Deadline | None, starts_by: Deadline | None = None
    ) -> Exchange:
        """Return the record of ``requests`` that begin now; the deadlines are those of `ask`."""
        answer_by = self.start_round(by)
        dial_by = Deadline.after(self._timeouts.dial, "dial timeout").or_sooner(answer_by)
        return Exchange(
            dial_by.or_sooner(starts_by), answer_by, longest_answer=_longest_answer(requests)
        )

    def emit(self, attempt: Attempt) -> None:
        """Log ``attempt`` and give it to the observer."""
        _log.debug("%s %s: %s", attempt.endpoint, attempt.outcome, attempt.reason or "ok")
        self.notify(attempt)

    def notify(self, event: Event) -> None:
        """Give ``event`` to the observer."""
        if self._observer is None:
            return
        try:
            self._observer(event)
        except Exception:  # noqa: BLE001 - whatever it is
            # An observer must never abort a transaction (because stderr is closed, say).
            _log.exception("the observer failed")

    def _judge(
        self, reply: Reply, requests: Sequence[Request]
    ) -> tuple[tuple[Judgement, ...], bool]:
        """Return what ``reply`` means for each request, and whether the endpoint failed."""
        strict = self._strict_errors
        if reply.location is not None:
            # First: once parts of it are hidden for display, the rest of a secret is not found.
            reply = reply._replace(location=scrub(reply.location, self._secrets))
        if len(requests) == 1:
            (request,) = requests
            judgement = self._clean(
                judge_reply(reply, request.call, request.id, strict_errors=strict)
            )
            # A node's error concerns one call only; an HTTP status concerns the next one, too.
            said_of_the_call = judgement.error is not None and reply.status in (None, 200)
            return (judgement,), judgement.row.kind == "outage" and not said_of_the_call
        from seqsend.verdicts.batches import judge_batch  # a single call needs none of it

        found = judge_batch(reply, {r.id: r.call for r in requests}, strict_errors=strict)
        whole = self._clean(found.whole)
        if found.refused:
            row = _REFUSED if whole.row.delivered == "no" else _REFUSED_PERHAPS
            refused = whole._replace(row=row, reason_code="batch_refused")
            return (refused,) * len(requests), False
        if whole.row.kind == "outage":
            return (whole,) * len(requests), True
        return tuple(_SHORTENED if j is None else self._clean(j) for j in found.items), False

    def _clean(self, judgement: Judgement) -> Judgement:
        """Remove from a server's words what they may quote of our URL or headers."""
        reason, error = judgement.reason, judgement.error
        if error is None and reason is None:
            return judgement
        if error is not None:
            message = scrub(error.message, self._secrets)
            error = JsonRpcError(error.code, message, scrub_json(error.data, self._secrets))
        if reason is not None:
            reason = excerpt(scrub(reason, self._secrets))
        return judgement._replace(reason=reason, error=error)


def _longest_answer(requests: Sequence[Request]) -> int | None:
    """Return the size limit, in bytes, of the answer to all ``requests``; None for no limit."""
    lengths = [request.call.longest_answer for request in requests]
    return sum(length or 0 for length in lengths) if all(lengths) else None


def _body_of(requests: Sequence[Request]) -> bytes:
    """Return the bytes of one request, or those of a batch (JSON-RPC 2.0, section 6)."""
    if len(requests) == 1:
        return requests[0].body
    return b"[" + b",".join(request.body for request in requests) + b"]"
