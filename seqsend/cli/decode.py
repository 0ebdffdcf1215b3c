"""`seqsend decode`."""

import gc
from typing import Annotated

import typer

from seqsend.cli.command_run import CommandRun
from seqsend.cli.options import RawOptions, takes_output_options
from seqsend.cli.sources import Lines, find_source
from seqsend.errors import InputError, UsageError
from seqsend.render.decoded_report import DecodedReport
from seqsend.sending.decoding import decode as take_apart

_GOOD_EMPTY = "a signed transaction on each line"


@takes_output_options
def decode(
    options: RawOptions,
    raw: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RAWTX]...",
            help="Signed transactions in hex; - reads one per line from stdin.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            metavar="PATH",
            help="Read transactions from a file, one per line.",
            rich_help_panel="Many transactions",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Show what signed raw transactions say, without any network.

    For types 0 to 4 all fields and the sender; for others the hash and the size.

    Exit codes: 0 decoded; 2 wrong input.
    """
    words = raw or []
    with CommandRun("decode", options) as run:
        gc.enable()  # seqsend.__main__ has turned it off
        is_single = file is None and len(words) == 1 and words != ["-"]
        report = DecodedReport(run.style, is_single=is_single)
        _decode_each(find_source(words, file).open(), report)
        run.exit_code = report.exit_code
    return run.exit_code


def _decode_each(lines: Lines, report: DecodedReport) -> None:
    """Show every transaction; a wrong one does not stop the others.

    Raises:
        UsageError: the input holds no transaction.

    """
    try:
        for line in lines:
            try:
                report.add(take_apart(line.text), line.number)
            except UsageError as error:
                report.refuse(error, line.number)
            if report.written != "written":
                return
    except InputError as error:
        report.note_input_error(error)
    if report.is_empty:
        raise UsageError("the input holds no transaction", example=_GOOD_EMPTY)
