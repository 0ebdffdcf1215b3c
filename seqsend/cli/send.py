"""`seqsend send`."""

from typing import Annotated, Any

import typer

from seqsend.cli.command_run import CommandRun
from seqsend.cli.options import RawOptions, parse_option, takes_shared_options
from seqsend.cli.send_options import SendOptions
from seqsend.errors import CallError, UsageError
from seqsend.render.ended import outcome_of_single
from seqsend.sending.stream import Line
from seqsend.units import parse_count, parse_duration

_MANY, _ONE = "Many transactions", "What follows"


def _option(name: str, metavar: str | None, text: str, group: str) -> Any:
    return typer.Option(name, metavar=metavar, help=text, rich_help_panel=group, show_default=False)


@takes_shared_options
def send(
    options: RawOptions,
    raw: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RAWTX]...",
            help="Signed transactions as hex, as `cast mktx` prints them; - reads one per line "
            "from stdin.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        str | None,
        _option("--file", "PATH", "Read them from a file: one per line, # for comments.", _MANY),
    ] = None,
    keep_going: Annotated[
        bool,
        _option(
            "--keep-going", None, "Do not stop at the first that is not accepted or known.", _MANY
        ),
    ] = False,
    allow_empty: Annotated[
        bool, _option("--allow-empty", None, "Exit 0 if there is no transaction at all.", _MANY)
    ] = False,
    batch_size: Annotated[
        str | None,
        _option(
            "--batch-size",
            "N",
            "Transactions per JSON-RPC batch; nodes may run them in any order. [default: 1]",
            _MANY,
        ),
    ] = None,
    wait: Annotated[
        bool, _option("--wait", None, "Wait until it is mined; adds its receipt.", _ONE)
    ] = False,
    wait_timeout: Annotated[
        str | None, _option("--wait-timeout", "DURATION", "For each. [default: 60s]", _ONE)
    ] = None,
    conditional: Annotated[
        str | None,
        _option(
            "--conditional",
            "JSON|@FILE",
            "Send under conditions (eth_sendRawTransactionConditional): knownAccounts, "
            "blockNumberMin, blockNumberMax, timestampMin, timestampMax.",
            _ONE,
        ),
    ] = None,
) -> int:
    """Submit signed raw transactions and print their hashes.

    Several get one line each, in the order given: the hash if it was accepted, is known or may have
    been delivered, else a word. Exit codes: 0 accepted, or already known (confirmed by
    hash); 2 wrong input, not sent; 3 rejected by the sequencer; 4 unreachable, nothing
    delivered; 5 unknown, it may have been delivered (sending the same bytes again is safe); with
    --wait 6 no receipt yet, 7 mined and reverted. For several, that of
    the first that is not 0.
    """
    words = raw or []
    with CommandRun("send", options) as run:
        chosen = SendOptions(
            batch_size=parse_option("--batch-size", batch_size, parse_count, 1),
            keep_going=keep_going,
            allow_empty=allow_empty,
            wait=_parse_wait(wait=wait, text=wait_timeout),
            conditions=parse_option("--conditional", conditional, _parse_conditional, None),
        )
        if file is None and len(words) == 1 and words != ["-"]:
            _send_one(run, words[0], chosen)
        else:
            from seqsend.cli.send_many import send_many  # one needs none of it
            from seqsend.cli.sources import find_source

            send_many(run, find_source(words, file), chosen)
    return run.exit_code


def _send_one(run: CommandRun, raw: str, options: SendOptions) -> None:
    line, interrupted = Line(1, raw), False
    with run.open_client(run.report) as client:
        stream = client.stream(conditions=options.conditions, wait=options.wait)
        try:
            ended = next(stream.run([line]))
        except KeyboardInterrupt:
            interrupted = True
            ended = next(stream.rest([]))
    error = ended.end if isinstance(ended.end, CallError) else None
    run.finish(outcome_of_single(ended, interrupted=interrupted), error)


def _parse_wait(*, wait: bool, text: str | None) -> float | None:
    if text is not None and not wait:
        raise UsageError("--wait-timeout is for --wait", example="--wait --wait-timeout 30s")
    return parse_option("--wait-timeout", text, parse_duration, 60.0) if wait else None


def _parse_conditional(text: str) -> dict[str, Any]:
    from seqsend.sending.conditions import parse_conditions  # few transactions have some

    if not text.startswith("@"):
        return parse_conditions(text)
    from seqsend.cli.input_files import open_to_read, read_text

    try:
        found = read_text(open_to_read(text[1:]))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is not text"
        raise UsageError(f"{text[1:]}: {why.lower()}", example="@conditions.json") from None
    return parse_conditions(found)
