"""A diagnosis as JSON and as plain lines; of a table for a terminal, the words in it."""

import time
from typing import Any

from seqsend.diagnosis.report import Diagnosis, EndpointReport, Head, Samples
from seqsend.models import Phase
from seqsend.render.document import format_time
from seqsend.render.outcome import EXIT_CODES
from seqsend.render.text import format_elapsed
from seqsend.units import format_age

PHASES: tuple[Phase, ...] = ("dns", "dial", "tls")
_BARS = "▁▂▃▄▅▆▇█"
_WIDEST_SPARKLINE = 24  # characters


def document(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the object that `--json` prints (contract, section 7)."""
    return {
        "status": diagnosis.status,
        "exit_code": EXIT_CODES[diagnosis.status],
        "time": format_time(time.time()),
        "endpoints": [_endpoint(report) for report in diagnosis.endpoints],
        "chain_ids": list(diagnosis.chain_ids),
        "max_lag": diagnosis.max_lag,
        "elapsed_ms": _milliseconds(diagnosis.elapsed),
    }


def _endpoint(report: EndpointReport) -> dict[str, Any]:
    found = {
        "index": report.endpoint.index,
        "url": report.endpoint.redacted,
        "verdict": report.verdict,
        "usable": report.usable,
        "phase": report.phase,
        "reason": report.reason,
        "reason_code": report.reason_code,
        "hint": report.hint,
        **{f"{phase}_ms": _milliseconds(report.timings.get(phase)) for phase in PHASES},
        "answer_ms": _milliseconds(report.answer),
        "forward_ms": _milliseconds(report.forward),
        "chain_id": report.chain_id,
        "block_number": None if report.head is None else report.head.number,
        "head_age_s": _age(report.head),
        "safe_number": None if report.safe is None else report.safe.number,
        "safe_age_s": _age(report.safe),
        "finalized_number": None if report.finalized is None else report.finalized.number,
        "finalized_age_s": _age(report.finalized),
        "client_version": report.client_version,
        "takes_transactions": report.takes_transactions,
        "role": report.role,
        "tls_expires": None if report.tls_expires is None else _moment(report.tls_expires),
    }
    return found | ({} if report.samples is None else {"answers": _samples(report.samples)})


def _samples(samples: Samples) -> dict[str, Any]:
    return {
        "count": len(samples.answers),
        "lost": samples.lost,
        "min_ms": _milliseconds(min(samples.answers)),
        "median_ms": _milliseconds(samples.median),
        "p95_ms": _milliseconds(samples.p95),
        "max_ms": _milliseconds(max(samples.answers)),
    }


def _age(head: Head | None) -> float | None:
    return None if head is None or head.age is None else round(head.age, 1)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def lines(diagnosis: Diagnosis) -> list[str]:
    """Return the diagnosis as plain lines: some for each endpoint, and a last one for them all."""
    found: list[str] = []
    for report in diagnosis.endpoints:
        found.append(f"{report.endpoint.index}  {verdict(report):10}  {report.endpoint.redacted}")
        found += [f"   {line}" for line in details(report)]
    return [*found, summary(diagnosis)]


def details(report: EndpointReport) -> list[str]:
    """Return all that is known of an endpoint, what is wrong first."""
    return [*findings(report), *filter(None, (facts(report), times(report)))]


def verdict(report: EndpointReport) -> str:
    """Return what an endpoint is, in one or two words."""
    return report.verdict


def findings(report: EndpointReport) -> list[str]:
    """Return what is wrong and what to do, and what came of many measurements."""
    found = [] if report.reason is None else [f"{report.phase}: {report.reason}"]
    if report.hint is not None:
        found.append(f"hint: {report.hint}")
    if report.samples is not None:
        found.append(_spread(report.samples))
    return found


def facts(report: EndpointReport) -> str:
    """Return what is known of an endpoint, but for its times."""
    known = {
        "chain {}": report.chain_id,
        "block {}": report.head and report.head.number,
        "head {} old": age_of(report),
        "takes transactions: {}": report.takes_transactions,
        "{}": report.client_version,
    }
    return ", ".join(form.format(value) for form, value in known.items() if value is not None)


def age_of(report: EndpointReport) -> str | None:
    """Return how old the head is, or None if that is not known."""
    return None if report.head_age is None else format_age(report.head_age)


def times(report: EndpointReport) -> str:
    """Return how long each phase took."""
    found = [(str(phase), report.timings.get(phase)) for phase in PHASES]
    return ", ".join(
        f"{phase} {format_elapsed(seconds)}"
        for phase, seconds in [*found, ("answer", report.answer)]
        if seconds is not None
    )


def summary(diagnosis: Diagnosis) -> str:
    """Return the line that says it all."""
    reports = diagnosis.endpoints
    usable = sum(report.usable for report in reports)
    parts = [f"{usable} of {len(reports)} usable"]
    if len(diagnosis.chain_ids) > 1:
        parts.append(f"chain ids differ: {', '.join(map(str, diagnosis.chain_ids))}")
    elif diagnosis.chain_ids:
        parts.append(f"chain {diagnosis.chain_ids[0]}")
    if diagnosis.max_lag:
        parts.append(f"heads up to {diagnosis.max_lag} blocks apart")
    return f"{'; '.join(parts)} ({diagnosis.status}, {format_elapsed(diagnosis.elapsed)})"


def _spread(samples: Samples) -> str:
    spread = {
        "min": min(samples.answers),
        "median": samples.median,
        "p95": samples.p95,
        "max": max(samples.answers),
    }
    said = ", ".join(f"{name} {format_elapsed(seconds)}" for name, seconds in spread.items())
    lost = f", {samples.lost} lost" if samples.lost else ""
    return f"{len(samples.answers)} answers{lost}: {said}  {sparkline(samples.answers)}"


def sparkline(values: tuple[float, ...]) -> str:
    """Return ``values`` as bars from 0 to the greatest; of many, the greatest of each group."""
    size = -(-len(values) // _WIDEST_SPARKLINE)
    groups = [max(values[at : at + size]) for at in range(0, len(values), size)]
    top = max(groups) or 1.0
    return "".join(_BARS[round(value / top * (len(_BARS) - 1))] for value in groups)
