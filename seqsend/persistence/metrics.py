"""Metrics in a file for node_exporter's textfile collector (examples/REFERENCE.md, "Metrics").

The counts of a run are added to those in the file, so that counters go on over runs. Metrics are
named and counted as in op-reth's sequencer client.
"""

import math
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from seqsend.arguments import check_arguments
from seqsend.errors import PersistenceError
from seqsend.models import Attempt, CallEnded, Event, WaitProgress
from seqsend.persistence import atomic_file
from seqsend.verdicts.methods import SEND_METHODS, SYNC
from seqsend.waiting import SignalReceived

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.diagnosis.report import Diagnosis  # for its type only

_MODE = 0o666  # before the umask: node_exporter runs as another user


@dataclass(frozen=True, slots=True)
class Family:
    """The declaration of one metric."""

    name: str
    """For a counter without ``_total``, as `prometheus_client` expects it."""
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    """For a histogram: their upper bounds, in seconds."""

    @property
    def shown(self) -> str:
        """The name to use in a query."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


_LATENCY = "seqsend_forward_latency_seconds"
_INCLUSION = "seqsend_inclusion_latency_seconds"
_BUCKETS = (
    *("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5"),
    *("1.0", "2.5", "5.0", "10.0", "30.0", "+Inf"),
)
# A flashblock comes every 0.2 s, and a block every 1 or 2 s; a block is safe after minutes, and
# final two epochs of 6.4 minutes later.
_INCLUSION_BUCKETS = (
    *("0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0"),
    *("60.0", "180.0", "600.0", "1200.0", "1800.0", "3600.0", "+Inf"),
)
_USABLE, _ANSWER, _BLOCK, _HEAD, _SAFE, _ACTIVE, _INFO = _OF_CHECK = tuple(
    f"seqsend_endpoint_{what}"
    for what in (
        "usable",
        "answer_seconds",
        "block_number",
        "head_timestamp_seconds",
        "safe_timestamp_seconds",
        "active",
        "info",
    )
)

FAMILIES = (
    Family(_USABLE, "gauge", "Whether check found the endpoint usable.", ("endpoint",)),
    Family(_ANSWER, "gauge", "How long the endpoint took to answer check.", ("endpoint",)),
    Family(_BLOCK, "gauge", "The endpoint's head block, as check found it.", ("endpoint",)),
    Family(_HEAD, "gauge", "When that block was made, in seconds since 1970.", ("endpoint",)),
    Family(_SAFE, "gauge", "When its safe block was made, in seconds since 1970.", ("endpoint",)),
    Family(_ACTIVE, "gauge", "Whether its sequencer is active; with --rollup-rpc.", ("endpoint",)),
    Family(
        _INFO,
        "gauge",
        "Always 1; the labels are the endpoint's redacted address and its client.",
        ("endpoint", "address", "client"),
    ),
    Family(
        "seqsend_attempts",
        "counter",
        "Requests to an endpoint, by how far they got and how they ended.",
        ("endpoint", "outcome", "phase"),
    ),
    Family(
        _LATENCY,
        "histogram",
        "From the first attempt until the sequencer took the transaction; sends only.",
        buckets=_BUCKETS,
    ),
    Family(
        _INCLUSION,
        "histogram",
        "From the first attempt until the level that was waited for; sends that wait.",
        ("level",),
        buckets=_INCLUSION_BUCKETS,
    ),
    Family("seqsend_preferred_endpoint", "gauge", "The endpoint that the next call tries first."),
    Family("seqsend_last_success_timestamp_seconds", "gauge", "When a call last succeeded."),
    Family("seqsend_failovers", "counter", "Calls answered by an endpoint other than the first."),
    Family("seqsend_failures", "counter", "Calls that failed, verdicts included."),
    Family("seqsend_successes", "counter", "Calls that succeeded."),
    Family("seqsend_calls", "counter", "Calls made and transactions submitted."),
)
_BY_NAME = {family.name: family for family in FAMILIES}
# Written as 0 from the first call on, so that each has a rate.
_OF_CALLS = ("seqsend_calls", "seqsend_successes", "seqsend_failures", "seqsend_failovers")
_END = "# End of seqsend's metrics: a file without this line is a part of one.\n"

_Samples = dict[tuple[str, tuple[str, ...]], float]
"""A sample's name and the values of its labels → its value."""


