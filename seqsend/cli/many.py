"""`seqsend send` with many transactions: none is lost, whatever ends the run."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from seqsend.cli.interrupts import Interrupts
from seqsend.cli.line_reader import LineReader
from seqsend.cli.send_options import SendOptions
from seqsend.cli.session import Session
from seqsend.errors import UsageError
from seqsend.render.ended import outcome_of_ended
from seqsend.render.outcome import EXIT_CODES
from seqsend.render.run_report import RunReport
from seqsend.sending.stream import Ended, Line, Stream

_PATIENCE = 1.0  # seconds that more input is waited for once nothing more is sent
_GOOD = "seqsend send 0x02f86c…, or seqsend send --file transactions.txt"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the transactions come from."""

    open: Callable[[Callable[[Callable[[], Any]], Any]], "LineReader | Words"]
    """Begins to read; what takes time is run by the function given."""
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
        return Source(lambda run: LineReader(descriptor, run), size or None)
    if words == ["-"]:
        if sys.stdin is None:
            raise UsageError("-: stdin is closed", example=_GOOD)
        return Source(lambda run: LineReader(sys.stdin.fileno(), run), None)
    if not words:
        raise UsageError("no transaction given", example=_GOOD)
    if "-" in words:
        raise UsageError("- stands for stdin, and stands alone", example=_GOOD)
    return Source(lambda _run: Words(words), len(words))


def send_many(session: Session, source: Source, wanted: SendOptions) -> int:
    """Send all transactions of ``source``, tell of each, and return the exit code."""
    gc.enable()  # which the start of the program has turned off
    interrupts = Interrupts()
    lines = source.open(interrupts.run)
    report = RunReport(session.style, source.size)
    with session.open_client(report) as client, report, interrupts:
        stream = client.stream(
            batch_size=wanted.batch_size,
            keep_going=wanted.keep_going,
            conditions=wanted.conditions,
            run=interrupts.run,
        )
        results = stream.run(lines)
        left: Iterator[Ended] = iter(())
        followed = results
        if wanted.wait is not None:
            receipts = client.receipts(wanted.wait, run=interrupts.run)
            followed, left = receipts.follow(results), receipts.left()
        try:
            _tell(_kept(followed, session), report, stream, lines)
        except KeyboardInterrupt:
            # From here on nothing is sent: what is known is told, and what was not sent.
            interrupts.forget()
            stream.stop()
            lines.patience = _PATIENCE
            rest = (stream.not_sent(line) for line in lines)
            try:
                _tell(chain(left, results, rest), report, stream, lines)
            except KeyboardInterrupt:
                report.tell_untold_rest()
        report.finish()
    return report.exit_code if interrupts.signal is None else EXIT_CODES["interrupted"]


def _kept(results: Iterator[Ended], session: Session) -> Iterator[Ended]:
    for ended in results:
        yield ended
        session.save_in_passing()


def _tell(
    results: Iterator[Ended], report: RunReport, stream: Stream, lines: LineReader | Words
) -> None:
    for ended in results:
        stream.note(ended)
        if stream.stopped_at is not None:
            lines.patience = _PATIENCE
        if report.written == "written":
            report.add(outcome_of_ended(ended, alone=False), lines.position)
        elif ended.status != "not_sent":
            report.tell_untold(ended)
        if report.written != "written":
            stream.stop()
            if ended.status == "not_sent":
                report.tell_unsent_rest(ended)
                return
