"""Which sequencer is active, according to the op-node or op-conductor of each endpoint.

These nodes are asked before the first call, after an outage, and at intervals while no sequencer is
active. The questions are neither attempts nor calls: an observer sees only `RolesAsked`, and no
metric counts them. Sources of the methods and their answers, all in ethereum-optimism/optimism:
``conductor_leader`` in op-conductor/rpc/api.go, ``admin_sequencerActive`` in op-node/node/api.go
(served with ``--rpc.enable-admin``), and an error in its place in op-conductor's
rpc/node_admin_proxy.go. op-service/dial/active_l2_provider.go looks for the active one in the same
way, one node after the other.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from functools import partial

from seqsend import threads
from seqsend.failover.requester import Requester, Timeouts
from seqsend.jsonrpc import Call
from seqsend.models import Endpoint, EndpointRole, Role, RolesAsked
from seqsend.transports.base import Deadline, Transport
from seqsend.verdicts.failure_table import Judgement
from seqsend.verdicts.methods import SEND_METHODS
from seqsend.verdicts.node_errors import excuse_for

METHODS = ("conductor_leader", "admin_sequencerActive")
"""The methods to ask by: the second is used if the node lacks the first."""

_GRACE = 0.5  # seconds for the others, once an active one has answered, or all that did last time
_LATE = 0.05  # seconds after the deadline in which a thread can still report what it waited for
_PAUSE = 1.0  # seconds until the next questions if there is no active sequencer, or a slow one

_log = logging.getLogger("seqsend")


class Roles:
    """Knows the roles of the endpoints; safe to share between threads.

    Asks at most once after an outage, however many threads run into it.
    """

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...],
        nodes: tuple[Endpoint, ...],
        transport: Transport,
        *,
        dial_timeout: float,
        secrets: frozenset[str] = frozenset(),
        notify: Callable[[RolesAsked], None] | None = None,
    ) -> None:
        """``nodes`` has the op-node or op-conductor of each of ``endpoints``, in the same order.

        ``dial_timeout`` is in seconds, for all questions of one time together. ``secrets`` are
        removed from what the nodes say. ``notify`` is called each time the nodes have been asked.
        """
        self._endpoints = endpoints
        self._nodes = nodes
        self._transport = transport
        self._dial_timeout = dial_timeout
        limits = Timeouts(dial=dial_timeout, request=dial_timeout)
        self._requester = Requester(transport, limits, secrets=secrets)
        self._notify = notify
        self._lock = threading.Lock()  # never held while anything is waited for
        self._waiting: list[threads.Mailbox[None]] | None = None
        """One for each thread that waits for questions under way; None if no questions are."""
        self._known: tuple[EndpointRole, ...] = ()
        self._known_since = 0.0
        self._is_current = False
        self._asks_again_at = math.inf
        self._pause = _PAUSE
        self._silent: frozenset[int] = frozenset()
        """The positions of the nodes that did not answer in time when they were last asked."""

    def of(self, endpoint: Endpoint) -> Role | None:
        """Return the role of ``endpoint``, or None if it is not known."""
        return next((each.role for each in self._known if each.endpoint is endpoint), None)

    def active_first(self, order: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        """Return ``order`` with the first active endpoint of the list first, then cyclically.

        ``order`` is unchanged if no active one is in it, or if there was an outage since the roles
        were asked.
        """
        active = [each.endpoint for each in self._known if each.role == "active"]
        first = next((endpoint for endpoint in active if endpoint in order), None)
        if first is None or not self._is_current:
            return order
        total = len(self._endpoints)
        return tuple(
            sorted(order, key=lambda e: (not e.reads_only, (e.index - first.index) % total))
        )

    def after_outage(
        self, rest: tuple[Endpoint, ...], *bounds: Deadline | None
    ) -> tuple[Endpoint, ...]:
        """Return ``rest``, the endpoints still to be asked, in their order after an outage.

        Raises:
            KeyboardInterrupt: a signal came.

        """
        self.refresh(*bounds)
        return self.active_first(rest)

    def note(self, endpoint: Endpoint, method: str, judgement: Judgement, began: float) -> None:
        """Note the ``judgement`` on an attempt by ``method`` at ``endpoint``.

        ``began`` is when it began, on the clock of `time.monotonic`. An outage does not count if
        the op-nodes answered after it began, or if they know that another sequencer is active. An
        attempt that was abandoned because another endpoint was faster may have met one that hangs:
        the roles are asked again, but not at once.
        """
        is_abandoned = judgement.reason_code == "abandoned"
        if endpoint.reads_only or not (is_abandoned or _is_outage(method, judgement)):
            return
        with self._lock:
            active = [each.endpoint for each in self._known if each.role == "active"]
            if began < self._known_since or (active and endpoint not in active):
                return
            if is_abandoned:
                again_at = self._known_since + self._pause
                self._asks_again_at = min(self._asks_again_at, again_at)
            else:
                self._is_current = False

    @property
    def _is_due(self) -> bool:
        """Whether to ask for the roles before a call: after an outage, or after a pause."""
        return not self._is_current or time.monotonic() >= self._asks_again_at

    def refresh(self, *bounds: Deadline | None) -> None:
        """Ask for the roles if that is due; if another thread is asking, wait for it.

        It takes at most the dial timeout, and at most half of the time left to each of ``bounds``:
        the other half is for the call.

        Raises:
            KeyboardInterrupt: a signal came.

        """
        if not self._is_due:
            return
        by = Deadline.after(self._dial_timeout, "dial timeout")
        for bound in filter(None, bounds):
            half = Deadline(time.monotonic() + bound.remaining / 2, f"half of {bound.name}")
            by = by.or_sooner(half)
        try:
            done = threads.Mailbox[None]()
        except OSError:  # no descriptors are left on this machine
            return
        with done:
            with self._lock:
                if not self._is_due:
                    return
                others = self._waiting
                if others is None:
                    self._waiting = []
                else:
                    others.append(done)
            if others is None:
                self._ask_for_all(by)
            else:
                self._wait(done, by)

    def _ask_for_all(self, by: Deadline) -> None:
        """Ask, and release the threads that wait for the answers."""
        try:
            asked = self.ask(by)
            with self._lock:
                self._known = asked.roles
                self._known_since = now = time.monotonic()
                # A hand-over may take seconds, in which calls succeed at a standby.
                self._pause = max(_PAUSE, 10 * asked.elapsed)
                self._asks_again_at = math.inf if asked.active else now + self._pause
                self._is_current = True
        finally:
            with self._lock:
                others, self._waiting = self._waiting, None
            for other in others or ():
                other.put(None)
        if self._notify is not None:
            self._notify(asked)

    def _wait(self, done: threads.Mailbox[None], by: Deadline) -> None:
        """Wait until the thread that asks has the answers, or has given up."""
        try:
            done.take(by.remaining)
        except TimeoutError:
            # After a fork, that thread is not in this process: the next call asks for itself.
            with self._lock:
                self._waiting = None

    def ask_all(self, seconds: float | None = None) -> RolesAsked:
        """Ask all nodes, wait for each of them, and return what they say without storing it.

        It ends after the dial timeout, or ``seconds`` if that is less.

        Raises:
            KeyboardInterrupt: a signal came.

        """
        by = Deadline.after(self._dial_timeout, "dial timeout")
        if seconds is not None:
            by = by.or_sooner(Deadline.after(seconds, "deadline"))
        return self.ask(by, patient=True)

    def ask(self, by: Deadline, *, patient: bool = False) -> RolesAsked:
        """Ask all nodes side by side, until ``by``, and return what they say.

        Once an active one has answered, or only nodes are left that did not answer in time the last
        time, those left get half a second more; with ``patient``, they get all of the time.

        Raises:
            KeyboardInterrupt: a signal came.

        """
        started = time.monotonic()
        unknown = f"no answer ({by.name})"
        try:
            with threads.Mailbox[threads.Delivery[EndpointRole]]() as answers:
                jobs = [partial(self._ask_one, at, by) for at in range(len(self._nodes))]
                threads.begin_all(jobs, answers, "seqsend-roles")
                found = self._take_all(answers, by, patient=patient)
        except OSError as error:  # no descriptors are left on this machine
            _log.warning("the roles cannot be asked: %s", error)
            found, unknown = {}, "not asked: too many open files on this machine"
        roles = tuple(
            found.get(position, EndpointRole(endpoint, "unhealthy", unknown))
            for position, endpoint in enumerate(self._endpoints)
        )
        return RolesAsked(roles, time.monotonic() - started)

    def _take_all(
        self,
        answers: threads.Mailbox[threads.Delivery[EndpointRole]],
        by: Deadline,
        *,
        patient: bool,
    ) -> dict[int, EndpointRole]:
        """Return position → role, for the nodes that answered in time."""
        found: dict[int, EndpointRole] = {}
        in_time: set[int] = set()
        everyone = frozenset(range(len(self._nodes)))
        until: Deadline | None = None
        while len(found) < len(everyone):
            is_known = any(each.role == "active" for each in found.values())
            is_enough = is_known or everyone - found.keys() <= self._silent
            if until is None and is_enough and not patient:
                until = Deadline.after(_GRACE, "grace").or_sooner(by)
            try:
                position, answer = answers.take((until or by).remaining + _LATE)
            except TimeoutError:
                break
            if isinstance(answer, BaseException):
                raise answer
            found[position] = answer
            if by.remaining > _LATE:
                in_time.add(position)
        self._silent = everyone - in_time
        return found

    def _ask_one(self, position: int, by: Deadline) -> EndpointRole:
        """Ask one node, in a thread of its own."""
        for method in METHODS:
            request = self._requester.prepare(Call(method, []))
            exchanged = self._requester.ask(self._nodes[position], [request], by)
            if exchanged.interrupt is not None:
                raise exchanged.interrupt
            (judgement,) = exchanged.judgements
            if judgement.reason_code != "no_such_method":
                break
        role, reason = judge_role(judgement)
        return EndpointRole(self._endpoints[position], role, reason)

    def close(self) -> None:
        """Close every connection that was kept alive."""
        self._transport.close()


def judge_role(judgement: Judgement) -> tuple[Role, str | None]:
    """Return the role that an answer to one of `METHODS` means; if ``unhealthy``, also why."""
    if judgement.row.kind == "result":
        if isinstance(judgement.result, bool):
            return ("active" if judgement.result else "standby"), None
        return "unhealthy", "the answer is neither true nor false"
    if judgement.reason_code == "not_leader":  # an op-conductor in front of an op-node
        return "standby", None
    if judgement.reason_code == "no_such_method":
        return "unhealthy", f"it has neither {' nor '.join(METHODS)} (op-node: --rpc.enable-admin)"
    return "unhealthy", judgement.reason


def _is_outage(method: str, judgement: Judgement) -> bool:
    """Return whether an endpoint's answer may mean that its role has changed."""
    if judgement.row.kind == "outage":
        return judgement.reason_code != "no_such_method" or method in SEND_METHODS
    # With strict errors this is a verdict; it says the same.
    excuse = None if judgement.error is None else excuse_for(judgement.error)
    return excuse is not None and excuse.reason_code == "not_leader"
