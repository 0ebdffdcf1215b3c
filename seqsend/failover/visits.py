"""A visit to one endpoint: what it is sent, and the outcome, recorded in each submission."""

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence

from seqsend.failover.ends import time_is_up
from seqsend.failover.requester import Exchanged, Request, Requester
from seqsend.failover.submission import Submission
from seqsend.models import Attempt, AttemptOutcome, Endpoint
from seqsend.transports.base import Deadline
from seqsend.verdicts.failure_table import Judgement, Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.failover.roles import Roles  # few calls have them

Describe = Callable[[Submission, Judgement], tuple[AttemptOutcome, Judgement]]
"""Returns the outcome of an attempt that ended with a judgement, and the judgement to record."""

Steps = Generator[Sequence[Request], Exchanged, bool]
"""One visit: yields the requests to send, and is sent their outcome; see `Visits.steps`."""

# The same endpoint is asked again, by another method.
_UNSUPPORTED = Row("method not there", "again", "no")


class Visits:
    """Visits endpoints, and remembers what each has said about itself.

    Safe to share between threads.
    """

    def __init__(self, requester: Requester, roles: "Roles | None" = None) -> None:
        self._requester = requester
        self._roles = roles
        self._lacking: set[tuple[int, str]] = set()
        """Pairs of an endpoint's index and a method that it has said it lacks."""
        self._batch_limits: dict[int, int] = {}
        """Endpoint's index → how many calls it takes at once, if it has refused more."""

    def lacks(self, endpoint: Endpoint, method: str) -> bool:
        """Return whether ``endpoint`` has said that it does not have ``method``."""
        return (endpoint.index, method) in self._lacking

    def steps(
        self,
        endpoint: Endpoint,
        submissions: Sequence[Submission],
        by: Deadline | None,
        describe: Describe,
        *,
        last: bool = False,
    ) -> Steps:
        """Visit one endpoint with all of ``submissions``; the caller does the asking.

        Yields the requests to send next, and must be sent their outcome. They go in batches as
        large as the endpoint takes. The outcome is recorded in each submission as an attempt. An
        endpoint that fails is not asked for the rest, unless it is the ``last`` that could take
        them and asking again costs no second timeout. Returns whether it failed before the end.

        Raises:
            KeyboardInterrupt: a signal ended the last request.

        """
        queue, begun = deque(submissions), False
        while queue:
            if begun and time_is_up(by):
                return True
            begun = True
            size = self._batch_limits.get(endpoint.index, len(queue))
            chunk = [queue.popleft() for _ in range(min(size, len(queue)))]
            # Another endpoint, asked at the same time, may have answered some of them.
            chunk = [submission for submission in chunk if not submission.over]
            if not chunk:
                continue
            requests = [self._request_for(submission, endpoint) for submission in chunk]
            exchanged = yield requests
            again, instead = self._record(exchanged, chunk, describe)
            if exchanged.interrupt is not None:
                raise exchanged.interrupt from None
            if exchanged.failed and not instead and not (last and exchanged.failed_at_once):
                return True
            queue.extendleft(reversed(again))
        return False

    def _record(
        self, exchanged: Exchanged, chunk: Sequence[Submission], describe: Describe
    ) -> tuple[list[Submission], bool]:
        """Record an attempt in each of ``chunk``; return those to ask this endpoint for again.

        The second value says whether that is by another method. Calls with the same outcome share
        one attempt, which is emitted once.
        """
        endpoint = exchanged.endpoint
        shared: dict[tuple[str, str | None, AttemptOutcome], Attempt] = {}
        again: list[Submission] = []
        instead = False
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
                outcome, instead = "unsupported", True
            met = (judgement.row.name, judgement.reason, outcome)
            attempt = shared.get(met)
            if attempt is None or judgement.error is not None:
                attempt = exchanged.attempt(judgement, outcome, round=submission.round, role=role)
            shared.setdefault(met, attempt)
            submission.add(attempt, now, exchanged.exchange.started)
            if judgement.row.kind == "again":
                again.append(submission)
            elif judgement.row.kind != "outage":
                submission.decide(judgement, endpoint)
        if again and not instead:
            answered = len(chunk) - len(again)
            self._batch_limits[endpoint.index] = max(1, answered or len(chunk) // 2)
        # Last: a program's own observer may raise, and everything is recorded by then.
        for attempt in shared.values():
            self._requester.emit(attempt)
        return again, instead

    def _request_for(self, submission: Submission, endpoint: Endpoint) -> Request:
        """Return what ``endpoint`` is sent for a submission."""
        lacks = self.lacks(endpoint, submission.call.method)
        return submission.fallback if lacks and submission.fallback else submission.request

    def _note_lack(
        self, endpoint: Endpoint, submission: Submission, judgement: Judgement
    ) -> Judgement:
        """Note that ``endpoint`` lacks a method; return the judgement to record."""
        lack = (endpoint.index, submission.call.method)
        has_more = submission.fallback is not None and lack not in self._lacking
        self._lacking.add(lack)
        return judgement._replace(row=_UNSUPPORTED) if has_more else judgement
