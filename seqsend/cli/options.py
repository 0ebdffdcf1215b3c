"""The options that every command takes, before and after the subcommand.

typer lets an environment variable that is declared in both places beat the command line, so the
variables are read here: what is given after the subcommand beats what is given before it, and both
beat the environment. The values of a repeatable option are joined instead, in the order given.
"""

import functools
import inspect
import os
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, NamedTuple, TypedDict, TypeVar, cast

import typer

from seqsend.cli.shared_options import OPTIONS, OUTPUT, Option
from seqsend.errors import UsageError
from seqsend.headers import Headers
from seqsend.render.report import Style

T = TypeVar("T")
U = TypeVar("U")


RawOptions = Mapping[str, Any]
"""Field of an :class:`Option` → what was typed: a text, None, a list of texts, or a flag."""


class Connection(TypedDict):
    """The arguments that `seqsend.SequencerClient` and `seqsend.check` have in common.

    Each has a row in `seqsend.cli.shared_options`, under the same name.
    """

    endpoints: str
    headers: Mapping[str, str]
    endpoint_headers: Mapping[int, Mapping[str, str]]
    rollup_rpc: str | None
    cacert: str | None
    client_cert: str | None
    client_key: str | None
    dial_timeout: float
    request_timeout: float
    deadline: float | None
    max_response_size: int


class Settings(NamedTuple):
    """The shared options, checked."""

    connection: Connection
    reads_from: str | None
    strict_errors: bool
    failback_after: float | None
    retry_for: float | None
    hedge_after: float | None
    state_file: str | None
    metrics_file: str | None


def takes_shared_options(
    command: Callable[..., T], *, hidden_groups: Collection[str] = ()
) -> Callable[..., T]:
    """Return ``command`` with the shared options added to its own.

    It is called with ``options``: what was typed for them, before and after the subcommand. Its
    help leaves out those of ``hidden_groups``, which have no effect on it.
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
        *(_parameter(o, is_hidden=o.group in hidden_groups) for o in OPTIONS),
    ]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_options


def takes_output_options(command: Callable[..., T]) -> Callable[..., T]:
    """Return ``command``, which needs no endpoint, with the shared options added to its own.

    All are accepted, so that a command line works after only the command is changed; its help lists
    only those for output.
    """
    groups = {option.group for option in OPTIONS} - {OUTPUT}
    return takes_shared_options(command, hidden_groups=groups)


_TYPES: Mapping[str, Any] = {
    "value": str | None,
    "list": list[str] | None,
    "switch": bool | None,
    "flag": bool | None,
}


def _parameter(option: Option, *, is_hidden: bool) -> inspect.Parameter:
    flags = option.flags
    declared = typer.Option(
        *(("/".join(flags),) if option.kind == "switch" else flags),
        help=option.full_help,
        metavar=option.metavar,
        rich_help_panel=option.group,
        show_default=False,
        hidden=is_hidden,
    )
    return inspect.Parameter(
        option.field,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[_TYPES[option.kind], declared],
    )


def _later_beats_earlier(earlier: RawOptions, later: RawOptions) -> RawOptions:
    merged = dict(earlier)
    for option in OPTIONS:
        old, new = earlier.get(option.field), later[option.field]
        if option.kind == "list":
            merged[option.field] = [*(old or ()), *(new or ())] or None
        else:
            merged[option.field] = old if new is None else new
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
    values = {o.field: _read(o, given[o.field]) for o in OPTIONS if o.group != OUTPUT}
    _check_endpoints(values["endpoints"])
    headers: Headers = values.pop("headers")
    values |= {"headers": headers.everywhere, "endpoint_headers": headers.by_endpoint}
    connection = {name: values.pop(name) for name in Connection.__annotations__}
    return Settings(cast(Connection, connection), **values)


def _read(option: Option, typed: Any) -> Any:
    """Return the value of ``option``: what was typed, else its variable, else its default."""
    if isinstance(typed, bool):
        return typed
    if typed is not None:
        return _parse(option, option.name, typed)
    variable = option.environment or ""
    # Read from a Windows file, a variable ends with a carriage return. An empty one counts as not
    # set: that is how scripts and CI jobs unset it.
    text = os.environ.get(variable, "").strip()
    if not text:
        return option.default
    if option.kind != "list":
        return _parse(option, variable, text)
    lines = [line for line in text.splitlines() if line.strip()]
    return _parse(option, variable, lines if option.per_line else [text])


def _parse(option: Option, source: str, typed: Any) -> Any:
    if option.kind != "list":
        return parse_option(source, typed, option.parse, None)
    numbered = enumerate(typed, start=1)
    return option.collect(
        [parse_option(f"{source}, number {n}", text, option.parse, None) for n, text in numbered]
    )


def _check_endpoints(endpoints: str | None) -> None:
    if endpoints is not None and endpoints.strip(", \t"):
        return
    problem = "no sequencer given" if endpoints is None else "no sequencer endpoint given"
    if os.environ.get("ETH_RPC_URL", "").strip():
        raise UsageError(
            f"{problem} (ETH_RPC_URL is set, but is not used unless you pass it)",
            example='--rollup.sequencer-http "$ETH_RPC_URL"',
        )
    raise UsageError(
        problem,
        example="--rollup.sequencer-http http://seq1:8545,http://seq2:8545, "
        "or the same in SEQSEND_SEQUENCER_HTTP",
    )


def parse_option(source: str, text: str | None, parse: Callable[[str], T], default: U) -> T | U:
    """Return what ``parse`` makes of ``text``, or ``default`` if that is None.

    Raises:
        UsageError: ``parse`` raised it; ``source`` is put before its message.

    """
    if text is None:
        return default
    try:
        return parse(text)
    except UsageError as error:
        raise error.redacting(text).within(source) from None