class Metrics:
    """Counts calls and attempts; an observer of the client. Safe to share between threads."""

    def __init__(self, path: str) -> None:
        """Nothing is read or written yet.

        Raises:
            UsageError: ``path`` is not a path.

        """
        check_arguments(path=path)
        self.path = path
        self._lock = threading.Lock()
        self._counted: _Samples = {}
        """To be added to the values in the file."""
        self._current: _Samples = {}
        """To replace the values in the file."""

    def __call__(self, event: Event) -> None:
        """Count ``event``."""
        with self._lock:
            if isinstance(event, Attempt):
                labels = (str(event.endpoint.index), event.outcome, event.phase)
                self._count("seqsend_attempts_total", labels)
            elif isinstance(event, CallEnded):
                self._count_call(event)
            elif isinstance(event, WaitProgress) and event.ended and event.is_reached:
                self._observe(_INCLUSION, event.elapsed, (event.wanted,))

    def note(self, diagnosis: "Diagnosis") -> None:
        """Note what `check` has found, in place of what it found before."""
        found: _Samples = {}
        for report in diagnosis.endpoints:
            index = str(report.endpoint.index)
            found[_INFO, (index, report.endpoint.redacted, report.client_version or "")] = 1
            head, safe, role = report.head, report.safe, report.role
            values: dict[str, float | None] = {
                _USABLE: report.usable,
                _ANSWER: report.answer,
                _BLOCK: None if head is None else head.number,
                _HEAD: None if head is None else head.timestamp,
                _SAFE: None if safe is None else safe.timestamp,
                _ACTIVE: None if role is None else role == "active",
            }
            found |= {(n, (index,)): float(v) for n, v in values.items() if v is not None}
        with self._lock:
            self._current = {k: v for k, v in self._current.items() if not _is_of_check(k)} | found

    def save(self, *, patience: float) -> None:
        """Add what was counted to the file; wait up to ``patience`` seconds for other runs.

        Raises:
            PersistenceError: the file cannot be understood or replaced; it is left as it is, and
                what was counted is kept for the next time.
            SignalReceived: a signal came while another run had the lock; kept likewise.

        """
        with self._lock:
            counted, current = self._counted, self._current
            if not counted and not current:
                return
            self._counted, self._current = {}, {}
        try:
            # Imported before the file is locked: it takes longer than all the rest.
            from prometheus_client import parser  # noqa: F401

            def change(text: str | None) -> str:
                return _format(_merged(_parse(text), counted, current))

            atomic_file.replace(self.path, change, mode=_MODE, patience=patience)
        except (PersistenceError, SignalReceived):
            with self._lock:
                self._counted = _added(counted, self._counted)
                self._current = current | self._current
            raise

    def _count(self, name: str, labels: tuple[str, ...] = (), by: float = 1) -> None:
        self._counted[name, labels] = self._counted.get((name, labels), 0) + by

    def _count_call(self, call: CallEnded) -> None:
        self._count("seqsend_calls_total")
        self._count("seqsend_successes_total" if call.succeeded else "seqsend_failures_total")
        self._current["seqsend_preferred_endpoint", ()] = call.preferred.index
        if call.failed_over:
            self._count("seqsend_failovers_total")
        if not call.succeeded:
            return
        self._current["seqsend_last_success_timestamp_seconds", ()] = round(time.time(), 3)
        # The answer to SYNC comes with the receipt, so its time is not that of forwarding.
        if call.method in SEND_METHODS and call.method != SYNC:
            self._observe(_LATENCY, call.elapsed)

    def _observe(self, name: str, seconds: float, labels: tuple[str, ...] = ()) -> None:
        """Count ``seconds`` in a histogram."""
        self._count(f"{name}_sum", labels, by=seconds)
        for bucket in _BY_NAME[name].buckets:
            self._count(f"{name}_bucket", (*labels, bucket), by=seconds <= float(bucket))


