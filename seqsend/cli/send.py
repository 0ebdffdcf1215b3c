"""`seqsend send`."""

from typing import Annotated

import typer

from seqsend.cli.options import Given, takes_shared_options
from seqsend.cli.run import Task, run
from seqsend.rawtx import parse_raw_transaction
from seqsend.render.outcome import outcome_of_sent


@takes_shared_options
def send(
    given: Given,
    raw: Annotated[
        str,
        typer.Argument(
            metavar="RAWTX",
            help="The signed transaction as hex, as `cast mktx` prints it.",
            show_default=False,
        ),
    ],
) -> None:
    """Submit a signed raw transaction and print its hash.

    Exit codes: 0 accepted, or already known (confirmed by hash); 2 wrong input, nothing sent;
    3 rejected by the sequencer; 4 unreachable, nothing delivered; 5 unknown, it may have been
    delivered (sending the same bytes again is safe).
    """

    def prepare() -> Task:
        transaction = parse_raw_transaction(raw)
        return Task(
            lambda client: outcome_of_sent(client.send_raw_transaction(transaction)),
            transaction.hash,
        )

    run("send", given, prepare)
