"""What was found out about the endpoints, as frozen records. Pure."""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from seqsend.models import Endpoint, Phase, TakesTransactions

Status = Literal["ok", "degraded", "unreachable"]
"""``ok`` all usable and agreeing; ``degraded`` some are usable, some not, or they disagree;
``unreachable`` none is usable."""


@dataclass(frozen=True, slots=True)
class Samples:
    """How long an endpoint took to answer, several times over; in seconds."""

    answers: tuple[float, ...]
    """In the order they came, at least one."""
    lost: int = 0
    """How many got no answer."""

    @property
    def median(self) -> float:
        """The middle one, or the mean of the two."""
        return statistics.median(self.answers)

    @property
    def p95(self) -> float:
        """The one that 95 % do not exceed (nearest rank)."""
        return sorted(self.answers)[math.ceil(0.95 * len(self.answers)) - 1]


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """What was found out about one endpoint."""

    endpoint: Endpoint
    usable: bool = False
    """Whether a transaction may be sent there."""
    phase: Phase | None = None
    """How far it came, where something is wrong."""
    reason: str | None = None
    """What is wrong, in one line fit to be shown; None when nothing is."""
    hint: str | None = None
    """What to do next. Also where nothing is wrong but something is worth a look."""
    timings: Mapping[Phase, float] = field(default_factory=dict)
    """Seconds that each phase of the first question took, on a fresh connection."""
    chain_id: int | None = None
    block_number: int | None = None
    head_age: float | None = None
    """Seconds since the head block's timestamp, by this machine's clock."""
    client_version: str | None = None
    takes_transactions: TakesTransactions | None = None
    """None where that could not be asked."""
    tls_expires: float | None = None
    """When its certificate expires, in seconds since 1970."""
    samples: Samples | None = None
    """Where more than one was asked for."""

    @property
    def answer(self) -> float | None:
        """Seconds from the first byte of the first question to the last of its answer."""
        if "answer" not in self.timings:
            return None
        return self.timings.get("send", 0.0) + self.timings["answer"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found out about all endpoints, in their order."""

    endpoints: tuple[EndpointReport, ...]
    elapsed: float
    """Seconds."""

    @property
    def status(self) -> Status:
        """All of it in one word."""
        if not any(report.usable for report in self.endpoints):
            return "unreachable"
        return "ok" if all(report.reason is None for report in self.endpoints) else "degraded"

    @property
    def chain_ids(self) -> tuple[int, ...]:
        """Every chain id that was answered, in ascending order."""
        return tuple(sorted({r.chain_id for r in self.endpoints if r.chain_id is not None}))

    @property
    def max_lag(self) -> int | None:
        """Blocks between the highest and the lowest head among the endpoints of one chain."""
        spans = [
            max(heads) - min(heads) for heads in heads_by_chain(self.endpoints).values() if heads
        ]
        return max(spans, default=None)


def heads_by_chain(reports: Iterable[EndpointReport]) -> dict[int, list[int]]:
    """Return the block numbers of the heads that were answered, for each chain id."""
    found: dict[int, list[int]] = {}
    for report in reports:
        if report.chain_id is not None and report.block_number is not None:
            found.setdefault(report.chain_id, []).append(report.block_number)
    return found
