"""The order in which endpoints are asked, and which of them calls begin at."""

import time
from collections.abc import Callable, Sequence

from seqsend.failover.submission import Submission
from seqsend.models import Endpoint, Preference, Preferred
from seqsend.transports.base import Deadline
from seqsend.verdicts.methods import SEND_METHODS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.failover.roles import Roles  # few calls have them


class Order:
    """Knows the preferred endpoint and, if it can be asked, the active one.

    Safe to share between threads.
    """

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...],
        notify: Callable[[Preferred], None],
        *,
        failback_after: float | None = None,
        begin_at: Preference | None = None,
        roles: "Roles | None" = None,
    ) -> None:
        """``failback_after``: seconds until calls begin at the first endpoint again, or None.

        ``begin_at`` is the preference of an earlier run. ``notify`` is called when another endpoint
        becomes the preferred one. ``roles`` know the active sequencer, at which calls begin,
        whatever else is preferred.
        """
        self._endpoints = endpoints
        self._notify = notify
        self._failback_after = failback_after
        self._roles = roles
        began = begin_at or Preference(1, age=0.0)
        # Threads write these without a lock: each writes an endpoint that has just answered, so
        # whichever writes last is right.
        self._preferred = endpoints[began.index - 1]
        self._failed_over_at = time.monotonic() - began.age

    def for_a_call(self, *bounds: Deadline | None) -> tuple[Endpoint, ...]:
        """Return the order for a call that begins now; ask for the roles first, if that is due.

        Asking ends before each of ``bounds``.

        Raises:
            KeyboardInterrupt: a signal came.

        """
        if self._roles is not None:
            self._roles.refresh(*bounds)
        return self.now()

    def now(self) -> tuple[Endpoint, ...]:
        """Return the endpoints in the order in which a call tries them, by what is known now."""
        first = self._preferred.index - 1
        if (
            self._failback_after is not None
            and time.monotonic() - self._failed_over_at >= self._failback_after
        ):
            first = 0
        order = self._endpoints[first:] + self._endpoints[:first]
        return order if self._roles is None else self._roles.active_first(order)

    def after_outage(
        self, rest: tuple[Endpoint, ...], *bounds: Deadline | None
    ) -> tuple[Endpoint, ...]:
        """Return ``rest``, the endpoints that are left, with the active one first, if it is known.

        Raises:
            KeyboardInterrupt: a signal came.

        """
        return self._roles.after_outage(rest, *bounds) if rest and self._roles else rest

    def prefer(self, endpoint: Endpoint, *, first: bool, answered: Sequence[Submission]) -> None:
        """Let later calls begin at ``endpoint`` if it was asked first, or others failed before it.

        ``answered`` are the submissions that it answered. An endpoint that lacks a method has not
        failed, unless the method sends transactions.
        """
        failed_over = not first and any(
            attempt.reason_code != "no_such_method" or attempt.method in SEND_METHODS
            for submission in answered
            for attempt in submission.attempts
            if attempt.endpoint is not endpoint and not attempt.endpoint.reads_only
        )
        if endpoint.reads_only or not (first or failed_over):
            return
        if failed_over or endpoint is not self._preferred:
            self._failed_over_at = time.monotonic()
            self._preferred = endpoint
            self._notify(Preferred(endpoint))
