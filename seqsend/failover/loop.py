"""The one loop: submissions over a list of endpoints, and the endpoint that is preferred.

Modelled on op-reth's sequencer client: start at the preferred endpoint, go on cyclically, each
endpoint once a round, always with the same bytes. A single call is a list of one; a JSON-RPC batch
is one way to carry several.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from seqsend import waiting
from seqsend.errors import CallError, DeliveryUnknown, Interrupted, Rejected, Unreachable
from seqsend.failover.requester import OUTCOMES, Exchanged, Request, Requester
from seqsend.failover.rounds import Rounds
from seqsend.failover.submission import Submission
from seqsend.jsonrpc import Call
from seqsend.models import (
    Answer,
    Attempt,
    AttemptOutcome,
    CallEnded,
    Endpoint,
    Preference,
    Preferred,
    Sent,
)
from seqsend.transports.base import Deadline
from seqsend.verdicts.failure_table import (
    Judgement,
    Row,
    is_idempotent,
    may_move_on,
    trusts_verdict,
)
from seqsend.verdicts.node_errors import SEND_METHODS

Describe = Callable[[Submission, Judgement], tuple[AttemptOutcome, Judgement]]
"""What an attempt is called that ended with a judgement, and how the judgement reads then."""

Settle = Callable[[Sequence[Submission]], Sequence[Submission]]
"""Called after each round with the submissions that were in it; returns those still open."""


# The endpoint is asked again, by another method.
_UNSUPPORTED = Row("method not there", "again", "no")


class Failover:
    """Makes calls over a list of endpoints; safe to share between threads."""

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...],
        requester: Requester,
        *,
        readers: tuple[Endpoint, ...] = (),
        failback_after: float | None = None,
        retry_for: float | None = None,
        begin_at: Preference | None = None,
    ) -> None:
        """``failback_after`` is in seconds, None for never; ``begin_at`` is from an earlier run.

        ``retry_for`` is for how many seconds a call that no endpoint took is tried again, in
        rounds; None for one round.
        ``readers`` are asked before the others when something is only looked up.
        """
        self.endpoints = endpoints
        self.readers = readers
        self.requester = requester
        self.retry_for = retry_for
        self._failback_after = failback_after
        self._lacking: set[tuple[int, str]] = set()
        """The methods that an endpoint, by its index, has said it does not have."""
        self._batch_limits: dict[int, int] = {}
        """How many calls an endpoint takes at once, by its index, once it has refused more."""
        began = begin_at or Preference(1, age=0.0)
        # Threads write these without a lock: each writes an endpoint that has just answered, so
        # that the last one is right, too.
        self._preferred = endpoints[began.index - 1]
        self._failed_over_at = time.monotonic() - began.age

    @property
    def preferred(self) -> Endpoint:
        """The endpoint that the next call tries first."""
        return self.in_order()[0]

    def call(self, call: Call, *, retry_unsafe: bool = False) -> Answer:
        """Ask the endpoints in turn until one answers.

        ``retry_unsafe`` lets a method that is not idempotent go on after an attempt that may have
        been delivered.

        Raises:
            CallError: as `end_of` returns it.
            Interrupted: a signal came; it has what was tried until then.
            UsageError: the call cannot be encoded; nothing was sent.

        """
        submission = self.submission(call)
        try:
            by = self.requester.start_deadline()
            self.run_rounds([submission], by, _unless_lacked, retry_unsafe=retry_unsafe)
            end: Answer | CallError | Interrupted = end_of(submission)
        except KeyboardInterrupt:
            end = Interrupted(*submission.attempts)
        self.notify_end(submission, end)
        if isinstance(end, Answer):
            return end
        raise end

    def read(self, call: Call, by: Deadline | None = None) -> Answer:
        """Make a call of the program's own that only reads: at the readers first.

        ``by`` is the deadline of a larger task; by default the call has its own.

        Raises:
            CallError: as `end_of` returns it.
            UsageError: the call cannot be encoded; nothing was sent.

        """
        submission = self.submission(call)
        order = self.reading_order(call.method)
        self.run([submission], by or self.requester.start_deadline(), order=order)
        end = end_of(submission)
        if isinstance(end, CallError):
            raise end
        return end

    def submission(
        self,
        call: Call,
        *,
        fallback: Call | None = None,
        round: int = 1,  # noqa: A002 - as in Attempt
    ) -> Submission:
        """Return ``call`` ready to be sent; its first attempt is one of that ``round``.

        An endpoint that does not have its method is asked for ``fallback`` instead.

        Raises:
            UsageError: it cannot be encoded.

        """
        prepare = self.requester.prepare
        instead = None if fallback is None else prepare(fallback)
        return Submission(prepare(call), fallback=instead, round=round)

    def run_rounds(
        self,
        submissions: Sequence[Submission],
        by: Deadline | None,
        settle: Settle,
        *,
        retry_unsafe: bool = False,
    ) -> None:
        """Run ``submissions``, and for as long as there is time for retries those still open again.

        Open is what no endpoint decided and what may be sent once more, if ``settle`` does not
        find it settled. The rest is as for `run`.

        Raises:
            KeyboardInterrupt: a signal came; what it met is written down in the submissions.

        """
        rounds = Rounds(self.retry_for, by)
        order, going = self.in_order(), list(submissions)
        while True:
            self.run(
                going,
                by,
                retry_unsafe=retry_unsafe,
                order=order,
                starts_by=rounds.starts_by,
            )
            still_open = settle(going)
            going = [s for s in still_open if _may_go_again(s, retry_unsafe=retry_unsafe)]
            attempts = [attempt for s in going for attempt in s.attempts_of_round]
            coming = rounds.plan(attempts, self.endpoints) if going else None
            if coming is None:
                return
            for submission in going:  # before the pause: a signal in it finds them not yet decided
                submission.reopen()
            waiting.sleep(coming.pause)
            order = tuple(e for e in self.in_order() if e.index not in coming.held_back)

    def run(
        self,
        submissions: Sequence[Submission],
        by: Deadline | None,
        *,
        retry_unsafe: bool = False,
        order: tuple[Endpoint, ...] | None = None,
        starts_by: Deadline | None = None,
    ) -> None:
        """Ask the endpoints in turn, each once, until every submission is over.

        ``retry_unsafe`` lets a method that is not idempotent go on after an attempt that may have
        been delivered. ``order`` is that in which they are asked; by default that of `in_order`.
        ``starts_by`` bounds when an attempt begins, and its dial.

        Raises:
            KeyboardInterrupt: a signal came; what it met is written down in the submissions.

        """
        order = order or self.in_order()
        left = list(submissions)
        for position, endpoint in enumerate(order):
            passed = _passed(by) or _passed(starts_by)
            if position and passed:
                _stop_all(left, _not_tried(passed, order[position:]))
                return
            rest = order[position + 1 :]
            self.visit(
                endpoint,
                left,
                by,
                partial(
                    _move_on_or_stop,
                    rest=rest,
                    passed=lambda: _passed(by) or _passed(starts_by),
                    retry_unsafe=retry_unsafe,
                ),
                last=not rest,
                starts_by=starts_by,
            )
            answered = [submission for submission in left if submission.answered_by is endpoint]
            if answered:
                self._prefer(endpoint, first=position == 0, answered=answered)
            left = [submission for submission in left if not submission.over]
            if not left:
                return
        # The last endpoint failed with others of them, or took all the time, and was not asked.
        failed = f"endpoint {order[-1].index} had just failed for the transactions before this one"
        _stop_all(left, _passed(by) or f"not tried: {failed}")

    def visit(
        self,
        endpoint: Endpoint,
        submissions: Sequence[Submission],
        by: Deadline | None,
        describe: Describe,
        *,
        last: bool = False,
        starts_by: Deadline | None = None,
    ) -> bool:
        """Ask one endpoint for all of ``submissions``; return whether it failed before the end.

        They go in batches as large as it takes. What comes back is written into each as its own
        attempt. An endpoint that fails is not asked for the rest, unless it is the ``last`` that
        could take them and to ask again costs no second timeout.

        Raises:
            KeyboardInterrupt: a signal came; what it met is written down in the submissions.

        """
        queue, begun = deque(submissions), False
        while queue:
            if begun and _passed(by):
                return True
            begun = True
            size = self._batch_limits.get(endpoint.index, len(queue))
            chunk = [queue.popleft() for _ in range(min(size, len(queue)))]
            requests = [self._request_for(submission, endpoint) for submission in chunk]
            exchanged = self.requester.ask(endpoint, requests, by, starts_by=starts_by)
            again = self._write_down(exchanged, chunk, describe)
            if exchanged.interrupt is not None:
                raise exchanged.interrupt from None
            instead = any(s.attempts[-1].outcome == "unsupported" for s in again)
            if exchanged.failed and not instead and not (last and exchanged.failed_at_once):
                return True
            queue.extendleft(reversed(again))
        return False

    def in_order(self) -> tuple[Endpoint, ...]:
        """Return the endpoints in the order in which a call that begins now tries them."""
        first = self._preferred.index - 1
        if (
            self._failback_after is not None
            and time.monotonic() - self._failed_over_at >= self._failback_after
        ):
            first = 0
        return self.endpoints[first:] + self.endpoints[:first]

    def reading_order(self, method: str) -> tuple[Endpoint, ...]:
        """Return the endpoints in the order in which something is read by ``method``.

        Readers come first, and endpoints that are known to lack the method last.
        """
        every = dict.fromkeys((*self.readers, *self.in_order()))
        return tuple(sorted(every, key=lambda endpoint: (endpoint.index, method) in self._lacking))

    def _prefer(self, endpoint: Endpoint, *, first: bool, answered: Sequence[Submission]) -> None:
        """Have later calls begin at ``endpoint`` if it has answered ahead or in place of others.

        That another one lacks a method says nothing of its state, unless that is to send.
        """
        failed_over = not first and any(
            attempt.reason_code != "no_such_method" or attempt.method in SEND_METHODS
            for submission in answered
            for attempt in submission.attempts[:-1]
            if not attempt.endpoint.reads_only
        )
        if endpoint.reads_only or not (first or failed_over):
            return
        if failed_over or endpoint is not self._preferred:
            self._failed_over_at = time.monotonic()
            self._preferred = endpoint
            self.requester.notify(Preferred(endpoint))

    def notify_end(
        self, submission: Submission, end: Answer | Sent | CallError | Interrupted
    ) -> None:
        """Tell the observer that the call of ``submission`` has ended."""
        self.requester.notify(
            CallEnded(
                submission.call.method,
                succeeded=isinstance(end, Answer | Sent),
                endpoint=None if isinstance(end, Interrupted) else end.endpoint,
                attempts=end.attempts,
                elapsed=submission.elapsed,
                preferred=self.preferred,
            )
        )

    def _write_down(
        self, exchanged: Exchanged, chunk: Sequence[Submission], describe: Describe
    ) -> list[Submission]:
        """Give each of ``chunk`` its attempt; return those to be asked for again here.

        Calls that met the same share one attempt, which is emitted once.
        """
        endpoint = exchanged.endpoint
        shared: dict[tuple[str, str | None, AttemptOutcome], Attempt] = {}
        again: list[Submission] = []
        now = time.monotonic()
        for submission, judgement in zip(chunk, exchanged.judgements, strict=True):
            if judgement.reason_code == "no_such_method":
                judgement = self._note_lack(endpoint, submission, judgement)  # noqa: PLW2901
            outcome, judgement = describe(submission, judgement)  # noqa: PLW2901
            if judgement.row is _UNSUPPORTED:
                outcome = "unsupported"
            met = (judgement.row.name, judgement.reason, outcome)
            attempt = shared.get(met)
            if attempt is None or judgement.error is not None:
                attempt = exchanged.attempt(judgement, outcome, round=submission.round)
            shared.setdefault(met, attempt)
            submission.add(attempt, now)
            if judgement.row.kind == "again":
                again.append(submission)
            elif judgement.row.kind != "outage":
                submission.decide(judgement, endpoint)
        if again and again[0].attempts[-1].outcome != "unsupported":
            answered = len(chunk) - len(again)
            self._batch_limits[endpoint.index] = max(1, answered or len(chunk) // 2)
        # Last: an observer of a program's own may raise, and all is written down by then.
        for attempt in shared.values():
            self.requester.emit(attempt)
        return again

    def _request_for(self, submission: Submission, endpoint: Endpoint) -> Request:
        """Return what ``endpoint`` is sent for a submission."""
        lacks = (endpoint.index, submission.call.method) in self._lacking
        return submission.fallback if lacks and submission.fallback else submission.request

    def _note_lack(
        self, endpoint: Endpoint, submission: Submission, judgement: Judgement
    ) -> Judgement:
        """Note that ``endpoint`` does not have a method; return how the judgement reads then."""
        lack = (endpoint.index, submission.call.method)
        has_more = submission.fallback is not None and lack not in self._lacking
        self._lacking.add(lack)
        return replace(judgement, row=_UNSUPPORTED) if has_more else judgement


def end_of(submission: Submission) -> Answer | CallError:
    """Return how a call ended that is over."""
    decided, endpoint = submission.decided, submission.answered_by
    method, attempts = submission.call.method, tuple(submission.attempts)
    if decided is None or endpoint is None:
        tried = submission.attempts_of_round
        missing = [a for a in tried if a.reason_code == "no_such_method"]
        answered = [a for a in tried if a.phase == "answer"]
        if missing and missing == answered and submission.call.expected is None:
            # No endpoint that was reached has the method: that is an answer, too.
            error, endpoint = missing[-1].error, missing[-1].endpoint
            return Rejected(method, attempts, submission.elapsed, error=error, endpoint=endpoint)
        failure = DeliveryUnknown if submission.may_be_delivered else Unreachable
        return failure(method, attempts, submission.elapsed, note=submission.note)
    if decided.error is None:
        return Answer(decided.result, endpoint, attempts, submission.elapsed)
    end = Rejected if trusts_verdict(submission.call, attempts[:-1]) else DeliveryUnknown
    return end(method, attempts, submission.elapsed, error=decided.error, endpoint=endpoint)


def _unless_lacked(submissions: Sequence[Submission]) -> list[Submission]:
    """Return those whose method some endpoint may have: one that failed otherwise."""
    return [s for s in submissions if any(map(_says_more, s.attempts_of_round))]


def _says_more(attempt: Attempt) -> bool:
    return attempt.reason_code != "no_such_method"


def _may_go_again(submission: Submission, *, retry_unsafe: bool) -> bool:
    """Tell whether no endpoint decided it, and the same bytes may be sent once more."""
    if submission.decided is not None:
        return False
    safe = retry_unsafe or is_idempotent(submission.call.method)
    return safe or not submission.may_be_delivered


def _move_on_or_stop(
    submission: Submission,
    judgement: Judgement,
    *,
    rest: tuple[Endpoint, ...],
    passed: Callable[[], str | None],
    retry_unsafe: bool,
) -> tuple[AttemptOutcome, Judgement]:
    """Say what an attempt is called, and stop a submission for which no other endpoint follows."""
    if judgement.row.kind != "outage":
        return OUTCOMES[judgement.row.kind], judgement
    note = _why_not_on(judgement, submission.call, rest, passed(), retry_unsafe=retry_unsafe)
    if rest and note is None:
        return "failover", judgement
    submission.stop(note)
    return "outage", judgement


def _why_not_on(
    judgement: Judgement,
    call: Call,
    rest: tuple[Endpoint, ...],
    passed: str | None,
    *,
    retry_unsafe: bool,
) -> str | None:
    """Return why the endpoints ``rest`` must not be tried after an outage, or None if they may."""
    if not rest:
        return None
    if passed:
        return _not_tried(passed, rest)
    if not may_move_on(judgement.row, call, retry_unsafe=retry_unsafe):
        return _not_tried(f"a second {call.method} could do it twice", rest)
    return None


def _passed(by: Deadline | None) -> str | None:
    return f"{by.name} passed" if by is not None and by.remaining <= 0 else None


def _not_tried(why: str, rest: tuple[Endpoint, ...]) -> str:
    which = ", ".join(str(endpoint.index) for endpoint in rest)
    return f"{why}; endpoint{'s' if len(rest) > 1 else ''} {which} not tried"


def _stop_all(submissions: Sequence[Submission], note: str) -> None:
    for submission in submissions:
        submission.stop(note)