def _is_of_check(key: tuple[str, tuple[str, ...]]) -> bool:
    return key[0] in _OF_CHECK


def _added(one: Mapping[Any, float], other: Mapping[Any, float]) -> _Samples:
    return {key: one.get(key, 0) + other.get(key, 0) for key in [*one, *(other.keys() - one)]}


def _merged(old: _Samples, counted: _Samples, current: _Samples) -> _Samples:
    if any(map(_is_of_check, current)):
        old = {key: value for key, value in old.items() if not _is_of_check(key)}
    return _added(old, counted) | current


def _parse(text: str | None) -> _Samples:
    """Return the samples of a metrics file.

    Raises:
        PersistenceError: it is not one of ours, or incomplete.

    """
    from prometheus_client.parser import text_string_to_metric_families

    if text is None:
        return {}
    found: _Samples = {}
    try:
        families = list(text_string_to_metric_families(text))
    except Exception:  # noqa: BLE001 - the parser raises many types of errors
        raise PersistenceError(
            "it is not in Prometheus' text format, or only a part of it"
        ) from None
    for family in families:
        ours = _BY_NAME.get(family.name)
        if ours is None or family.type != ours.kind:
            raise PersistenceError(f"it holds {family.name}, which is not one of seqsend's metrics")
        for sample in family.samples:
            names = (*ours.labels, *(("le",) if sample.name.endswith("_bucket") else ()))
            if set(sample.labels) != set(names) or not 0 <= sample.value < math.inf:
                raise PersistenceError(f"its {sample.name} is not in the form that seqsend writes")
            found[sample.name, tuple(sample.labels[name] for name in names)] = sample.value
    if not text.endswith(_END):
        raise PersistenceError("it is only a part of a metrics file")
    for ours in FAMILIES:
        _check_buckets(ours, found)
    return found


def _check_buckets(family: Family, samples: _Samples) -> None:
    """Check that a histogram has all our buckets for each value of its labels, so that it can grow.

    Raises:
        PersistenceError: it has others.

    """
    by_labels: dict[tuple[str, ...], set[str]] = {}
    for name, labels in samples:
        if family.buckets and name == f"{family.name}_sum":
            by_labels.setdefault(labels, set())
        if family.buckets and name == f"{family.name}_bucket":
            by_labels.setdefault(labels[:-1], set()).add(labels[-1])
    if any(found != set(family.buckets) for found in by_labels.values()):
        raise PersistenceError("its histogram has other buckets than those of this seqsend")


def _format(samples: _Samples) -> str:
    from prometheus_client.exposition import generate_latest
    from prometheus_client.registry import CollectorRegistry

    class Collector:
        def collect(self) -> Iterator[Any]:
            yield from filter(None, (_family(family, samples) for family in FAMILIES))

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    return generate_latest(registry).decode() + _END


def _family(family: Family, samples: _Samples) -> Any:
    """Return a family of `prometheus_client` with its samples; None if there are no samples."""
    if family.kind == "histogram":
        return _histogram(family, samples)
    from prometheus_client import core

    kind = core.CounterMetricFamily if family.kind == "counter" else core.GaugeMetricFamily
    made = kind(family.name, family.help, labels=family.labels)
    found = {labels: value for (name, labels), value in samples.items() if name == family.shown}
    if family.name in _OF_CALLS and ("seqsend_calls_total", ()) in samples:
        found.setdefault((), 0)
    for labels, value in sorted(found.items()):
        made.add_metric(list(labels), value)
    return made if found else None


def _histogram(family: Family, samples: _Samples) -> Any:
    from prometheus_client import core

    sums = {labels: v for (name, labels), v in samples.items() if name == f"{family.name}_sum"}
    if not sums:
        return None
    made = core.HistogramMetricFamily(family.name, family.help, labels=family.labels)
    for labels, total in sorted(sums.items()):
        name = f"{family.name}_bucket"
        made.add_metric(
            list(labels), [(b, samples[name, (*labels, b)]) for b in family.buckets], total
        )
    return made
