"""The options that every command takes, before and after the subcommand.

typer lets an environment variable that is declared on both places beat the command line, so the
variables are read here: what is given after the subcommand beats what is given before it, and both
beat the environment.
"""

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict, TypeVar

import typer

from seqsend.cli.shared_options import OPTIONS, Option
from seqsend.configuration import MAX_RESPONSE_SIZE
from seqsend.endpoints import parse_header
from seqsend.errors import UsageError
from seqsend.render.report import Style
from seqsend.units import parse_duration, parse_size

T = TypeVar("T")
U = TypeVar("U")


RawOptions = Mapping[str, Any]
"""Field of an :class:`Option` → what was typed: a text, None, a list of texts, or a flag."""


class Connection(TypedDict):
    """The arguments that `seqsend.SequencerClient` and `seqsend.check` have in common."""

    endpoints: str
    headers: Mapping[str, str]
    cacert: str | None
    dial_timeout: float
    request_timeout: float
    deadline: float | None
    max_response_size: int


@dataclass(frozen=True, slots=True)
class Settings:
    """The shared options, checked."""

    connection: Connection
    strict_errors: bool
    failback_after: float | None
    state_file: str | None
    metrics_file: str | None


def takes_shared_options(command: Callable[..., T]) -> Callable[..., T]:
    """Return ``command`` with the shared options added to its own.

    It is called with ``options``, what was typed for them so far: here, before it, or both.
    """

    @functools.wraps(command)
    def with_options(context: typer.Context, **values: Any) -> T:
        here = {option.field: values.pop(option.field) for option in OPTIONS}
        context.obj = _later_beats_earlier(context.obj or {}, here)
        return command(options=context.obj, **values)

    own = inspect.signature(command).parameters.values()
    parameters = [
        inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own if p.name != "options"),
        *map(_parameter, OPTIONS),
    ]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_options


def _parameter(option: Option) -> inspect.Parameter:
    types: dict[str, tuple[Any, Any]] = {
        "value": (str | None, None),
        "list": (list[str] | None, None),
        "flag": (bool, False),
    }
    kind, default = types[option.kind]
    declared = typer.Option(
        *option.flags,
        help=option.help,
        metavar=option.metavar,
        rich_help_panel=option.group,
        show_default=False,
    )
    return inspect.Parameter(
        option.field,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, declared],
    )


def _later_beats_earlier(earlier: RawOptions, later: RawOptions) -> RawOptions:
    merged = dict(earlier)
    for option in OPTIONS:
        old, new = earlier.get(option.field), later[option.field]
        if option.kind == "list":
            merged[option.field] = [*(old or ()), *(new or ())]
        else:
            merged[option.field] = old if new is None or new is False else new
    return merged


def read_style(given: RawOptions) -> Style:
    """Return how to report; this cannot fail, so that every failure can be reported."""
    quiet = bool(given["quiet"])
    return Style(
        json=bool(given["json"]), quiet=quiet, verbose=bool(given["verbose"]) and not quiet
    )


def read_settings(given: RawOptions) -> Settings:
    """Return the shared options, completed from the environment and checked.

    Raises:
        UsageError: a value is wrong or missing; the message names the option or variable.

    """
    endpoints = _text(given, "endpoints")
    if endpoints is None:
        raise UsageError(
            "no sequencer given",
            example="--rollup.sequencer-http http://seq1:8545,http://seq2:8545, "
            "or the same in SEQSEND_SEQUENCER_HTTP",
        )
    connection = Connection(
        endpoints=endpoints[0],
        headers=_headers(given),
        cacert=given["cacert"],
        dial_timeout=_parsed(given, "dial_timeout", parse_duration, 5.0),
        request_timeout=_parsed(given, "request_timeout", parse_duration, 10.0),
        deadline=_parsed(given, "deadline", parse_duration, None),
        max_response_size=_parsed(given, "max_response_size", parse_size, MAX_RESPONSE_SIZE),
    )
    return Settings(
        connection,
        strict_errors=given["strict_errors"] or _switch("SEQSEND_STRICT_ERRORS"),
        failback_after=_parsed(given, "failback_after", parse_duration, None),
        state_file=_parsed(given, "state_file", _path, None),
        metrics_file=_parsed(given, "metrics_file", _metrics_path, None),
    )


_BY_FIELD = {option.field: option for option in OPTIONS}


def _text(given: RawOptions, field: str) -> tuple[str, str] | None:
    """Return what was given for ``field`` and where: on the command line, else by a variable."""
    option = _BY_FIELD[field]
    if given[field] is not None:
        return given[field], option.flags[0]
    # An empty variable counts as not set: that is how scripts and CI jobs unset one.
    value = os.environ.get(option.environment or "")
    return (value, str(option.environment)) if value else None


def _parsed(given: RawOptions, field: str, parse: Callable[[str], T], default: U) -> T | U:
    text, source = _text(given, field) or (None, "")
    return parse_option(source, text, parse, default)


def parse_option(source: str, text: str | None, parse: Callable[[str], T], default: U) -> T | U:
    """Return what ``parse`` makes of ``text``, or ``default`` where there is none.

    Raises:
        UsageError: what ``parse`` says, with its ``source`` before it.

    """
    if text is None:
        return default
    try:
        return parse(text)
    except UsageError as error:
        raise error.within(source) from None


def _path(text: str) -> str:
    if not text or "\0" in text:
        raise UsageError("is no path", example="/var/lib/seqsend/state.json")
    return text


def _metrics_path(text: str) -> str:
    # The collector reads no others: a name that it does not see would only be noticed when the
    # metrics are missed.
    if not _path(text).endswith(".prom"):
        raise UsageError(f"{text!r} does not end in .prom", example="seqsend.prom")
    return text


def _switch(variable: str) -> bool:
    text = os.environ.get(variable, "").strip().lower()
    if text in ("", "0", "false", "no", "off"):
        return False
    if text in ("1", "true", "yes", "on"):
        return True
    raise UsageError(f"{variable}: {text!r} is neither yes nor no", example="1, 0")


def _headers(given: RawOptions) -> dict[str, str]:
    option = _BY_FIELD["headers"]
    typed: Sequence[str] = given["headers"]
    source = option.flags[0]
    if not typed:
        source = str(option.environment)
        typed = [line for line in os.environ.get(source, "").splitlines() if line.strip()]
    headers = {}
    for position, text in enumerate(typed, start=1):
        try:
            name, value = parse_header(text)
        except UsageError as error:
            raise error.within(f"{source}, number {position}") from None
        headers[name] = value
    return headers
