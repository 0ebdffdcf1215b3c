"""`seqsend send --dry-run`: everything except sending."""

import gc
import time

from seqsend.cli.command_run import CommandRun
from seqsend.cli.send_options import SendOptions
from seqsend.cli.sources import Lines, Source, find_source
from seqsend.errors import InputError, UsageError
from seqsend.render.outcome import EXIT_CODES, Outcome, outcome_of_dry_run, outcome_of_usage
from seqsend.render.run_report import RunReport
from seqsend.sending.explaining import DryRun

_GOOD_EMPTY = "a signed transaction on each line, or --allow-empty if the input may be empty"


def dry_run_all(run: CommandRun, words: list[str], file: str | None, options: SendOptions) -> None:
    """Compare transactions with the chain and report each; an unfit one does not stop the others.

    Raises:
        UsageError: an option or the input is wrong; nothing is ever sent.

    """
    if options.wait is not None:
        raise UsageError("--dry-run and --wait cannot be combined", example="--dry-run")
    if options.conditions is not None:
        raise UsageError("--dry-run cannot compare what --conditional says", example="--dry-run")
    if file is None and len(words) == 1 and words != ["-"]:
        started = time.monotonic()
        with run.open_client(run.report) as client:
            found = client.dry_run(chain_id=options.chain_id).assess(words[0])
        run.finish(outcome_of_dry_run(found, time.monotonic() - started))
    else:
        _dry_run_many(run, find_source(words, file), options)


def _dry_run_many(run: CommandRun, source: Source, options: SendOptions) -> None:
    gc.enable()  # seqsend.__main__ has turned it off
    lines, report = source.open(), RunReport(run.style, source.size)
    with run.open_client(report) as client, report:
        try:
            _report_each(client.dry_run(chain_id=options.chain_id), lines, report)
        except KeyboardInterrupt:
            run.exit_code = EXIT_CODES["interrupted"]
        except InputError as error:
            report.note_input_error(error)
        is_empty = report.lines == 0 and report.exit_code == 0 and run.exit_code == 0
        if is_empty and not options.allow_empty:
            raise UsageError("the input holds no transaction", example=_GOOD_EMPTY)
        report.finish()
        run.exit_code = run.exit_code or report.exit_code


def _report_each(dry_run: DryRun, lines: Lines, report: RunReport) -> None:
    for line in lines:
        report.add(_assess(dry_run, line.text, line.number), lines.position)
        if report.written != "written":
            return


def _assess(dry_run: DryRun, raw: str, number: int) -> Outcome:
    started = time.monotonic()
    try:
        found = dry_run.assess(raw)
    except UsageError as error:
        return outcome_of_usage("send", str(error))._replace(line=number)
    return outcome_of_dry_run(found, time.monotonic() - started, number)
