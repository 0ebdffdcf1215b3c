"""JSON-RPC 2.0 messages, built and taken apart. Pure.

Rules are those of https://www.jsonrpc.org/specification.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from seqsend.errors import UsageError
from seqsend.models import JsonRpcError

MAX_DEPTH = 500
"""How deep arrays and objects may be nested in what is parsed here."""

_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of the sequencer."""

    method: str
    params: list[Any] | dict[str, Any]
    expected: str | None = None
    """The only result that is to be believed (for a send: the transaction's own hash)."""


@dataclass(frozen=True, slots=True)
class Result:
    """The ``result`` member of an answer."""

    value: Any


class NotAnAnswer(ValueError):
    """The bytes are no JSON-RPC answer to the request; the text says in what way."""


def encode_request(call: Call, request_id: int) -> bytes:
    """Return the bytes that ask for ``call``.

    Raises:
        UsageError: the method or a parameter cannot be written as JSON.

    """
    message = {"jsonrpc": "2.0", "id": request_id, "method": call.method, "params": call.params}
    try:
        # ASCII only: \u escapes carry every string, lone surrogates included, through any proxy.
        return json.dumps(message, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else "not JSON"
        raise UsageError(
            f"the parameters of {call.method} cannot be sent: {why}", example='["latest", false]'
        ) from None


def encode_batch(calls: Mapping[int, Call]) -> bytes:
    """Return the bytes that ask for ``calls``, by their ids, in one batch (section 6)."""
    return b"[" + b",".join(encode_request(call, i) for i, call in calls.items()) + b"]"


def decode_answer(body: bytes, request_id: int) -> Result | JsonRpcError:
    """Return what ``body`` answers to the request with ``request_id``.

    Raises:
        NotAnAnswer: it is not JSON, or no JSON-RPC answer to that request.

    """
    return read_answer(_decode(body), request_id)


def decode_batch(body: bytes) -> list[Any]:
    """Return the messages in ``body``, of which each can be read by `read_answer`.

    A single message stands for an array of one: servers that refuse a batch answer so.

    Raises:
        NotAnAnswer: it is not JSON, or neither an array nor an object.

    """
    found = _decode(body)
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list):
        raise NotAnAnswer("not a JSON-RPC answer")
    return found


def read_answer(answer: Any, request_id: int) -> Result | JsonRpcError:
    """Return what a parsed message answers to the request with ``request_id``.

    Raises:
        NotAnAnswer: it is no JSON-RPC answer to that request.

    """
    if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0":
        raise NotAnAnswer("not a JSON-RPC answer")
    error = answer.get("error")
    if error is None and "result" not in answer:
        raise NotAnAnswer("a JSON-RPC answer with neither result nor error")
    if error is not None and answer.get("result") is not None:
        raise NotAnAnswer("a JSON-RPC answer with both result and error")
    # A server that could not make out the id of a request refuses it with null (specification,
    # section 5); on a connection that carries one request at a time it can only mean this one.
    answered_id = answer.get("id")
    if (type(answered_id), answered_id) != (int, request_id) and not (
        error is not None and answered_id is None
    ):
        raise NotAnAnswer("an answer to another request (wrong id)")
    return Result(answer["result"]) if error is None else _decode_error(error)


def decode_error(body: bytes) -> JsonRpcError | None:
    """Return the JSON-RPC error in ``body``, whatever its id, or None where there is none."""
    try:
        return read_error(_decode(body))
    except NotAnAnswer:
        return None


def read_error(answer: Any) -> JsonRpcError | None:
    """Return the error in a parsed message, whatever its id, or None where there is none."""
    if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0":
        return None
    if answer.get("result") is not None:
        return None
    try:
        return _decode_error(answer.get("error"))
    except NotAnAnswer:
        return None


def is_notification(body: bytes) -> bool:
    """Tell whether ``body`` is what a subscription sends, and answers nothing (section 4.1)."""
    if b'"method"' not in body:
        return False
    try:
        message = _decode(body)
    except NotAnAnswer:
        return False
    return isinstance(message, dict) and "method" in message and "id" not in message


def _decode_error(error: Any) -> JsonRpcError:
    if not isinstance(error, dict):
        raise NotAnAnswer("a JSON-RPC error that is no object")
    code, message = error.get("code"), error.get("message")
    if type(code) is not int or not isinstance(message, str):
        raise NotAnAnswer("a JSON-RPC error without a code and a message")
    return JsonRpcError(code, message, error.get("data"))


def _decode(body: bytes) -> Any:
    if not body.strip():
        raise NotAnAnswer("an empty answer")
    try:
        return parse_json(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise NotAnAnswer("not JSON: invalid UTF-8") from None
    except RecursionError:
        raise NotAnAnswer("JSON nested too deeply") from None
    except json.JSONDecodeError:
        kind = "an HTML page" if body.lstrip()[:1] == b"<" else "something else"
        raise NotAnAnswer(f"not JSON but {kind}") from None
    except ValueError:
        raise NotAnAnswer("JSON with a number that is too long or out of range") from None


def parse_json(text: str) -> Any:
    """Return the value of a JSON text; NaN, Infinity and numbers that become them are refused.

    Raises:
        ValueError: not JSON (`json.JSONDecodeError`), or a number that Python cannot hold.
        RecursionError: nested more than :data:`MAX_DEPTH` deep.

    """
    if _is_too_deep(text):
        raise RecursionError
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)


def _is_too_deep(text: str) -> bool:
    # Python's own limit is no guard: any library may raise it (py_ecc, and with it eth_account,
    # sets 100,000), and then a page of opening brackets overflows the C stack of the parser.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("out of range")
    return number
