"""What is known about one endpoint, as text; `check` shows it in several forms."""

from collections.abc import Callable
from typing import NamedTuple

from seqsend.diagnosis.report import EndpointReport, Head, Samples
from seqsend.models import Phase
from seqsend.render.text import format_elapsed
from seqsend.units import format_age, format_count

PHASES: tuple[Phase, ...] = ("dns", "dial", "tls")
_BARS = "▁▂▃▄▅▆▇█"
_WIDEST_SPARKLINE = 24  # characters


class Fact(NamedTuple):
    """Something that can be known about an endpoint, and how to show it."""

    heading: str
    """The heading of its column."""
    phrase: str
    """Its form within a line; ``{}`` stands for the value."""
    value: Callable[[EndpointReport], str | None]
    """None if it is not known."""
    is_number: bool = True


class Remark(NamedTuple):
    """What is wrong with an endpoint, what to do, or what was measured."""

    label: str
    """Before the colon; empty for none."""
    text: str

    def __str__(self) -> str:
        return f"{self.label}: {self.text}" if self.label else self.text


def _elapsed(seconds: float | None) -> str | None:
    return None if seconds is None else format_elapsed(seconds)


def _number(number: int | None) -> str | None:
    return None if number is None else str(number)


def format_signed_age(seconds: float) -> str:
    """Return an age in seconds as text, with a minus sign if it is negative."""
    return f"-{format_age(-seconds)}" if seconds < 0 else format_age(seconds)


def _head_age(report: EndpointReport) -> str | None:
    return None if report.head_age is None else format_signed_age(report.head_age)


def _lag(report: EndpointReport, deeper: Head | None) -> str | None:
    """Return how far a deeper head lies behind the latest: in time, else in blocks."""
    head = report.head
    if head is None or deeper is None:
        return None
    if head.timestamp is not None and deeper.timestamp is not None:
        return format_signed_age(head.timestamp - deeper.timestamp)
    return format_count(head.number - deeper.number, "block")


def _phase(phase: Phase) -> Fact:
    return Fact(phase, f"{phase} {{}}", lambda report: _elapsed(report.timings.get(phase)))


ROLE = Fact("role", "{}", lambda report: report.role, is_number=False)
ANSWER = Fact("answer", "answer {}", lambda report: _elapsed(report.answer))
FORWARD = Fact("forward", "forward {}", lambda report: _elapsed(report.forward))
CHAIN = Fact("chain", "chain {}", lambda report: _number(report.chain_id))
BLOCK = Fact(
    "block", "block {}", lambda report: _number(report.head.number if report.head else None)
)
HEAD_AGE = Fact("head age", "head age {}", _head_age)
SAFE_LAG = Fact("safe lag", "safe lag {}", lambda report: _lag(report, report.safe))
FINALIZED_LAG = Fact(
    "finalized lag", "finalized lag {}", lambda report: _lag(report, report.finalized)
)
TAKES = Fact("takes tx", "takes tx: {}", lambda report: report.takes_transactions, is_number=False)
CLIENT = Fact("client", "{}", lambda report: report.client_version, is_number=False)

FACTS = (
    ROLE,
    *map(_phase, PHASES),
    ANSWER,
    FORWARD,
    CHAIN,
    BLOCK,
    HEAD_AGE,
    SAFE_LAG,
    FINALIZED_LAG,
    TAKES,
    CLIENT,
)
"""In the order of the columns."""


def phrases(report: EndpointReport, facts: tuple[Fact, ...]) -> str:
    """Return the ``facts`` that are known, in one line."""
    values = [(fact.phrase, fact.value(report)) for fact in facts]
    return ", ".join(phrase.format(value) for phrase, value in values if value is not None)


def remarks(report: EndpointReport) -> list[Remark]:
    """Return what is wrong, what to do, and the results of several measurements."""
    found = []
    if report.reason is not None:
        found.append(Remark(report.phase or "", report.reason))
    if report.hint is not None:
        found.append(Remark("hint", report.hint))
    if report.samples is not None:
        found.append(Remark("", _spread(report.samples)))
    return found


def is_fault(report: EndpointReport) -> bool:
    """Return whether an endpoint needs attention; a standby as such does not."""
    return report.verdict not in ("usable", "STANDBY") or report.reason is not None


def _spread(samples: Samples) -> str:
    spread = {
        "min": min(samples.answers),
        "median": samples.median,
        "p95": samples.p95,
        "max": max(samples.answers),
    }
    said = ", ".join(f"{name} {format_elapsed(seconds)}" for name, seconds in spread.items())
    answers = format_count(len(samples.answers), "answer")
    lost = f", {samples.lost} lost" if samples.lost else ""
    return f"{answers}{lost}: {said}  {sparkline(samples.answers)}"


def sparkline(values: tuple[float, ...]) -> str:
    """Return ``values`` as bars from 0 to the greatest.

    If there are more than fit, neighbours share a bar, which shows the greatest of them.
    """
    size = -(-len(values) // _WIDEST_SPARKLINE)
    groups = [max(values[at : at + size]) for at in range(0, len(values), size)]
    top = max(groups) or 1.0
    return "".join(_BARS[round(value / top * (len(_BARS) - 1))] for value in groups)
