"""`seqsend rpc`."""

import sys
from typing import Annotated, Any

import typer

from seqsend.cli.command_run import CommandRun
from seqsend.cli.options import RawOptions, takes_shared_options
from seqsend.errors import UsageError
from seqsend.jsonrpc import parse_json
from seqsend.render.outcome import outcome_of_answer

_GOOD_RAW = "--raw '[\"latest\",false]'"


@takes_shared_options
def rpc(
    options: RawOptions,
    method: Annotated[
        str,
        typer.Argument(
            metavar="METHOD", help="The method's name, such as eth_chainId.", show_default=False
        ),
    ],
    params: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PARAM]...",
            help="Each is JSON if it parses, else a string: 1 is a number, 0x1 and latest are "
            "strings. Put -- before parameters that start with a minus sign.",
            show_default=False,
        ),
    ] = None,
    raw: Annotated[
        str | None,
        typer.Option(
            "--raw",
            metavar="JSON",
            help="All parameters as one JSON array or object; - reads it from stdin.",
            rich_help_panel="Call",
            show_default=False,
        ),
    ] = None,
    retry_unsafe: Annotated[
        bool,
        typer.Option(
            "--retry-unsafe",
            help="Try the next endpoint even if the method could then be carried out twice, such "
            "as eth_sendTransaction after a timeout.",
            rich_help_panel="Call",
            show_default=False,
        ),
    ] = False,
) -> int:
    """Make one JSON-RPC call and print its result.

    The result is printed as JSON on one line, a string without quotes.

    Exit codes: 0 answered; 2 wrong input, nothing sent; 3 the sequencer answered with an error;
    4 unreachable, not delivered; 5 unknown, may have been delivered.
    """
    with CommandRun("rpc", options) as run:
        checked, sent = _checked_method(method), _read_params(params or [], raw)
        with run.open_client(run.report) as client:
            answer = client.request(checked, sent, retry_unsafe=retry_unsafe)
        run.finish(outcome_of_answer(answer))
    return run.exit_code


def _checked_method(method: str) -> str:
    if not method.strip():
        raise UsageError("METHOD is empty", example="eth_chainId")
    return _encodable(method, "METHOD", example="eth_chainId")


def _read_params(params: list[str], raw: str | None) -> list[Any] | dict[str, Any]:
    if raw is None:
        return [_read_param(text, position) for position, text in enumerate(params, start=1)]
    if params:
        raise UsageError("--raw gives all parameters, so PARAM must be left out", example=_GOOD_RAW)
    text = _read_stdin() if raw == "-" else _encodable(raw, "--raw", example=_GOOD_RAW)
    try:
        value = parse_json(text)
    except (ValueError, RecursionError):
        raise UsageError("--raw is not JSON", example=_GOOD_RAW) from None
    if not isinstance(value, list | dict):
        raise UsageError("--raw must be an array or an object", example=_GOOD_RAW)
    return value


def _read_param(text: str, position: int) -> Any:
    """Return what `cast rpc` would send: the JSON value if it is one, else the text itself."""
    text = _encodable(text, f"parameter {position}", example="latest")
    try:
        return parse_json(text)
    except (ValueError, RecursionError) as error:
        looks_like_json = text.lstrip()[:1] in ("{", "[")
        if not looks_like_json and not isinstance(error, RecursionError):
            return text
        raise UsageError(
            f"parameter {position} starts like JSON but does not parse",
            example='\'{"to":"0x…"}\', or \'"["\' for a string that starts with a bracket',
        ) from None


def _read_stdin() -> str:
    from seqsend.cli.input_files import read_text  # few calls need it

    try:
        return read_text(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError) as error:  # AttributeError: stdin is closed
        why = getattr(error, "strerror", None) or "it is closed, or not UTF-8 text"
        raise UsageError(
            f"--raw -: stdin cannot be read: {why.lower()}", example='["latest",false]'
        ) from None


def _encodable(text: str, name: str, *, example: str) -> str:
    # Python reads bytes of a command line that are not UTF-8 as lone surrogates; they would be sent
    # as something that nobody typed.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{name} is not valid UTF-8", example=example) from None
    return text
