"""`seqsend check`."""

import gc
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args

import typer

from seqsend.cli.command_run import CommandRun
from seqsend.cli.options import RawOptions, parse_option, takes_shared_options
from seqsend.diagnosis.comparison import check as diagnose
from seqsend.diagnosis.judging import MAX_AGE, MAX_LAG
from seqsend.diagnosis.report import Diagnosis
from seqsend.endpoints import parse_endpoints
from seqsend.errors import UsageError
from seqsend.render.outcome import EXIT_CODES
from seqsend.units import parse_count, parse_duration, parse_whole

_COMPARING, _REPEATING = "Comparing and measuring", "Repeating"

Required = Literal["any", "all"]
"""How many endpoints must be usable for exit code 0."""


def _option(name: str, metavar: str | None, text: str, group: str = _COMPARING) -> Any:
    return typer.Option(name, metavar=metavar, help=text, rich_help_panel=group, show_default=False)


@takes_shared_options
def check(
    options: RawOptions,
    urls: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[URL]...",
            help="Endpoints, after those of --rollup.sequencer-http.",
            show_default=False,
        ),
    ] = None,
    chain_id: Annotated[
        str | None,
        _option("--chain-id", "N", "Required chain id. [default: all the same]"),
    ] = None,
    max_lag: Annotated[
        str | None,
        _option("--max-lag", "BLOCKS", "How far apart heads may be. [default: 10]"),
    ] = None,
    max_age: Annotated[
        str | None,
        _option(
            "--max-age",
            "DURATION|none",
            "How old a head may be, unless its node mines on demand. [default: 10m]",
        ),
    ] = None,
    max_safe_lag: Annotated[
        str | None,
        _option(
            "--max-safe-lag",
            "DURATION",
            "How far the safe head may be behind the head. [default: no limit]",
        ),
    ] = None,
    probe_forward: Annotated[
        bool,
        _option(
            "--probe-forward",
            None,
            "Send a transaction that can never be executed, to test whether replicas forward to "
            "the sequencer.",
        ),
    ] = False,
    count: Annotated[
        str | None,
        _option("--count", "N", "Measure the answer time N times. [default: 1]"),
    ] = None,
    require: Annotated[
        str | None,
        _option(
            "--require", "any|all", "Endpoints that must be usable for exit code 0. [default: all]"
        ),
    ] = None,
    watch: Annotated[
        str | None,
        _option("--watch", "DURATION", "Repeat at this interval until Ctrl-C.", _REPEATING),
    ] = None,
    until_usable: Annotated[
        str | None,
        _option(
            "--until-usable",
            "DURATION",
            "Repeat every second until the exit code would be 0, for at most this long.",
            _REPEATING,
        ),
    ] = None,
) -> int:
    """Contact all endpoints at once and say what is wrong with each.

    This changes nothing on a node.

    Exit codes: 0 all usable, and they agree; 8 some not usable, they disagree, or heads are old;
    4 none usable; 2 wrong input.
    """
    options = {**options, "endpoints": [*(options["endpoints"] or ()), *(urls or ())] or None}
    with CommandRun("check", options) as run:
        # seqsend.__main__ has turned it off. What exists by now lives until the end.
        gc.freeze()
        gc.enable()
        repeating = _Repeating(
            parse_option("--watch", watch, parse_duration, None),
            parse_option("--until-usable", until_usable, parse_duration, None),
        )
        if repeating.watch is not None and repeating.until_usable is not None:
            raise UsageError(
                "--watch and --until-usable cannot be combined", example="--until-usable 60s"
            )
        compared: dict[str, Any] = {
            "chain_id": parse_option("--chain-id", chain_id, parse_whole, None),
            "max_lag": parse_option("--max-lag", max_lag, parse_whole, MAX_LAG),
            "max_age": parse_option("--max-age", max_age, _parse_age, MAX_AGE),
            "max_safe_lag": parse_option("--max-safe-lag", max_safe_lag, parse_duration, None),
            "probe_forward": probe_forward,
            "count": parse_option("--count", count, parse_count, 1),
        }
        judge = partial(
            _exit_code, required=parse_option("--require", require, _parse_required, "all")
        )
        run.exit_code = _look(run, {**run.connection(), **compared}, repeating, judge)
    return run.exit_code


class _Repeating(NamedTuple):
    """How often and for how long to look, in seconds."""

    watch: float | None
    until_usable: float | None


def _look(
    run: CommandRun,
    arguments: dict[str, Any],
    repeating: _Repeating,
    judge: Callable[[Diagnosis], int],
) -> int:
    """Look as often as the options say, and return the exit code."""
    # No other command needs them, or what they import.
    from seqsend.cli import looking
    from seqsend.cli.looks import Looks
    from seqsend.render.look import CheckView

    total = len(parse_endpoints(arguments["endpoints"]))
    answers = total * arguments["count"] if arguments["count"] > 1 else 0
    limit = arguments["request_timeout"]
    deadline = arguments["deadline"]
    view = CheckView(run.style)
    with Looks(
        partial(diagnose, **arguments),
        total=total,
        answers=answers,
        limit=limit if deadline is None else min(limit, deadline),
        observe=view.observe,
    ) as looks:
        each = looking.Looking(looks, view, judge, run.keep)
        try:
            if repeating.until_usable is not None:
                within = repeating.until_usable
                bound = within if deadline is None else min(within, deadline)
                return looking.look_until_usable(each, bound)
            if repeating.watch is None:
                return looking.look_once(each)
            watch = looking.watch_screen if view.redraws else looking.watch_lines
            return watch(each, repeating.watch)
        finally:
            view.clear_status()


def _exit_code(diagnosis: Diagnosis, required: Required) -> int:
    """Return the exit code for a diagnosis."""
    if required == "any" and any(r.verdict == "usable" for r in diagnosis.endpoints):
        return 0
    return EXIT_CODES[diagnosis.status]


def _parse_age(text: str) -> float | None:
    return None if text.strip() == "none" else parse_duration(text)


def _parse_required(text: str) -> Required:
    for each in get_args(Required):
        if text == each:
            return cast(Required, each)
    raise UsageError(f"{text!r} is neither any nor all", example="any")
