"""The one loop: submissions over a list of endpoints, starting at the preferred one.

Modelled on op-reth's sequencer client: start at the preferred endpoint, go on cyclically, each
endpoint once a round, always with the same bytes. A single call is a list of one; a JSON-RPC batch
is one way to carry several.
"""

from collections.abc import Callable, Sequence
from functools import partial

from seqsend import waiting
from seqsend.errors import CallError, Interrupted
from seqsend.failover.ends import (
    end_of,
    may_go_again,
    may_hedge,
    move_on_or_stop,
    not_tried,
    open_unless_lacked,
    stop_all,
    time_is_up,
)
from seqsend.failover.order import Order
from seqsend.failover.requester import Requester
from seqsend.failover.rounds import Rounds
from seqsend.failover.submission import Submission
from seqsend.failover.visits import Describe, Visits
from seqsend.jsonrpc import Call
from seqsend.models import (
    Answer,
    CallEnded,
    Endpoint,
    Preference,
    Sent,
)
from seqsend.transports.base import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.failover.hedging import Race
    from seqsend.failover.roles import Roles  # few calls have them

Settle = Callable[[Sequence[Submission]], Sequence[Submission]]
"""Called after each round with the submissions that were in it; returns those still open."""


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
        hedge_after: float | None = None,
        begin_at: Preference | None = None,
        roles: "Roles | None" = None,
    ) -> None:
        """``readers`` are asked before the others when something is only looked up.

        ``failback_after``: seconds until calls begin at the first endpoint again; None for never.
        ``retry_for``: seconds for which a call that no endpoint took is tried again, in rounds;
        None for one round. ``hedge_after``: seconds for which an endpoint is asked alone; None for
        as long as it takes. ``begin_at`` is the preference of an earlier run. ``roles`` know the
        active sequencer, at which calls begin, whatever else is preferred.
        """
        self.endpoints = endpoints
        self.readers = readers
        self.requester = requester
        self.retry_for = retry_for
        self._hedge_after = hedge_after
        self.visits = Visits(requester, roles)
        """What carries submissions to one endpoint."""
        self._order = Order(
            endpoints,
            requester.notify,
            failback_after=failback_after,
            begin_at=begin_at,
            roles=roles,
        )

    @property
    def preferred(self) -> Endpoint:
        """The endpoint that the next call tries first."""
        return self._order.now()[0]

    def call(self, call: Call, *, retry_unsafe: bool = False) -> Answer:
        """Ask the endpoints in turn until one answers.

        ``retry_unsafe`` lets a method that is not idempotent go on after an attempt that may have
        been delivered.

        Raises:
            CallError: as `end_of` returns it.
            Interrupted: a signal came; the exception holds the attempts made so far.
            UsageError: the call cannot be encoded; nothing was sent.

        """
        submission = self.submission(call)
        try:
            by = self.requester.start_deadline()
            self.run_rounds([submission], by, open_unless_lacked, retry_unsafe=retry_unsafe)
            end: Answer | CallError | Interrupted = end_of(submission)
        except KeyboardInterrupt:
            end = Interrupted(*submission.attempts)
        self.notify_end(submission, end)
        if isinstance(end, Answer):
            return end
        raise end

    def read(self, call: Call, by: Deadline | None = None) -> Answer:
        """Make a read-only call of the program itself, at the readers first.

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
        """Return ``call`` ready to be sent; its first attempt belongs to ``round``.

        An endpoint that lacks its method is sent ``fallback`` instead.

        Raises:
            UsageError: a call cannot be encoded.

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
        """Run ``submissions``; as long as there is time for retries, run open ones again.

        A submission is open if no endpoint has decided it, if it may be sent again, and if
        ``settle`` returns it. The rest is as for `run`.

        Raises:
            KeyboardInterrupt: a signal came; the submissions record what it interrupted.

        """
        rounds = Rounds(self.retry_for, by)
        order, going = self._order.for_a_call(by), list(submissions)
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
            for submission in going:  # before the pause: a signal in it must find them undecided
                submission.reopen()
            waiting.sleep(coming.pause)
            in_order = self._order.for_a_call(by, rounds.starts_by)
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
        been delivered. ``order`` is the order in which they are asked, by default that of
        `Order.for_a_call`. After an outage the active sequencer is next, if it is known and was not
        yet asked. ``starts_by`` is the deadline for starting an attempt and for its dial.

        Raises:
            KeyboardInterrupt: a signal came; the submissions record what it interrupted.

        """
        order = order or self._order.for_a_call(by, starts_by)
        race = self._race(submissions, order, by, starts_by)
        if race is not None:
            race.run()
            self._prefer_answering(submissions, order)
            return
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
                self._order.prefer(endpoint, first=position == 0, answered=answered)
            left = [submission for submission in left if not submission.over]
            if not left:
                return
            order = order[: position + 1] + self._order.after_outage(rest, by, starts_by)
        # The last endpoint took all the time or failed on others, and was not asked for these.
        failed = f"endpoint {order[-1].index} had just failed for the transactions before this one"
        stop_all(left, time_is_up(by) or f"not tried: {failed}")

    def _race(
        self,
        submissions: Sequence[Submission],
        order: tuple[Endpoint, ...],
        by: Deadline | None,
        starts_by: Deadline | None,
    ) -> "Race | None":
        """Return a race that asks several endpoints at once; None if that is not allowed."""
        after = self._hedge_after
        if after is None or not may_hedge(order, submissions):
            return None
        from seqsend.failover.hedging import Race  # few runs need it

        try:
            return Race(self, submissions, after, order=order, by=by, starts_by=starts_by)
        except OSError:
            return None  # this machine has no descriptors left: one endpoint at a time

    def _prefer_answering(
        self, submissions: Sequence[Submission], order: tuple[Endpoint, ...]
    ) -> None:
        for endpoint in order:
            answered = [s for s in submissions if s.answered_by is endpoint]
            if answered:
                self._order.prefer(endpoint, first=endpoint is order[0], answered=answered)

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

        The rest is as for `Visits.steps`.

        Raises:
            KeyboardInterrupt: a signal came; the submissions record what it interrupted.

        """
        steps = self.visits.steps(endpoint, submissions, by, describe, last=last)
        try:
            requests = next(steps)
            while True:
                exchanged = self.requester.ask(endpoint, requests, by, starts_by=starts_by)
                requests = steps.send(exchanged)
        except StopIteration as end:
            return bool(end.value)

    def reading_order(self, method: str) -> tuple[Endpoint, ...]:
        """Return the endpoints in the order in which to ask them for a read by ``method``.

        Readers come first, and endpoints known to lack the method come last.
        """
        every = dict.fromkeys((*self.readers, *self._order.now()))
        return tuple(sorted(every, key=lambda endpoint: self.visits.lacks(endpoint, method)))

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
