"""A diagnosis as plain lines, and all its endpoints in one line."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from seqsend.diagnosis.report import Diagnosis, EndpointReport, Verdict
from seqsend.render.endpoint_text import (
    FACTS,
    phrases,
    remarks,
)
from seqsend.render.text import format_elapsed
from seqsend.units import format_age, format_count

_OLD = 60.0  # seconds from which the age of a head is shown; a rollup's blocks come every 2 s
_OTHERS: Mapping[Verdict, tuple[str, str]] = MappingProxyType(
    {
        "DIFFERS": ("differs", "differ"),
        "STALE": ("stale", "stale"),
        "STANDBY": ("on standby", "on standby"),
        "NOT USABLE": ("not usable", "not usable"),
    }
)
"""The words for one endpoint with a verdict, and for several."""


def lines(diagnosis: Diagnosis) -> list[str]:
    """Return the diagnosis as plain lines: some for each endpoint, and one for all of them."""
    found: list[str] = []
    for report in diagnosis.endpoints:
        found.append(f"{report.endpoint.index}  {report.verdict:10}  {report.endpoint.redacted}")
        details = [*map(str, remarks(report)), phrases(report, FACTS)]
        found += [f"   {line}" for line in details if line]
    return [*found, summary(diagnosis)]


def summary(diagnosis: Diagnosis) -> str:
    """Return the summary line; it never calls an old or different endpoint usable."""
    reports = diagnosis.endpoints
    parts = [
        _count(reports),
        _chains(diagnosis),
        _heads(diagnosis),
        _roles(reports),
    ]
    end = f"{_status(diagnosis)}, {format_elapsed(diagnosis.elapsed)}"
    return f"{'; '.join(filter(None, parts))} ({end})"


def _status(diagnosis: Diagnosis) -> str:
    """Return the status in words; "unreachable" only if no endpoint answered."""
    if diagnosis.status == "unreachable" and _reached(diagnosis.endpoints):
        return "not usable"
    return diagnosis.status


def _reached(reports: tuple[EndpointReport, ...]) -> int:
    """Return how many answered like a node."""
    return sum(r.verdict != "NOT USABLE" or r.chain_id is not None for r in reports)


def _count(reports: tuple[EndpointReport, ...]) -> str:
    counts = Counter(report.verdict for report in reports)
    total = len(reports)
    if counts["NOT USABLE"] == total:
        return f"0 of {total} usable{_reached_in_vain(reports)}"
    usable = counts.pop("usable", 0)
    first = f"{usable} of {total} usable" if usable else f"{_reached(reports)} of {total} reached"
    others = [
        f"{counts[verdict]} {words[counts[verdict] > 1]}"
        for verdict, words in _OTHERS.items()
        if counts[verdict] and usable + counts["NOT USABLE"] != total
    ]
    doubtful = sum(r.verdict == "usable" and r.reason is not None for r in reports)
    return ", ".join([first, *([f"{doubtful} with a problem"] if doubtful else []), *others])


def _reached_in_vain(reports: tuple[EndpointReport, ...]) -> str:
    """Return what to add if none of the endpoints is usable."""
    reached = _reached(reports)
    if not reached:
        return ""
    wrong = sum(report.reason_code == "wrong_chain" for report in reports)
    if len(reports) == 1:
        return f": it was reached{', and is of another chain' if wrong else ''}"
    return f": {reached} reached{f', {wrong} of another chain' if wrong else ''}"


def _chains(diagnosis: Diagnosis) -> str | None:
    chain_ids = [str(chain_id) for chain_id in diagnosis.chain_ids]
    if len(chain_ids) > 1:
        return f"chain ids differ: {', '.join(chain_ids)}"
    return f"chain {chain_ids[0]}" if chain_ids else None


def _heads(diagnosis: Diagnosis) -> str | None:
    """Return how far the heads lie apart, and how old they are if they do not move."""
    ages = [report.head_age for report in diagnosis.endpoints if report.head_age is not None]
    oldest = max(ages, default=0.0)
    said = [f"up to {format_count(diagnosis.max_lag, 'block')} apart"] if diagnosis.max_lag else []
    if oldest >= _OLD and len(ages) == 1:
        return f"head {format_age(oldest)} old"
    if oldest >= _OLD:
        said.append(f"up to {format_age(oldest)} old")
    return f"heads {' and '.join(said)}" if said else None


def _roles(reports: tuple[EndpointReport, ...]) -> str | None:
    """Return what is wrong with the roles, if they are known: one sequencer must be active."""
    roles = [report.role for report in reports if report.role is not None]
    active = roles.count("active")
    if not roles or active == 1:
        return None
    return format_count(active, "active sequencer") if active else "no active sequencer"
