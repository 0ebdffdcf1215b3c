"""One endpoint is visited: what it is sent, and what came of that, written into each submission."""

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
"""What an attempt is called that ended with a judgement, and how the judgement reads then."""

Steps = Generator[Sequence[Request], Exchanged, bool]
"""One visit: yields what the endpoint is sent, is sent what came of that; see `Visits.steps`."""

# The endpoint is asked again, by another method.
_UNSUPPORTED = Row("method not there", "again", "no")


class Visits:
    """Visits endpoints, and remembers what each has said of itself.

    Safe to share between threads.
    """

    def __init__(self, requester: Requester, roles: "Roles | None" = None) -> None:
        self._requester = requester
        self._roles = roles
        self._lacking: set[tuple[int, str]] = set()
        """The methods that an endpoint, by its index, has said it does not have."""
        self._batch_limits: dict[int, int] = {}
        """How many calls an endpoint takes at once, by its index, once it has refused more."""

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
        """Visit one endpoint with all of ``submissions``, and leave the asking to the caller.

        Yields the requests that are to be sent next, and wants to be sent what came of them. They
        go in batches as large as the endpoint takes. What comes back is written into each as its
        own attempt. An endpoint that fails is not asked for the rest, unless it is the ``last``
        that could take them and to ask again costs no second timeout. Returns whether it failed
        before the end.

        Raises:
            KeyboardInterrupt: that was the end of what it was sent.

        """
        queue, begun = deque(submissions), False
        while queue:
            if begun and time_is_up(by):
                return True
            begun = True
            size = self._batch_limits.get(endpoint.index, len(queue))
            chunk = [queue.popleft() for _ in range(min(size, len(queue)))]
            # Another endpoint that is asked at the same time may have answered some of them.
            chunk = [submission for submission in chunk if not submission.over]
            if not chunk:
                continue
            requests = [self._request_for(submission, endpoint) for submission in chunk]
            exchanged = yield requests
            again, instead = self._write_down(exchanged, chunk, describe)
            if exchanged.interrupt is not None:
                raise exchanged.interrupt from None
            if exchanged.failed and not instead and not (last and exchanged.failed_at_once):
                return True
            queue.extendleft(reversed(again))
        return False

    def _write_down(
        self, exchanged: Exchanged, chunk: Sequence[Submission], describe: Describe
    ) -> tuple[list[Submission], bool]:
        """Give each of ``chunk`` its attempt; return those to be asked for again here.

        The second value says whether that is by another method. Calls that met the same share one
        attempt, which is emitted once.
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
        # Last: an observer of a program's own may raise, and all is written down by then.
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
        """Note that ``endpoint`` does not have a method; return how the judgement reads then."""
        lack = (endpoint.index, submission.call.method)
        has_more = submission.fallback is not None and lack not in self._lacking
        self._lacking.add(lack)
        return judgement._replace(row=_UNSUPPORTED) if has_more else judgement
