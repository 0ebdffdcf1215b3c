"""A diagnosis on a terminal: a table if it fits, else a line for each endpoint; nothing is cut."""

from collections.abc import Mapping, Sequence
from io import StringIO
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from rich.console import Console
from rich.text import Text

from seqsend.diagnosis.report import Diagnosis, EndpointReport, Status, Verdict
from seqsend.render.endpoint_text import (
    ANSWER,
    BLOCK,
    CHAIN,
    CLIENT,
    FACTS,
    FINALIZED_LAG,
    HEAD_AGE,
    PHASES,
    SAFE_LAG,
    TAKES,
    Fact,
    is_fault,
    phrases,
    remarks,
)
from seqsend.render.summary import summary
from seqsend.units import format_count

# Colours of the terminal's own palette, on single words: sentences keep its own foreground, which
# is readable on light and dark alike, and no colour says what the words do not.
_STYLES: Mapping[Verdict, str] = MappingProxyType(
    {
        "usable": "green",
        "STALE": "yellow",
        "DIFFERS": "yellow",
        "STANDBY": "cyan",
        "NOT USABLE": "bold red",
    }
)
_MARKS: Mapping[Verdict, str] = MappingProxyType(
    {"usable": "✓", "STALE": "!", "DIFFERS": "≠", "STANDBY": "○", "NOT USABLE": "✗"}
)
_STATUS_STYLES: Mapping[Status, str] = MappingProxyType(
    {"ok": "green", "degraded": "yellow", "unreachable": "bold red"}
)
_HINT_STYLE = "cyan"
_DETAILS_STYLE = "dim"
_NARROWEST_TABLE = 110  # columns
_GAP = 2  # columns between those of the table
_WIDEST_VERDICT = len("✗ NOT USABLE")
_SHORT: Mapping[Fact, str] = MappingProxyType({BLOCK: "block {}", HEAD_AGE: "{} old", ANSWER: "{}"})
"""The facts that are shown beside an address, and their form; the rest goes below."""
_MOVED_FIRST = (
    CLIENT,
    FINALIZED_LAG,
    *(fact for fact in FACTS if fact.heading in PHASES),
    TAKES,
    SAFE_LAG,
    CHAIN,
)
"""The columns that go below the table if it is too wide, in this order."""


def picture(
    diagnosis: Diagnosis, console: Console, height: int | None = None, *, crop: bool = False
) -> list[Text]:
    """Return the diagnosis as lines that fit into the width of ``console``.

    If there are more than ``height``, the details are left out, and the hints for endpoints without
    a fault; with ``crop`` also as many endpoints as necessary, those without a fault first.
    """
    end = [Text(), *wrapped(console, _end(diagnosis))]
    left = None if height is None else height - len(end)
    return [*picture_of_endpoints(diagnosis.endpoints, console, left, crop=crop), *end]


def _end(diagnosis: Diagnosis) -> Text:
    said, _, status = summary(diagnosis).rpartition("(")
    word, comma, rest = status.partition(",")
    style = _STATUS_STYLES[diagnosis.status]
    return Text.assemble((f"{said}(", "bold"), (word, style), (f"{comma}{rest}", "bold"))


def picture_of_endpoints(
    reports: Sequence[EndpointReport], console: Console, height: int | None, *, crop: bool
) -> list[Text]:
    """Return the same lines without the summary."""
    whole = _body(reports, console, is_brief=False)
    if height is None or len(whole) <= height:
        return whole
    brief = _body(reports, console, is_brief=True)
    return _cropped(reports, console, height) if crop and len(brief) > height else brief


def rendered(found: Sequence[Text], console: Console) -> list[str]:
    """Return lines as the terminal of ``console`` gets them, escapes included."""
    # Not by console.capture(), which flushes the file in the end: the terminal may be gone.
    written = StringIO()
    system: Any = console.color_system
    printing = Console(file=written, color_system=system, force_terminal=True, highlight=False)
    for line in found:
        printing.print(line, soft_wrap=True)
    return written.getvalue().split("\n")[:-1]


def _body(reports: Sequence[EndpointReport], console: Console, *, is_brief: bool) -> list[Text]:
    table = _fitting_table(reports, console.width) if console.width >= _NARROWEST_TABLE else None
    if table is None:
        blocks = [_block(report, console, is_brief=is_brief) for report in reports]
        return [line for block in blocks for line in block]
    below: list[Text] = []
    for report in reports:
        said = _remarks(report, is_brief=is_brief)
        below += _numbered(console, report, said)
    below += [] if is_brief else _moved(reports, console, table.moved)
    return [*table.lines, *([Text(), *below] if below else [])]


def _cropped(reports: Sequence[EndpointReport], console: Console, height: int) -> list[Text]:
    """Return as many endpoints as fit into ``height``, those with a fault first."""
    found: list[Text] = []
    shown = 0
    for report in sorted(reports, key=is_fault, reverse=True):
        block = _block(report, console, is_brief=True)
        if len(found) + len(block) >= height:
            break
        found += block
        shown += 1
    left = format_count(len(reports) - shown, "more endpoint")
    return [*found, Text(f"and {left}: the screen is too small", style="dim")]


