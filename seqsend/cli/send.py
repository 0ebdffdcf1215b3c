"""`seqsend send`."""

from typing import Annotated, Any

import typer

from seqsend.cli.options import RawOptions, parse_option, takes_shared_options
from seqsend.cli.run import Task, guard, run
from seqsend.cli.send_options import SendOptions
from seqsend.cli.session import Session
from seqsend.client import SequencerClient
from seqsend.errors import UsageError
from seqsend.render.outcome import Outcome, outcome_of_sent
from seqsend.sending.transaction import parse_raw_transaction
from seqsend.units import parse_count, parse_duration

_MANY, _ONE = "Many transactions", "What follows"


def _option(name: str, metavar: str | None, text: str, group: str) -> Any:
    return typer.Option(name, metavar=metavar, help=text, rich_help_panel=group, show_default=False)


@takes_shared_options
def send(
    given: RawOptions,
    raw: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RAWTX]...",
            help="Signed transactions as hex, as `cast mktx` prints them; - reads one a line from "
            "stdin.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        str | None,
        _option("--file", "PATH", "Read them from a file: one a line, # for comments.", _MANY),
    ] = None,
    keep_going: Annotated[
        bool,
        _option(
            "--keep-going", None, "Do not stop at the first that is not accepted or known.", _MANY
        ),
    ] = False,
    batch_size: Annotated[
        str | None,
        _option(
            "--batch-size",
            "N",
            "Put so many into one JSON-RPC batch; nodes may run them in any order. [default: 1]",
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
) -> None:
    """Submit signed raw transactions and print their hashes.

    Of several each gets one line, in the order given: its hash where it was accepted, is known or
    may have been delivered, else a word. Exit codes: 0 accepted, or already known (confirmed by
    hash); 2 wrong input, not sent; 3 rejected by the sequencer; 4 unreachable, nothing
    delivered; 5 unknown, it may have been delivered (sending the same bytes again is safe); with
    --wait 6 no receipt yet, 7 mined and reverted. Of several, the first that is not 0.
    """

    def wanted() -> SendOptions:
        return SendOptions(
            batch_size=parse_option("--batch-size", batch_size, parse_count, 1),
            keep_going=keep_going,
            wait=_parse_wait(wait=wait, text=wait_timeout),
            conditions=parse_option("--conditional", conditional, _parse_conditional, None),
        )

    words = raw or []
    if file is None and len(words) == 1 and words != ["-"]:
        run("send", given, lambda: _one(words[0], wanted()))

    def act(session: Session, _report: Any) -> int:
        from seqsend.cli.many import send_many  # one transaction needs none of it
        from seqsend.cli.sources import find_source

        return send_many(session, find_source(words, file), wanted())

    guard("send", given, act)


def _one(raw: str, wanted: SendOptions) -> Task:
    transaction = parse_raw_transaction(raw)

    def act(client: SequencerClient) -> Outcome:
        sent = client.send_raw_transaction(transaction, conditions=wanted.conditions)
        if wanted.wait is None:
            return outcome_of_sent(sent)
        from seqsend.render.ended import outcome_of_ended  # where a receipt is waited for only
        from seqsend.sending.stream import Ended

        alone = iter([Ended(1, sent.hash, sent)])
        (ended,) = client.receipts(wanted.wait).follow(alone)
        return outcome_of_ended(ended, alone=True)

    return Task(act, transaction.hash)


def _parse_wait(*, wait: bool, text: str | None) -> float | None:
    if text is not None and not wait:
        raise UsageError("--wait-timeout is for --wait", example="--wait --wait-timeout 30s")
    return parse_option("--wait-timeout", text, parse_duration, 60.0) if wait else None


def _parse_conditional(text: str) -> dict[str, Any]:
    from seqsend.sending.conditions import parse_conditions  # few transactions have some

    if not text.startswith("@"):
        return parse_conditions(text)
    try:
        with open(text[1:], encoding="utf-8") as file:
            return parse_conditions(file.read())
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is no text"
        raise UsageError(f"{text[1:]}: {why.lower()}", example="@conditions.json") from None
