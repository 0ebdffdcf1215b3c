"""How far a diagnosis is that is under way."""

import time
from dataclasses import dataclass, field

from seqsend.diagnosis.report import EndpointReport
from seqsend.render.changes import name_endpoints
from seqsend.units import format_duration

_SOON = 1.0  # seconds after which is shown what is waited for


@dataclass(slots=True)
class Progress:
    """How far a diagnosis is that is under way."""

    total: int
    """Of the endpoints."""
    limit: float
    """Seconds that it may take."""
    answers: int = 0
    """How many times of an answer it measures in all, if it does."""
    started: float = field(default_factory=time.monotonic)
    reports: dict[int, EndpointReport] = field(default_factory=dict)
    """What was found out so far, by position."""
    measured: int = 0
    """How many times of an answer were measured."""

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.started

    @property
    def text(self) -> str | None:
        """What is waited for; None if it does not take long yet."""
        if self.answers:
            return f"measuring: {self.measured} of {self.answers} answers"
        missing = [index for index in range(1, self.total + 1) if index not in self.reports]
        if self.elapsed < _SOON or not missing:
            return None
        return _waiting_text(missing, self.elapsed, self.limit)


def _waiting_text(missing: list[int], elapsed: float, limit: float) -> str:
    until = f"{limit:.0f} s" if limit >= 1 else format_duration(limit)
    return f"waiting for {name_endpoints(missing)}, {elapsed:.0f} of {until}"
