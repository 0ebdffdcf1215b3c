"""Diagnoses in other threads, so that the main thread can show their progress."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from seqsend import threads
from seqsend.diagnosis.report import Diagnosis, EndpointReport
from seqsend.models import Attempt, Event
from seqsend.render.progress import Progress

TICK = 0.1
"""Seconds between two updates of the progress that is shown."""
_MOST_THREADS = 256  # one for each endpoint; each holds a connection
_MEASURED = "eth_chainId"


class Look(NamedTuple):
    """A diagnosis that has ended."""

    diagnosis: Diagnosis
    progress: Progress
    """That of the same diagnosis."""


_Found = Event | EndpointReport | Diagnosis | BaseException


class Looks:
    """Begins diagnoses and hands over what they find; a context manager of the main thread.

    Several may be under way at once. At its end, those still under way are abandoned.
    """

    def __init__(
        self,
        diagnose: Callable[..., Diagnosis],
        *,
        total: int,
        answers: int = 0,
        limit: float,
        observe: Callable[[Attempt], None],
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            diagnose: `seqsend.check` with all its arguments but the observers and the deadline.
            total: how many endpoints it asks.
            answers: how many answers it times in all; 0 if it times none.
            limit: how long it may take, in seconds.
            observe: is called with each attempt, in the main thread.

        """
        self._diagnose = diagnose
        self._total = total
        self._limit = limit
        self._observe = observe
        self._answers = answers
        self.most_at_once = max(2, _MOST_THREADS // total)
        """How many may be under way together."""
        self._found: threads.Mailbox[tuple[Progress, _Found]] = threads.Mailbox()

    def begin(self, **bounds: Any) -> Progress:
        """Begin a diagnosis, and return its progress, which `take` keeps up to date."""
        progress = Progress(self._total, self._limit, self._answers)

        def put(found: _Found) -> None:
            self._found.put((progress, found))

        def run() -> None:
            try:
                put(self._diagnose(**bounds, observer=put, on_report=put))
            except BaseException as error:  # noqa: BLE001 - raised again, in the main thread
                put(error)

        threads.start_or_run(run, "seqsend-look")
        return progress

    def take(self, seconds: float) -> Look | None:
        """Return the next diagnosis that ends; None if none does within ``seconds``.

        Raises:
            UsageError: an argument is wrong.
            SignalReceived: a signal came.

        """
        until = time.monotonic() + seconds
        while True:
            try:
                progress, found = self._found.take(max(0.0, until - time.monotonic()))
            except TimeoutError:
                return None
            if isinstance(found, BaseException):
                raise found
            if isinstance(found, Diagnosis):
                return Look(found, progress)
            if isinstance(found, EndpointReport):
                progress.reports[found.endpoint.index] = found
            elif isinstance(found, Attempt):
                progress.measured += found.method == _MEASURED
                self._observe(found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._found.close()
