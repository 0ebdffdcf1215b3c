"""`seqsend send` with many transactions: none is lost, whatever ends the run."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from seqsend.cli.command_run import CommandRun
from seqsend.cli.line_reader import LineReader
from seqsend.cli.send_options import SendOptions
from seqsend.errors import UsageError
from seqsend.render.ended import outcome_of_line
from seqsend.render.outcome import EXIT_CODES
from seqsend.render.run_report import RunReport
from seqsend.sending.stream import Ended, Line, Stream

_PATIENCE = 1.0  # seconds that more input is waited for once nothing more is sent
_GOOD = "seqsend send 0x02f86c…, or seqsend send --file transactions.txt"
_GOOD_EMPTY = "a signed transaction on each line, or --allow-empty if there may be none"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the transactions come from."""

    open: Callable[[], "LineReader | Words"]
    """Begins to read."""
    size: int | None
    """Of the whole, in the units of the reader's position; None where nobody knows."""


class Words:
    """The transactions of a command line, with what `LineReader` has."""

    def __init__(self, words: list[str]) -> None:
        self._lines = (Line(number, text) for number, text in enumerate(words, start=1))
        self.patience: float | None = None
        self.position = 0

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        line = next(self._lines)
        self.position = line.number
        return line


def find_source(words: list[str], file: str | None) -> Source:
    """Return where the transactions come from.

    Raises:
        UsageError: from nowhere, or from two places, or the file cannot be read.

    """
    if file == "-" and not words:
        file, words = None, ["-"]  # as everywhere
    if file is not None:
        if words:
            raise UsageError("--file and RAWTX are given, of which one is enough", example=_GOOD)
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            size = os.fstat(descriptor).st_size
            os.read(descriptor, 0)  # a directory is found out here
        except OSError as error:
            why = (error.strerror or "cannot be read").lower()
            raise UsageError(f"--file: {file}: {why}", example=_GOOD) from None
        return Source(lambda: LineReader(descriptor), size or None)
    if words == ["-"]:
        if sys.stdin is None:
            raise UsageError("-: stdin is closed", example=_GOOD)
        return Source(lambda: LineReader(sys.stdin.fileno()), None)
    if not words:
        raise UsageError("no transaction given", example=_GOOD)
    if "-" in words:
        raise UsageError("- stands for stdin, and stands alone", example=_GOOD)
    return Source(lambda: Words(words), len(words))


def send_many(run: CommandRun, source: Source, options: SendOptions) -> None:
    """Send all transactions of ``source`` and report each.

    Raises:
        UsageError: a shared option is wrong, or there is no transaction at all.
        SeqsendError: the input failed; each line that was read has been reported.

    """
    gc.enable()  # which the start of the program has turned off
    lines = source.open()
    report = RunReport(run.style, source.size)
    with run.open_client(report) as client, report:
        stream = client.stream(
            batch_size=options.batch_size,
            keep_going=options.keep_going,
            conditions=options.conditions,
            wait=options.wait,
        )
        try:
            _report_each(_saving(stream.run(lines), run), report, stream, lines)
        except KeyboardInterrupt:
            _report_rest(run, report, stream, lines)
        if report.lines == 0 and not options.allow_empty and not run.signals.received:
            raise UsageError("the input holds no transaction", example=_GOOD_EMPTY)
        report.finish()
        run.exit_code = report.exit_code
    if run.signals.received:
        run.exit_code = EXIT_CODES["interrupted"]


def _report_rest(
    run: CommandRun, report: RunReport, stream: Stream, lines: "LineReader | Words"
) -> None:
    """Report what is left after a signal: nothing more is sent, and no line goes without a word."""
    run.signals.acknowledge()
    lines.patience = _PATIENCE
    try:
        _report_each(stream.rest(lines), report, stream, lines)
    except KeyboardInterrupt:
        report.give_up()


def _saving(results: Iterator[Ended], run: CommandRun) -> Iterator[Ended]:
    for ended in results:
        yield ended
        run.save_in_passing()


def _report_each(
    results: Iterator[Ended], report: RunReport, stream: Stream, lines: "LineReader | Words"
) -> None:
    for ended in results:
        if stream.stopped_at is not None:
            lines.patience = _PATIENCE
        if report.written == "written":
            report.add(outcome_of_line(ended), lines.position)
        elif ended.status != "not_sent":
            report.note_unwritten(ended)
        if report.written != "written":
            stream.stop()
            if ended.status == "not_sent":
                report.note_unsent_rest(ended)
                return
