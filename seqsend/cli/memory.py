"""What is kept between runs, where that is asked for; it never stops what is being done."""

import time

from seqsend.cli.options import Settings
from seqsend.diagnosis import Diagnosis
from seqsend.endpoints import parse_endpoints
from seqsend.errors import NotKept
from seqsend.events import Event, Preference
from seqsend.metrics import Metrics
from seqsend.render.diagnosis import format_age
from seqsend.render.streams import tell
from seqsend.state import State

_PATIENCE = 10.0  # seconds that other runs are waited for at the end of this one
_IN_PASSING = 0.1  # seconds, between transactions
_EVERY = 5.0  # seconds; a collector comes by every 15 s


class Memory:
    """Hands on what happens to the files that are kept; an observer of the client."""

    def __init__(self, settings: Settings, *, quiet: bool) -> None:
        """Read what an earlier run has left."""
        self._quiet = quiet
        self._saved_at = time.monotonic()
        self._files: dict[str, State | Metrics] = {}
        self._paths = {"--state-file": settings.state_file, "--metrics-file": settings.metrics_file}
        self.begin_at: Preference | None = None
        """Where an earlier run left off."""
        if settings.metrics_file is not None:
            self._files["--metrics-file"] = Metrics(settings.metrics_file)
        if settings.state_file is not None:
            endpoints = parse_endpoints(settings.connection["endpoints"])
            state = State(settings.state_file, endpoints)
            try:
                self.begin_at = state.recall()
            except NotKept as why:
                self._warn("--state-file", why)
            else:
                self._files["--state-file"] = state

    def __call__(self, event: Event) -> None:
        """Take note of ``event``."""
        for file in self._files.values():
            file(event)

    def found(self, diagnosis: Diagnosis) -> None:
        """Take note of what `check` has found, write it down, and say what is remembered."""
        if self.begin_at is not None and not self._quiet:
            since = format_age(self.begin_at.age)
            tell(f"endpoint {self.begin_at.index} is the preferred one, since {since}", "note")
        for file in self._files.values():
            if isinstance(file, Metrics):
                file.note(diagnosis)
        self._save(_PATIENCE)

    def save_in_passing(self) -> None:
        """Write everything down now and then, so that a long run is seen while it lasts."""
        if time.monotonic() - self._saved_at >= _EVERY:
            self._save(_IN_PASSING, quiet=True)  # the next time will do

    def save(self) -> None:
        """Write everything down."""
        self._save(_PATIENCE)

    def _save(self, patience: float, *, quiet: bool = False) -> None:
        for option, file in self._files.items():
            try:
                file.save(patience=patience)
            except NotKept as why:
                if not quiet:
                    self._warn(option, why)
            except KeyboardInterrupt:
                self._warn(option, NotKept("Ctrl-C came while it was being written"))
        self._saved_at = time.monotonic()

    def _warn(self, option: str, why: NotKept) -> None:
        if not self._quiet:
            lost = {"--state-file": "remembered", "--metrics-file": "counted"}[option]
            said = f"{why}; it was left as it is, and nothing is {lost} there"
            tell(f"warning: {option} {self._paths[option]}: {said}", "trouble")
