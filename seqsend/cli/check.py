"""`seqsend check`."""

import gc
from contextlib import ExitStack
from typing import Annotated, Any

import typer

from seqsend import waiting
from seqsend.cli.command_run import CommandRun
from seqsend.cli.options import RawOptions, parse_option, takes_shared_options
from seqsend.diagnosis.comparison import DEFAULT_MAX_LAG
from seqsend.diagnosis.comparison import check as diagnose
from seqsend.render.outcome import EXIT_CODES
from seqsend.units import parse_count, parse_duration, parse_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.render.look import CheckView

_GROUP = "Comparing and measuring"


def _option(name: str, metavar: str, text: str) -> Any:
    return typer.Option(
        name, metavar=metavar, help=text, rich_help_panel=_GROUP, show_default=False
    )


@takes_shared_options
def check(
    options: RawOptions,
    chain_id: Annotated[
        str | None,
        _option("--chain-id", "N", "Required chain id. [default: the same everywhere]"),
    ] = None,
    max_lag: Annotated[
        str | None,
        _option("--max-lag", "BLOCKS", "How far heads may lie apart. [default: 10]"),
    ] = None,
    count: Annotated[
        str | None,
        _option("--count", "N", "Measure the answer time N times. [default: 1]"),
    ] = None,
    watch: Annotated[
        str | None,
        _option("--watch", "DURATION", "Repeat at this interval until Ctrl-C."),
    ] = None,
) -> int:
    """Reach every endpoint at once and say what is wrong with each.

    Nothing that it asks changes a node. Exit codes: 0 all usable and agreeing; 8 some are usable,
    some are not, or they disagree; 4 none is usable; 2 wrong input.
    """
    with CommandRun("check", options) as run:
        from seqsend.render.look import CheckView  # no other command needs it, nor what it brings

        # The start of the program has turned it off. What is there by now stays to the end.
        gc.freeze()
        gc.enable()
        every = parse_option("--watch", watch, parse_duration, None)
        times = parse_option("--count", count, parse_count, 1)
        compared: dict[str, Any] = {
            "chain_id": parse_option("--chain-id", chain_id, parse_whole, None),
            "max_lag": parse_option("--max-lag", max_lag, parse_whole, DEFAULT_MAX_LAG),
            "count": times,
        }
        arguments: dict[str, Any] = {**run.connection(), **compared}
        view = CheckView(run.style)
        if every is None:
            with view.progress(arguments["endpoints"].count(",") + 1, times) as observer:
                diagnosis = diagnose(**arguments, observer=observer)
            written = view.show(diagnosis)
            run.keep(diagnosis)
            run.exit_code = EXIT_CODES[diagnosis.status] or int(written == "failed")
        else:
            run.exit_code = _watch(run, view, arguments, every)
    return run.exit_code


def _watch(run: CommandRun, view: "CheckView", arguments: Any, every: float) -> int:
    """Diagnose again and again until a signal comes, or until stdout is closed."""
    with ExitStack() as stack:
        draw = stack.enter_context(view.redrawing(every)) if view.redraws else None
        try:
            while True:
                diagnosis = diagnose(**arguments, observer=view.observe)
                if draw is not None:
                    draw(diagnosis)
                elif (written := view.show(diagnosis, dated=True)) != "written":
                    return int(written == "failed")
                run.keep(diagnosis)
                waiting.sleep(every)
        except KeyboardInterrupt:
            return EXIT_CODES["interrupted"]
