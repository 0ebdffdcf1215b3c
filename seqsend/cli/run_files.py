"""The files kept between runs, if the options ask for them; an error with one stops nothing."""

import time
from collections.abc import Iterator

from seqsend.cli.options import Settings
from seqsend.errors import PersistenceError
from seqsend.models import Event, Preference
from seqsend.redaction import redact_value
from seqsend.render.streams import write_stderr

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Imported where they are asked for.
    from seqsend.diagnosis.report import Diagnosis
    from seqsend.persistence.metrics import Metrics
    from seqsend.persistence.state import State

_WORDS = {"State": ("--state-file", "remembered"), "Metrics": ("--metrics-file", "counted")}
_PATIENCE = 5.0  # seconds to wait for other runs, at the end of this one
_IN_PASSING = 0.1  # seconds, between transactions
_EVERY = 5.0  # seconds; a collector reads the file every 15 s


class RunFiles:
    """Passes events on to the files that are kept; an observer of the client."""

    _state: "State | None" = None
    _metrics: "Metrics | None" = None

    def __init__(self, settings: Settings, *, quiet: bool) -> None:
        """Read what an earlier run left."""
        self._quiet = quiet
        self._warned: list[str] = []
        self._saved_at = self._began_at = time.monotonic()
        self._deadline = settings.connection["deadline"]
        self.begin_at: Preference | None = None
        """Where an earlier run left off."""
        if settings.metrics_file is not None:
            from seqsend.persistence.metrics import Metrics

            self._metrics = Metrics(settings.metrics_file)
        if settings.state_file is not None:
            from seqsend.persistence.state import State

            state = State(settings.state_file, settings.connection["endpoints"])
            try:
                self.begin_at = state.recall()
            except PersistenceError as why:
                self._warn(state, why)
            else:
                self._state = state

    def __call__(self, event: Event) -> None:
        """Note ``event``."""
        for kept in self._kept():
            kept(event)

    def report_preferred(self) -> None:
        """Report which endpoint is remembered."""
        if self.begin_at is not None and not self._quiet:
            from seqsend.units import format_age

            since = format_age(self.begin_at.age)
            write_stderr(
                f"endpoint {self.begin_at.index} is the preferred one, since {since}", "note"
            )

    def keep(self, diagnosis: "Diagnosis") -> None:
        """Note what `check` has found, and write it."""
        if self._metrics is not None:
            self._metrics.note(diagnosis)
        self.save()

    def save_in_passing(self) -> None:
        """Write everything every few seconds, so that a long run can be watched."""
        if time.monotonic() - self._saved_at >= _EVERY:
            self._save(_IN_PASSING, quiet=True)  # the next time will do

    def save(self) -> None:
        """Write everything."""
        self._save(_PATIENCE, quiet=self._quiet)

    def _patience(self, longest: float) -> float:
        """Return how many seconds to wait for other runs; the deadline limits that, too."""
        if self._deadline is None:
            return longest
        left = self._began_at + self._deadline - time.monotonic()
        return min(longest, max(_IN_PASSING, left))

    def _kept(self) -> "Iterator[State | Metrics]":
        yield from (kept for kept in (self._state, self._metrics) if kept is not None)

    def _save(self, longest: float, *, quiet: bool) -> None:
        for kept in self._kept():
            try:
                kept.save(patience=self._patience(longest))
            except PersistenceError as why:
                if not quiet:
                    self._warn(kept, why)
            except KeyboardInterrupt:
                self._warn(kept, PersistenceError("interrupted by Ctrl-C", left=False))
            except Exception as error:  # noqa: BLE001 - transactions may still have to be sent
                self._warn(
                    kept,
                    PersistenceError(f"a defect of seqsend, {type(error).__name__}", left=False),
                )
        self._saved_at = time.monotonic()

    def _warn(self, kept: "State | Metrics", why: PersistenceError) -> None:
        option, lost = _WORDS[type(kept).__name__]
        mend = "until it is repaired or removed" if why.left else "this time"
        said = f"{redact_value(kept.path)}: {why}; nothing is {lost} there {mend}"
        if not self._quiet and said not in self._warned:  # `check --watch` writes often
            self._warned.append(said)
            write_stderr(f"warning: {option} {said}", "trouble")
