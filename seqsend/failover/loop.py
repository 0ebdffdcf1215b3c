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
from seqsend.errors import CallError, Interrupted
from seqsend.failover.ends import (
    end_of,
    may_go_again,
    move_on_or_stop,
    not_tried,
    stop_all,
    time_is_up,
    unless_lacked,
)
from seqsend.failover.requester import Exchanged, Request, Requester
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
)
from seqsend.verdicts.node_errors import SEND_METHODS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.failover.roles import Roles  # few calls have them

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
        roles: "Roles | None" = None,
    ) -> None:
        """``failback_after`` is in seconds, None for never; ``begin_at`` is from an earlier run.

        ``retry_for`` is for how many seconds a call that no endpoint took is tried again, in
        rounds; None for one round.
        ``readers`` are asked before the others when something is only looked up.
        ``roles`` know the active sequencer: where calls begin, whatever else is preferred.
        """
        self.endpoints = endpoints
        self.readers = readers
        self.requester = requester
        self._roles = roles
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
            self.run_rounds([submission], by, unless_lacked, retry_unsafe=retry_unsafe)
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
        order, going = self.order_now(by), list(submissions)
        while True:
            self.run(
                going,
                by,
                retry_unsafe=retry_unsafe,
                order=order,
                starts_by=rounds.starts_by,
            )
            still_open = settle(going)
            going = [s for s in still_open if may_go_again(s, retry_unsafe=retry_unsafe)]
            attempts = [attempt for s in going for attempt in s.attempts_of_round]
            coming = rounds.plan(attempts, self.endpoints) if going else None
            if coming is None:
                return
            for submission in going:  # before the pause: a signal in it finds them not yet decided
                submission.reopen()
            waiting.sleep(coming.pause)
            in_order = self.order_now(by, rounds.starts_by)
            order = tuple(e for e in in_order if e.index not in coming.held_back)

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
        been delivered. ``order`` is that in which they are asked; by default that of `order_now`.
        After an outage it goes on at the active sequencer, if that is known and not yet asked.
        ``starts_by`` bounds when an attempt begins, and its dial.

        Raises:
            KeyboardInterrupt: a signal came; what it met is written down in the submissions.

        """
        order = order or self.order_now(by, starts_by)
        left = list(submissions)
        for position in range(len(order)):
            endpoint, too_late = order[position], time_is_up(by, starts_by)
            if position and too_late:
                stop_all(left, not_tried(too_late, order[position:]))
                return
            rest = order[position + 1 :]
            self.visit(
                endpoint,
                left,
                by,
                partial(
                    move_on_or_stop,
                    rest=rest,
                    too_late=partial(time_is_up, by, starts_by),
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
            if rest and self._roles is not None:
                order = order[: position + 1] + self._roles.after_outage(rest, by, starts_by)
        # The last endpoint failed with others of them, or took all the time, and was not asked.
        failed = f"endpoint {order[-1].index} had just failed for the transactions before this one"
        stop_all(left, time_is_up(by) or f"not tried: {failed}")

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
            if begun and time_is_up(by):
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

    def order_now(self, *bounds: Deadline | None) -> tuple[Endpoint, ...]:
        """Return the order for a call that begins now; ask for the roles first if need be.

        That ends by each of ``bounds``.

        Raises:
            KeyboardInterrupt: a signal came.

        """
        if self._roles is not None:
            self._roles.refresh(*bounds)
        return self.in_order()

    def in_order(self) -> tuple[Endpoint, ...]:
        """Return the endpoints in the order in which a call tries them, by what is known now."""
        first = self._preferred.index - 1
        if (
            self._failback_after is not None
            and time.monotonic() - self._failed_over_at >= self._failback_after
        ):
            first = 0
        order = self.endpoints[first:] + self.endpoints[:first]
        return order if self._roles is None else self._roles.active_first(order)

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
        role = None if self._roles is None else self._roles.of(endpoint)
        now = time.monotonic()
        for submission, judgement in zip(chunk, exchanged.judgements, strict=True):
            if self._roles is not None:
                self._roles.note(
                    endpoint, submission.call.method, judgement, now - exchanged.elapsed
                )
            if judgement.reason_code == "no_such_method":
                judgement = self._note_lack(endpoint, submission, judgement)  # noqa: PLW2901
            outcome, judgement = describe(submission, judgement)  # noqa: PLW2901
            if judgement.row is _UNSUPPORTED:
                outcome = "unsupported"
            met = (judgement.row.name, judgement.reason, outcome)
            attempt = shared.get(met)
            if attempt is None or judgement.error is not None:
                attempt = exchanged.attempt(judgement, outcome, round=submission.round, role=role)
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
