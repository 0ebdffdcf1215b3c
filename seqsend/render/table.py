"""A diagnosis on a terminal: a table where it fits, else a block for each endpoint."""

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seqsend.diagnosis.report import Diagnosis, EndpointReport
from seqsend.render.diagnosis import PHASES, age_of, details, findings, summary, verdict
from seqsend.render.text import format_elapsed

# Colours of the terminal's own palette: they are readable on light and dark alike, and carry
# nothing that the words do not say.
_STYLES = {
    "usable": "green",
    "STALE": "yellow",
    "DIFFERS": "yellow",
    "STANDBY": "cyan",
    "NOT USABLE": "bold red",
}
_MARKS = {"usable": "✓", "STALE": "◷", "DIFFERS": "≠", "STANDBY": "‖", "NOT USABLE": "✗"}
_NARROWEST_FINDING = 44  # columns


def picture(diagnosis: Diagnosis, console: Console) -> RenderableType:
    """Return the diagnosis in the form that fits on ``console``; nothing of it is cut."""
    table = _table(diagnosis)
    needed = Measurement.get(console, console.options.update(width=10_000), table).minimum
    shown = table if needed <= console.width else _blocks(diagnosis)
    return Group(shown, Text(), Text(summary(diagnosis), style=_style_of_all(diagnosis)))


def _table(diagnosis: Diagnosis) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", leading=1)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("endpoint", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name in (*PHASES, "answer", "chain", "block", "head age"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("takes tx", no_wrap=True)
    table.add_column("client", no_wrap=True)
    table.add_column("finding", min_width=_NARROWEST_FINDING, overflow="fold")
    for report in diagnosis.endpoints:
        table.add_row(*_cells(report))
    return table


def _cells(report: EndpointReport) -> list[Text]:
    seconds = [*(report.timings.get(phase) for phase in PHASES), report.answer]
    plain = [
        *(None if value is None else format_elapsed(value) for value in seconds),
        *(
            None if value is None else str(value)
            for value in (report.chain_id, report.head and report.head.number)
        ),
        age_of(report),
        report.takes_transactions,
        report.client_version,
    ]
    return [
        Text(str(report.endpoint.index)),
        Text(report.endpoint.redacted),
        _verdict(report),
        *(Text(value or "-") for value in plain),
        Text("\n".join(findings(report))),
    ]


def _verdict(report: EndpointReport) -> Text:
    word = verdict(report)
    return Text(f"{_MARKS[word]} {word}", style=_STYLES[word])


def _blocks(diagnosis: Diagnosis) -> Group:
    parts: list[RenderableType] = []
    for report in diagnosis.endpoints:
        head = Text(f"{report.endpoint.index}  ", overflow="fold")
        head.append_text(_verdict(report)).append(f"  {report.endpoint.redacted}")
        parts.append(head)
        parts += [Padding(Text(line, overflow="fold"), (0, 0, 0, 3)) for line in details(report)]
    return Group(*parts)


def _style_of_all(diagnosis: Diagnosis) -> str:
    words = {"ok": "usable", "degraded": "DIFFERS", "unreachable": "NOT USABLE"}
    return _STYLES[words[diagnosis.status]]
