"""`seqsend send` with many transactions: each is reported, whatever ends the run."""

import gc
from collections.abc import Iterator

from seqsend.cli.command_run import CommandRun
from seqsend.cli.send_options import SendOptions
from seqsend.cli.sources import Lines, Source
from seqsend.errors import InputError, UsageError
from seqsend.render.ended import outcome_of_line
from seqsend.render.outcome import EXIT_CODES
from seqsend.render.run_report import RunReport
from seqsend.sending.stream import Ended, Stream

_COLLECTED_EVERY = 50_000  # objects
_PATIENCE = 1.0  # seconds to wait for more input after sending has stopped
_GOOD_EMPTY = "a signed transaction on each line, or --allow-empty if the input may be empty"


def send_many(run: CommandRun, source: Source, options: SendOptions) -> None:
    """Send all transactions of ``source`` and report each.

    Raises:
        UsageError: a shared option is wrong, the input is not text with a transaction on each
            line, or there is no transaction at all.

    """
    # seqsend.__main__ has turned it off. What exists by now lives until the end. A run makes few
    # cycles: looking for them every 700 objects takes an eighth of its time.
    gc.freeze()
    gc.set_threshold(_COLLECTED_EVERY)
    gc.enable()
    lines = source.open()
    report = RunReport(run.style, source.size)
    with run.open_client(report) as client, report:
        stream = client.stream(
            batch_size=options.batch_size,
            in_flight=options.in_flight,
            keep_going=options.keep_going,
            conditions=options.conditions,
            chain_id=options.chain_id,
            explain=options.explain and run.style.verbose,
            wait=options.wait,
            wait_for=options.wait_for,
            sync=options.sync,
        )
        try:
            _report_each(_saving(stream.run(lines), run), report, stream, lines)
        except KeyboardInterrupt:
            _report_rest(run, report, stream, lines)
        except InputError as error:
            report.note_input_error(error)
        is_empty = report.lines == 0 and report.exit_code == 0 and not run.signals.received
        if is_empty and not options.allow_empty:
            raise UsageError("the input holds no transaction", example=_GOOD_EMPTY)
        report.finish()
        run.exit_code = report.exit_code
    if run.signals.received:
        run.exit_code = EXIT_CODES["interrupted"]


def _report_rest(run: CommandRun, report: RunReport, stream: Stream, lines: Lines) -> None:
    """Report the remaining lines after a signal, without exception; nothing more is sent."""
    run.signals.acknowledge()
    lines.patience = _PATIENCE
    try:
        _report_each(stream.rest(lines), report, stream, lines)
    except KeyboardInterrupt:
        report.give_up()
    except (InputError, UsageError) as error:  # only now, the input turns out to be unreadable
        report.note_input_error(error)


def _saving(results: Iterator[Ended], run: CommandRun) -> Iterator[Ended]:
    if not run.keeps_files:
        yield from results
        return
    for ended in results:
        yield ended
        run.save_in_passing()


def _report_each(results: Iterator[Ended], report: RunReport, stream: Stream, lines: Lines) -> None:
    for ended in results:
        if stream.stopped_at is not None:
            lines.patience = _PATIENCE
        # With several under way at once, lines after one that was not sent may have been sent.
        ends_all = ended.status == "not_sent" and ended.line > stream.last_sent
        if report.written == "written":
            report.add(outcome_of_line(ended), lines.position, more=stream.has_more)
        elif not ends_all:
            report.note_unwritten(ended)
        if report.written != "written":
            stream.stop()
            lines.patience = _PATIENCE
            if ends_all:
                report.note_unsent_rest(ended)
                return
