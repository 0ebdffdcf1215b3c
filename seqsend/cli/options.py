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
from typing import Annotated, Any, Literal, TypedDict, TypeVar

import typer

from seqsend.configuration import MAX_RESPONSE_SIZE
from seqsend.endpoints import parse_header
from seqsend.errors import UsageError
from seqsend.quantities import format_size, parse_duration, parse_size
from seqsend.render.report import Style

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Option:
    """One shared option, as it is typed."""

    field: str
    flags: tuple[str, ...]
    """The first long one is shown in the help; the help's text names the others."""
    help: str
    group: str
    kind: Literal["value", "list", "flag"] = "value"
    metavar: str | None = None
    environment: str | None = None


OPTIONS = (
    Option(
        "endpoints",
        (
            "--rollup.sequencer-http",
            "--rollup.sequencer",
            "--rollup.sequencer-ws",
            "--rollup.sequencerhttp",
        ),
        "The sequencer's addresses, tried in this order; or one ws:// or wss:// address. Also "
        "--rollup.sequencer, --rollup.sequencer-ws, --rollup.sequencerhttp. "
        "[env: SEQSEND_SEQUENCER_HTTP; required]",
        "Sequencer",
        metavar="URL[,URL...]",
        environment="SEQSEND_SEQUENCER_HTTP",
    ),
    Option(
        "headers",
        ("--rollup.sequencer-headers",),
        "Sent to every endpoint; the value is never shown. Repeatable. "
        "[env: SEQSEND_SEQUENCER_HEADERS, one per line]",
        "Sequencer",
        kind="list",
        metavar="NAME=VALUE",
        environment="SEQSEND_SEQUENCER_HEADERS",
    ),
    Option(
        "cacert",
        ("--cacert",),
        "Certificates to trust for https. "
        "[env: SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE; default: the system's]",
        "Sequencer",
        metavar="PATH",
    ),
    Option(
        "dial_timeout",
        ("--sequencer-dial-timeout", "--rollup.sequencer-dial-timeout"),
        "For DNS, TCP over all addresses, and TLS. Also --rollup.sequencer-dial-timeout. "
        "[env: SEQSEND_DIAL_TIMEOUT; default: 5s]",
        "Time",
        metavar="DURATION",
        environment="SEQSEND_DIAL_TIMEOUT",
    ),
    Option(
        "request_timeout",
        ("--sequencer-request-timeout", "--rollup.sequencer-request-timeout"),
        "For one whole attempt on one endpoint. Also --rollup.sequencer-request-timeout. "
        "[env: SEQSEND_REQUEST_TIMEOUT; default: 10s]",
        "Time",
        metavar="DURATION",
        environment="SEQSEND_REQUEST_TIMEOUT",
    ),
    Option(
        "deadline",
        ("--deadline",),
        "For everything: all attempts, look-ups included. "
        "[env: SEQSEND_DEADLINE; default: none beyond the request timeouts]",
        "Time",
        metavar="DURATION",
        environment="SEQSEND_DEADLINE",
    ),
    Option(
        "failback_after",
        ("--failback-after",),
        "After a failover, try endpoint 1 first again once so much time has passed. "
        "[env: SEQSEND_FAILBACK_AFTER; default: never]",
        "Time",
        metavar="DURATION",
        environment="SEQSEND_FAILBACK_AFTER",
    ),
    Option(
        "max_response_size",
        ("--max-response-size",),
        "Refuse a longer answer, counted after decompression. "
        f"[env: SEQSEND_MAX_RESPONSE_SIZE; default: {format_size(MAX_RESPONSE_SIZE)}]",
        "Sequencer",
        metavar="SIZE",
        environment="SEQSEND_MAX_RESPONSE_SIZE",
    ),
    Option(
        "strict_errors",
        ("--strict-errors",),
        'Take every JSON-RPC error for the sequencer\'s verdict, also one that says "not from me" '
        "(a rate limit, a missing method, a node that is syncing). [env: SEQSEND_STRICT_ERRORS]",
        "Sequencer",
        kind="flag",
        environment="SEQSEND_STRICT_ERRORS",
    ),
    Option("json", ("--json",), "Print one JSON object, on failure too.", "Output", kind="flag"),
    Option("quiet", ("--quiet", "-q"), "Nothing on stderr but errors.", "Output", kind="flag"),
    Option(
        "verbose",
        ("--verbose", "-v"),
        "Tell of every attempt: phases, HTTP status and timings.",
        "Output",
        kind="flag",
    ),
)

Given = Mapping[str, Any]
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


def takes_shared_options(command: Callable[..., T]) -> Callable[..., T]:
    """Return ``command`` with the shared options added to its own.

    It is called with ``given``, what was typed for them so far: here, before it, or both.
    """

    @functools.wraps(command)
    def with_options(context: typer.Context, **values: Any) -> T:
        here = {option.field: values.pop(option.field) for option in OPTIONS}
        context.obj = _later_beats_earlier(context.obj or {}, here)
        return command(given=context.obj, **values)

    own = inspect.signature(command).parameters.values()
    parameters = [
        inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own if p.name != "given"),
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


def _later_beats_earlier(earlier: Given, later: Given) -> Given:
    merged = dict(earlier)
    for option in OPTIONS:
        old, new = earlier.get(option.field), later[option.field]
        if option.kind == "list":
            merged[option.field] = [*(old or ()), *(new or ())]
        else:
            merged[option.field] = old if new is None or new is False else new
    return merged


def read_style(given: Given) -> Style:
    """Return how to report; this cannot fail, so that every failure can be reported."""
    return Style(
        json=bool(given["json"]), quiet=bool(given["quiet"]), verbose=bool(given["verbose"])
    )


def read_settings(given: Given) -> Settings:
    """Return the shared options, completed from the environment and checked.

    Raises:
        UsageError: a value is wrong or missing; the message names the option or variable.

    """
    endpoints = _text(given, "endpoints")
    if endpoints is None:
        raise UsageError(
            "no sequencer given",
            good="--rollup.sequencer-http http://seq1:8545,http://seq2:8545, "
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
    )


_BY_FIELD = {option.field: option for option in OPTIONS}


def _text(given: Given, field: str) -> tuple[str, str] | None:
    """Return what was given for ``field`` and where: on the command line, else by a variable."""
    option = _BY_FIELD[field]
    if given[field] is not None:
        return given[field], option.flags[0]
    # An empty variable counts as not set: that is how scripts and CI jobs unset one.
    value = os.environ.get(option.environment or "")
    return (value, str(option.environment)) if value else None


def _parsed(given: Given, field: str, parse: Callable[[str], T], default: U) -> T | U:
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


def _switch(variable: str) -> bool:
    text = os.environ.get(variable, "").strip().lower()
    if text in ("", "0", "false", "no", "off"):
        return False
    if text in ("1", "true", "yes", "on"):
        return True
    raise UsageError(f"{variable}: {text!r} is neither yes nor no", good="1, 0")


def _headers(given: Given) -> dict[str, str]:
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
