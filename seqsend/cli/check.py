"""`seqsend check`."""

from typing import Annotated, Any

import typer

from seqsend.cli.interrupts import Interrupts
from seqsend.cli.options import RawOptions, parse_option, takes_shared_options
from seqsend.cli.run import guard
from seqsend.cli.session import Session
from seqsend.units import parse_count, parse_duration, parse_whole

_GROUP = "Comparing and measuring"


def _option(name: str, metavar: str, text: str) -> Any:
    return typer.Option(
        name, metavar=metavar, help=text, rich_help_panel=_GROUP, show_default=False
    )


@takes_shared_options
def check(
    given: RawOptions,
    chain_id: Annotated[
        str | None,
        _option("--chain-id", "N", "The chain that every endpoint must be of. [default: the same]"),
    ] = None,
    max_lag: Annotated[
        str | None,
        _option("--max-lag", "BLOCKS", "By how much heads may differ. [default: 10]"),
    ] = None,
    count: Annotated[
        str | None,
        _option("--count", "N", "Measure the time of an answer so many times. [default: 1]"),
    ] = None,
    watch: Annotated[
        str | None,
        _option("--watch", "DURATION", "Look again so often, until Ctrl-C."),
    ] = None,
) -> None:
    """Reach every endpoint at once and say what is wrong with each.

    Nothing that it asks changes a node. Exit codes: 0 all usable and agreeing; 8 some are usable,
    some are not, or they disagree; 4 none is usable; 2 wrong input.
    """

    def act(session: Session, _report: Any) -> int:
        from seqsend.render.look import Look  # no other command needs it, nor what it brings

        with Interrupts() as interrupts:
            return Look(session.style, session.found, interrupts.run).run(
                session.connection(),
                chain_id=parse_option("--chain-id", chain_id, parse_whole, None),
                max_lag=parse_option("--max-lag", max_lag, parse_whole, 10),
                count=parse_option("--count", count, parse_count, 1),
                every=parse_option("--watch", watch, parse_duration, None),
            )

    guard("check", given, act)
