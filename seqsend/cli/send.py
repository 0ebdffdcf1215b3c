"""`seqsend send`."""

from typing import Annotated, Any

import typer

from seqsend.cli.command_run import CommandRun
from seqsend.cli.options import RawOptions, parse_option, takes_shared_options
from seqsend.cli.send_options import SendOptions
from seqsend.errors import CallError, UsageError
from seqsend.models import LEVELS, Level
from seqsend.redaction import redact_value
from seqsend.render.ended import outcome_of_single
from seqsend.sending.stream import MOST_IN_FLIGHT, Line
from seqsend.units import parse_count, parse_duration, parse_whole

_BEFORE, _MANY, _ONE = "Before sending", "Many transactions", "Sending and waiting"


def _option(name: str, metavar: str | None, text: str, group: str) -> Any:
    return typer.Option(name, metavar=metavar, help=text, rich_help_panel=group, show_default=False)


@takes_shared_options
def send(
    options: RawOptions,
    raw: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RAWTX]...",
            help="Signed transactions in hex, as `cast mktx` prints them; - reads one per line "
            "from stdin.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        _option(
            "--dry-run",
            None,
            "Send nothing: compare with the chain; exit 3 if it should not be sent.",
            _BEFORE,
        ),
    ] = False,
    chain_id: Annotated[
        str | None,
        _option("--chain-id", "N", "Refuse transactions signed for another chain.", _BEFORE),
    ] = None,
    file: Annotated[
        str | None,
        _option("--file", "PATH", "Read transactions from a file, one per line.", _MANY),
    ] = None,
    keep_going: Annotated[
        bool,
        _option("--keep-going", None, "Go on after a transaction that is not accepted.", _MANY),
    ] = False,
    allow_empty: Annotated[
        bool, _option("--allow-empty", None, "Exit 0 if the input holds no transaction.", _MANY)
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
    in_flight: Annotated[
        str | None,
        _option(
            "--in-flight",
            "N",
            "Requests under way at once; each sender's transactions keep their order. [default: 1]",
            _MANY,
        ),
    ] = None,
    wait: Annotated[
        bool, _option("--wait", None, "Wait until it is mined; --json adds the receipt.", _ONE)
    ] = False,
    wait_for: Annotated[
        str | None,
        _option(
            "--wait-for",
            "LEVEL",
            "Wait until it is preconfirmed, latest (mined), safe or finalized. [default: latest]",
            _ONE,
        ),
    ] = None,
    sync: Annotated[
        bool,
        _option(
            "--sync",
            None,
            "Send by eth_sendRawTransactionSync, which returns the receipt; implies --wait. "
            "Endpoints without it get the transaction as usual.",
            _ONE,
        ),
    ] = False,
    wait_timeout: Annotated[
        str | None,
        _option("--wait-timeout", "DURATION", "Limit for each transaction. [default: 60s]", _ONE),
    ] = None,
    no_explain: Annotated[
        bool,
        _option(
            "--no-explain",
            None,
            "Do not ask the chain why a transaction was rejected.",
            _ONE,
        ),
    ] = False,
    conditional: Annotated[
        str | None,
        _option(
            "--conditional",
            "JSON|@FILE",
            "Send by eth_sendRawTransactionConditional, with knownAccounts, blockNumberMin, "
            "blockNumberMax, timestampMin, timestampMax.",
            _ONE,
        ),
    ] = None,
) -> int:
    """Submit signed raw transactions and print their hashes.

    Each transaction gets one line, in input order: its hash if it was accepted, is known or may
    have been delivered; otherwise a word such as rejected.

    Exit codes: 0 accepted or already known; 2 wrong input, not sent; 3 rejected; 4 unreachable,
    not delivered; 5 unknown, may have been delivered (sending the same bytes again is safe);
    with --wait, 6 not mined in time, 7 mined and reverted. For several transactions: the first
    code that is not 0.
    """
    words = raw or []
    with CommandRun("send", options) as run:
        chosen = SendOptions(
            batch_size=parse_option("--batch-size", batch_size, parse_count, 1),
            in_flight=parse_option("--in-flight", in_flight, _parse_in_flight, 1),
            keep_going=keep_going,
            allow_empty=allow_empty,
            wait=_parse_wait(wait=wait or sync or wait_for is not None, text=wait_timeout),
            wait_for=parse_option("--wait-for", wait_for, _parse_level, "latest"),
            sync=sync,
            conditions=parse_option("--conditional", conditional, _parse_conditional, None),
            chain_id=parse_option("--chain-id", chain_id, parse_whole, None),
            explain=not no_explain,
            dry_run=dry_run,
        )
        if sync and (chosen.conditions is not None or chosen.batch_size > 1):
            raise UsageError(
                "--sync cannot be combined with --conditional or --batch-size",
                example="--sync --wait-for safe",
            )
        if dry_run:
            from seqsend.cli.dry_run import dry_run_all  # few runs are

            dry_run_all(run, words, file, chosen)
        elif file is None and len(words) == 1 and words != ["-"]:
            _send_one(run, words[0], chosen)
        else:
            from seqsend.cli.send_many import send_many  # a single one needs none of it
            from seqsend.cli.sources import find_source

            send_many(run, find_source(words, file), chosen)
    return run.exit_code


def _send_one(run: CommandRun, raw: str, options: SendOptions) -> None:
    line, interrupted = Line(1, raw), False
    with run.open_client(run.report) as client:
        stream = client.stream(
            conditions=options.conditions,
            chain_id=options.chain_id,
            explain=options.explain,
            wait=options.wait,
            wait_for=options.wait_for,
            sync=options.sync,
        )
        try:
            ended = next(stream.run([line]))
        except KeyboardInterrupt:
            interrupted = True
            ended = next(stream.rest([]))
    error = ended.end if isinstance(ended.end, CallError) else None
    run.finish(outcome_of_single(ended, interrupted=interrupted), error)


def _parse_wait(*, wait: bool, text: str | None) -> float | None:
    if text is not None and not wait:
        raise UsageError("--wait-timeout needs --wait", example="--wait --wait-timeout 30s")
    return parse_option("--wait-timeout", text, parse_duration, 60.0) if wait else None


def _parse_in_flight(text: str) -> int:
    count = parse_count(text)
    if count > MOST_IN_FLIGHT:
        raise UsageError(f"{text!r} is more than {MOST_IN_FLIGHT}", example="32")
    return count


def _parse_level(text: str) -> Level:
    found = next((level for level in LEVELS if level == text), None)
    if found is None:
        raise UsageError(f"{text!r} is not a level", example=", ".join(LEVELS))
    return found


def _parse_conditional(text: str) -> dict[str, Any]:
    from seqsend.sending.conditions import parse_conditions  # few transactions have some

    if not text.startswith("@"):
        return parse_conditions(text)
    from seqsend.cli.input_files import open_to_read, read_text

    try:
        found = read_text(open_to_read(text[1:]))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is not text"
        raise UsageError(
            f"{redact_value(text[1:])}: {why.lower()}", example="@conditions.json"
        ) from None
    return parse_conditions(found)
