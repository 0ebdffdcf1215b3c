"""The progress of a diagnosis."""

import time
from dataclasses import dataclass, field

from seqsend.diagnosis.report import EndpointReport
from seqsend.render.changes import name_endpoints
from seqsend.units import format_duration

_SOON = 1.0  # seconds after which the screen shows what a diagnosis waits for


@dataclass(slots=True)
class Progress:
    """The progress of a diagnosis that is under way."""

    total: int
    """How many endpoints it asks."""
    limit: float
    """Seconds that it may take."""
    answers: int = 0
    """How many answers it times in all; 0 if it times none."""
    started: float = field(default_factory=time.monotonic)
    reports: dict[int, EndpointReport] = field(default_factory=dict)
    """The reports so far, by the endpoint's position."""
    measured: int = 0
    """How many answers it has timed so far."""

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.started

    @property
    def text(self) -> str | None:
        """What the diagnosis waits for; None if it has not taken long yet."""
        if self.answers:
            return f"measuring: {self.measured} of {self.answers} answers"
        missing = [index for index in range(1, self.total + 1) if index not in self.reports]
        if self.elapsed < _SOON or not missing:
            return None
        return _waiting_text(missing, self.elapsed, self.limit)


def _waiting_text(missing: list[int], elapsed: float, limit: float) -> str:
    until = f"{limit:.0f} s" if limit >= 1 else format_duration(limit)
    return f"waiting for {name_endpoints(missing)}, {elapsed:.0f} of {until}"
