"""What was found out about the endpoints, as frozen records. Pure."""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from seqsend.models import Endpoint, FindingCode, Phase, ReasonCode, Role, TakesTransactions

Status = Literal["ok", "degraded", "unreachable"]
"""``ok``: all are usable and agree. ``degraded``: some are not usable, they disagree, or a head is
old. ``unreachable``: not one is usable."""

Verdict = Literal["usable", "STALE", "DIFFERS", "STANDBY", "NOT USABLE"]
"""An endpoint's state in one word. ``STALE``: its chain, or its safe head, stands still.
``DIFFERS``: it differs from the others. ``STANDBY``: another sequencer is active, which is not a
fault."""


@dataclass(frozen=True, slots=True)
class Samples:
    """How long an endpoint took to answer, measured several times, in seconds."""

    answers: tuple[float, ...]
    """In order of arrival, at least one."""
    lost: int = 0
    """How many questions got no answer."""

    @property
    def median(self) -> float:
        """The middle one, or the mean of the two."""
        return statistics.median(self.answers)

    @property
    def p95(self) -> float:
        """The one that 95 % do not exceed (nearest rank)."""
        return sorted(self.answers)[math.ceil(0.95 * len(self.answers)) - 1]


@dataclass(frozen=True, slots=True)
class Head:
    """A block that a tag names: the latest, the safe or the finalized one."""

    number: int
    timestamp: int | None = None
    """In seconds since 1970."""
    age: float | None = None
    """Seconds since its timestamp by this machine's clock; below 0 if that is still to come."""


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """What was found out about one endpoint."""

    endpoint: Endpoint
    verdict: Verdict = "NOT USABLE"
    phase: Phase | None = None
    """How far it came, if something is wrong."""
    reason: str | None = None
    """What is wrong, in one line that may be shown; None if nothing is."""
    reason_code: ReasonCode | FindingCode | None = None
    """The same as a word of a closed list."""
    hint: str | None = None
    """What to do next; also set if nothing is wrong but something is worth a look."""
    timings: Mapping[Phase, float] = field(default_factory=dict)
    """Seconds that each phase of the first question took, on a fresh connection."""
    chain_id: int | None = None
    head: Head | None = None
    """The latest block; None if it is not known, like the next two."""
    safe: Head | None = None
    finalized: Head | None = None
    client_version: str | None = None
    takes_transactions: TakesTransactions | None = None
    """None if that could not be asked."""
    forward: float | None = None
    """Seconds that a probe took to the sequencer and back; None if it was not sent or did not
    return."""
    role: Role | None = None
    """None if there is no op-node or op-conductor to ask."""
    role_reason: str | None = None
    """Why the role is ``unhealthy``, in one line that may be shown."""
    tls_expires: float | None = None
    """When its certificate expires, in seconds since 1970."""
    samples: Samples | None = None
    """Set if more than one was asked for."""

    @property
    def usable(self) -> bool:
        """Whether a transaction may be sent there."""
        return self.verdict != "NOT USABLE"

    @property
    def head_age(self) -> float | None:
        """Seconds since the timestamp of the latest block; below 0 if that is still to come."""
        return None if self.head is None else self.head.age

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
        """The whole diagnosis in one word."""
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
        if report.chain_id is not None and report.head is not None:
            found.setdefault(report.chain_id, []).append(report.head.number)
    return found
