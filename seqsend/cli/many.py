"""`seqsend send` with many transactions: none is lost, whatever ends the run."""

import gc
from collections.abc import Iterator
from itertools import chain

from seqsend.cli.interrupts import Interrupts
from seqsend.cli.line_reader import LineReader
from seqsend.cli.send_options import SendOptions
from seqsend.cli.session import Session
from seqsend.cli.sources import Lines, Source
from seqsend.render.ended import outcome_of_ended
from seqsend.render.outcome import EXIT_CODES
from seqsend.render.run_report import RunReport
from seqsend.sending.stream import Ended, Stream
from seqsend.waiting import wait

_PATIENCE = 1.0  # seconds that more input is waited for once nothing more is sent


def send_many(session: Session, source: Source, wanted: SendOptions) -> int:
    """Send all transactions of ``source``, tell of each, and return the exit code."""
    gc.enable()  # which the start of the program has turned off
    interrupts = Interrupts()
    lines = source.open()
    if isinstance(lines, LineReader):
        # Only while it waits, until these signals, too, are noticed in waits by themselves.
        lines._wait = lambda *given: bool(interrupts.run(lambda: wait(*given)))  # noqa: SLF001
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


def _tell(results: Iterator[Ended], report: RunReport, stream: Stream, lines: Lines) -> None:
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