class _Table(NamedTuple):
    """A table that fits, and the facts for which it has no columns."""

    lines: list[Text]
    moved: tuple[Fact, ...]


def _fitting_table(reports: Sequence[EndpointReport], width: int) -> _Table | None:
    """Return the table with as many columns as fit into ``width``; None if too few do."""
    values = {fact: [fact.value(report) for report in reports] for fact in FACTS}
    columns = {
        fact: _column(fact, found) for fact, found in values.items() if any(map(_is_known, found))
    }
    first = [
        _justified([Text("#", "bold"), *(Text(str(r.endpoint.index)) for r in reports)], "right"),
        _justified([Text("endpoint", "bold"), *(Text(r.endpoint.redacted) for r in reports)]),
        _justified([Text("verdict", "bold"), *map(_verdict, reports)]),
    ]
    moved: list[Fact] = []
    for fact in (None, *_MOVED_FIRST):
        if fact in columns:
            del columns[fact]
            moved.append(fact)
        cells = [*first, *columns.values()]
        if sum(column[0].cell_len + _GAP for column in cells) - _GAP <= width:
            rows = [Text(" " * _GAP).join(row) for row in zip(*cells, strict=True)]
            for row in rows:
                row.rstrip()
            return _Table(rows, tuple(fact for fact in FACTS if fact in moved))
    return None


def _is_known(value: str | None) -> bool:
    return value is not None


def _column(fact: Fact, values: Sequence[str | None]) -> list[Text]:
    cells = [Text(fact.heading, "bold"), *(Text("-" if v is None else v) for v in values)]
    return _justified(cells, "right" if fact.is_number else "left")


def _justified(cells: list[Text], side: Literal["left", "right"] = "left") -> list[Text]:
    """Return the cells of a column, all as wide as the widest."""
    widest = max(cell.cell_len for cell in cells)
    for cell in cells:
        blank = widest - cell.cell_len
        if side == "left":
            cell.pad_right(blank)
        else:
            cell.pad_left(blank)
    return cells


def _verdict(report: EndpointReport) -> Text:
    return Text.assemble((f"{_MARKS[report.verdict]} {report.verdict}", _STYLES[report.verdict]))


def _block(report: EndpointReport, console: Console, *, is_brief: bool) -> list[Text]:
    """Return one line for an endpoint, and everything else about it below."""
    verdict = _verdict(report)
    verdict.pad_right(_WIDEST_VERDICT - verdict.cell_len)
    head = Text("  ").join([verdict, Text(report.endpoint.redacted)])
    short = ", ".join(form.format(v) for fact, form in _SHORT.items() if (v := fact.value(report)))
    with_short = head.copy().append(f"  ({short})")
    fits = bool(short) and _indent(report) + with_short.cell_len <= console.width
    left = tuple(fact for fact in FACTS if not (fits and fact in _SHORT))
    details = "" if is_brief else phrases(report, left)
    said = [
        with_short if fits else head,
        *_remarks(report, is_brief=is_brief),
        *([Text(details, style=_DETAILS_STYLE)] if details else []),
    ]
    return _numbered(console, report, said)


def _remarks(report: EndpointReport, *, is_brief: bool) -> list[Text]:
    """Return what is wrong with an endpoint and what to do; less if ``is_brief`` and no fault."""
    return [
        Text.assemble((f"{label}: ", style), text) if label else Text(text)
        for label, text in remarks(report)
        for style in [_HINT_STYLE if label == "hint" else _STYLES[report.verdict]]
        if not label or is_fault(report) or not is_brief
    ]


def _moved(
    reports: Sequence[EndpointReport], console: Console, facts: tuple[Fact, ...]
) -> list[Text]:
    """Return ``facts`` of all endpoints; those with the same facts share a line."""
    indexes: dict[str, list[int]] = {}
    for report in reports:
        indexes.setdefault(phrases(report, facts), []).append(report.endpoint.index)
    found: list[Text] = []
    for said, numbers in indexes.items():
        first = _ranges(numbers).rjust(_indent(reports[0]) - _GAP)
        line = Text.assemble(first, " " * _GAP, (said, _DETAILS_STYLE))
        found += wrapped(console, line) if said else []
    return found


def _ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers in short: ``1-3, 5``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _indent(report: EndpointReport) -> int:
    return len(str(report.endpoint.total)) + _GAP


def _numbered(console: Console, report: EndpointReport, paragraphs: Sequence[Text]) -> list[Text]:
    """Return ``paragraphs`` as lines, the first with the endpoint's number before it."""
    indent = _indent(report)
    lines = [
        line for paragraph in paragraphs for line in wrapped(console, paragraph, indent=indent)
    ]
    index = str(report.endpoint.index).rjust(indent - _GAP).ljust(indent)
    return [
        Text(" " * indent if number else index).append_text(line)
        for number, line in enumerate(lines)
    ]


def wrapped(console: Console, text: Text, *, indent: int = 0) -> list[Text]:
    """Return ``text`` as lines that leave ``indent`` columns free; long words are broken."""
    lines = list(text.wrap(console, max(1, console.width - indent), overflow="fold"))
    for line in lines:
        line.rstrip()
    return lines
