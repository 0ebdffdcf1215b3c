"""JSON-RPC 2.0 messages, built and taken apart. Pure.

The rules and section numbers are those of https://www.jsonrpc.org/specification.
"""

import json
import re
import sys
from typing import Any, NamedTuple, NoReturn

from seqsend.errors import UsageError
from seqsend.models import JsonRpcError, ReasonCode

MAX_DEPTH = 500
"""How deep arrays and objects may be nested in JSON that is parsed here."""

MAX_COST = 176 * 1024 * 1024
"""The most bytes of memory for a JSON text and its values. With the bytes that were received, an
answer then takes less than 256 MB."""

LONGEST_KNOWN = 4 * 1024 * 1024
"""The most bytes of an answer to a send or to one of seqsend's own requests; answers to a user's
calls (`rpc`) may be longer."""

# Bytes on 64-bit CPython, the most of 3.11 to 3.13. An element is a pointer and a scalar or a short
# string; a member is an entry of a half-full hash table and its key.
_COST_OF_ITEM = 8 + 56
_COST_OF_MEMBER = 56 + 56
_COST_OF_LIST = 56 + 32 + 8
_COST_OF_OBJECT = 184 + 8
_LAYERS_TAKEN_OUT = 16
_LONG = 500
"""Digits from which a number counts as long; 256 bits have 78."""
_MOST_DIGITS = 2 * 1024 * 1024  # in all long numbers of an answer

# Compiled on use: few answers need them.
_NOT_BRACKETS = r'(?s)(?:"(?:[^"\\]++|\\.)*+(?:"|\Z)|[^"\[\]{}]++)++'
_LONG_NUMBER = rf"[\s:,\[-][0-9]{{{_LONG}}}"
_SURROGATE = r"\\u[dD][89a-bA-B]"
_CODE_AS_TEXT = r"-?[0-9]{1,10}"


# ASCII only: \u escapes carry every string, lone surrogates included, through any proxy.
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class Call(NamedTuple):
    """A JSON-RPC call to make."""

    method: str
    params: list[Any] | dict[str, Any]
    expected: str | None = None
    """The only result to trust (for a send: the transaction's own hash); None for any."""
    longest_answer: int | None = LONGEST_KNOWN
    """The most bytes of it; None if only the user's limit applies."""


class Result(NamedTuple):
    """The ``result`` member of an answer."""

    value: Any


Answer = Result | JsonRpcError
"""What a JSON-RPC answer holds."""


class NotAnAnswer(ValueError):
    """The bytes are not a JSON-RPC answer to the request; the text says why."""

    def __init__(self, text: str, reason_code: ReasonCode = "not_json_rpc") -> None:
        super().__init__(text)
        self.reason_code: ReasonCode = reason_code


class TooCostly(ValueError):
    """The values of a JSON text would take too much memory."""


def encode_request(call: Call, request_id: int) -> bytes:
    """Return the bytes of the request that makes ``call``.

    Raises:
        UsageError: the method or a parameter cannot be written as JSON.

    """
    try:
        method, params = _encode(call.method), _encode_params(call.params)
    except (TypeError, ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else "not JSON"
        raise UsageError(
            f"the parameters of {call.method} cannot be sent: {why}", example='["latest", false]'
        ) from None
    message = f'{{"jsonrpc":"2.0","id":{request_id},"method":{method},"params":{params}}}'
    return message.encode("ascii")


def _encode_params(params: list[Any] | dict[str, Any]) -> str:
    if isinstance(params, dict):
        return _encode(params)
    # One by one: a string is encoded in a tenth of the time that a list with it takes.
    return f"[{','.join(map(_encode, params))}]"


def decode_answer(body: bytes, request_id: int, expected: str | None = None) -> Answer:
    """Return what ``body`` answers to the request with ``request_id``; see `read_answer`.

    Raises:
        NotAnAnswer: it is not JSON, or not a JSON-RPC answer to that request.

    """
    return read_answer(_decode(body), request_id, expected)


def decode_batch(body: bytes) -> list[Any]:
    """Return the messages in ``body``, to be read by `read_answer`.

    A single message counts as an array of one: some servers refuse a batch with one.

    Raises:
        NotAnAnswer: it is not JSON, or neither an array nor an object.

    """
    found = _decode(body)
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list):
        raise NotAnAnswer("not a JSON-RPC answer")
    return found


def read_answer(answer: Any, request_id: int, expected: str | None = None) -> Answer:
    """Return what a parsed message answers to the request with ``request_id``.

    A result that is ``expected`` proves itself: it is accepted even if the rest of the message is
    wrong.

    Raises:
        NotAnAnswer: it is not a JSON-RPC answer to that request.

    """
    if expected is not None and answers_with(answer, expected):
        return Result(expected)
    if not isinstance(answer, dict):
        raise NotAnAnswer("not a JSON-RPC answer")
    error = answer.get("error")
    if answer.get("jsonrpc") != "2.0" and not _is_unversioned_error(answer, request_id):
        raise NotAnAnswer("not a JSON-RPC answer")
    if error is None and "result" not in answer:
        raise NotAnAnswer("a JSON-RPC answer with neither result nor error")
    if error is not None and answer.get("result") is not None:
        raise NotAnAnswer("a JSON-RPC answer with both result and error")
    # A server that could not read a request's id puts null into its error (section 5). The
    # connection carries one request at a time, so it can only mean this one.
    answered_id = answer.get("id")
    if not _is_id(answered_id, request_id) and not (error is not None and answered_id is None):
        raise NotAnAnswer("an answer to another request (wrong id)")
    return Result(answer["result"]) if error is None else _decode_error(error)


def answers_with(message: Any, expected: str) -> bool:
    """Return whether a parsed message has the hash ``expected`` as its result, ignoring case."""
    if isinstance(message, list) and len(message) == 1:
        message = message[0]
    if not isinstance(message, dict) or message.get("error"):
        return False
    result = message.get("result")
    return isinstance(result, str) and result.lower() == expected.lower()


def _is_id(found: Any, request_id: int) -> bool:
    return type(found) is int and found == request_id


def _is_unversioned_error(answer: dict[str, Any], request_id: int) -> bool:
    # skaled leaves the version out. Then the id must be right: any web server may answer with an
    # object that has an "error".
    return "jsonrpc" not in answer and "error" in answer and _is_id(answer.get("id"), request_id)


def decode_error(body: bytes) -> JsonRpcError | None:
    """Return the JSON-RPC error in ``body``, with any id; None without an error."""
    try:
        return read_error(_decode(body))
    except NotAnAnswer:
        return None


def read_error(answer: Any) -> JsonRpcError | None:
    """Return the error in a parsed message, with any id; None without an error."""
    if not isinstance(answer, dict) or answer.get("jsonrpc", "2.0") != "2.0":
        return None
    if answer.get("result") is not None or not {"jsonrpc", "id"} & answer.keys():
        return None
    try:
        return _decode_error(answer.get("error"))
    except NotAnAnswer:
        return None


def is_notification(body: bytes) -> bool:
    """Return whether ``body`` is a notification, which answers no request (section 4.1)."""
    if b'"method"' not in body:
        return False
    try:
        message = _decode(body)
    except NotAnAnswer:
        return False
    return isinstance(message, dict) and "method" in message and "id" not in message


def _decode_error(error: Any) -> JsonRpcError:
    if not isinstance(error, dict):
        raise NotAnAnswer("a JSON-RPC error that is not an object")
    code, message = error.get("code"), error.get("message")
    if isinstance(code, str) and re.fullmatch(_CODE_AS_TEXT, code):
        code = int(code)
    if type(code) is not int or not isinstance(message, str):
        raise NotAnAnswer("a JSON-RPC error without a code and a message")
    return JsonRpcError(code, message, error.get("data"))


def _decode(body: bytes) -> Any:
    if not body.strip():
        raise NotAnAnswer("an empty answer", "not_json")
    try:
        return parse_json(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise NotAnAnswer("not JSON: invalid UTF-8", "not_json") from None
    except RecursionError:
        raise NotAnAnswer("JSON nested too deeply", "too_large") from None
    except json.JSONDecodeError:
        if body.lstrip()[:1] == b"<":
            raise NotAnAnswer("not JSON but an HTML page", "html") from None
        raise NotAnAnswer("not JSON but something else", "not_json") from None
    except TooCostly:
        raise NotAnAnswer("JSON with too many values", "too_large") from None
    except ValueError:
        text = "JSON with a number that is too long or out of range"
        raise NotAnAnswer(text, "too_large") from None


def parse_json(text: str) -> Any:
    """Return the value of a JSON text; NaN, Infinity and numbers that become them are refused.

    Raises:
        ValueError: not JSON (`json.JSONDecodeError`), a number that Python cannot hold, or more
            values than fit into :data:`MAX_COST` (`TooCostly`).
        RecursionError: nested more than :data:`MAX_DEPTH` deep.

    """
    if _cost(text) > MAX_COST:
        raise TooCostly("too many values")
    if _is_too_deep(text):
        raise RecursionError
    parse_int = _Digits().read if _has_long_numbers(text) else None
    return json.loads(
        text, parse_constant=_refuse_constant, parse_float=_finite, parse_int=parse_int
    )


def _cost(text: str) -> int:
    """Return an upper bound of the bytes that the text and its values take in CPython.

    Commas, colons and brackets inside strings are counted as well: that errs on the safe side, and
    needs four searches instead of a parser.
    """
    # A string with one wide character is wide throughout, and is widened while it grows.
    widest = 6 if re.search(_SURROGATE, text) else 3 if "\\u" in text else 1
    strings = max(sys.getsizeof(text), len(text) * widest)
    return (
        sys.getsizeof(text)
        + strings
        + text.count(",") * _COST_OF_ITEM
        + text.count(":") * _COST_OF_MEMBER
        + text.count("[") * _COST_OF_LIST
        + text.count("{") * _COST_OF_OBJECT
    )


def _is_too_deep(text: str) -> bool:
    # Python's recursion limit is not enough: any library may raise it (py_ecc, and with it
    # eth_account, sets 100,000). Then a page of opening brackets overflows the parser's C stack.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    brackets = re.sub(_NOT_BRACKETS, "", text)
    # Innermost pairs are removed, layer by layer: most texts have nothing left to count then.
    for _ in range(_LAYERS_TAKEN_OUT):
        brackets = brackets.replace("[]", "").replace("{}", "")
    depth = _LAYERS_TAKEN_OUT
    for bracket in brackets:
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _has_long_numbers(text: str) -> bool:
    """Return whether the text may hold more long numbers than are taken.

    Reading a number, and printing it later, takes time by the square of its digits.
    """
    # Counted first: that is far quicker than the search.
    digits = sum(map(text.count, "0123456789")) if len(text) > _MOST_DIGITS else 0
    return digits > _MOST_DIGITS and re.search(_LONG_NUMBER, text) is not None


class _Digits:
    """Reads whole numbers until the long ones have too many digits together."""

    def __init__(self) -> None:
        self._left = _MOST_DIGITS

    def read(self, digits: str) -> int:
        if len(digits) >= _LONG:
            self._left -= len(digits)
            if self._left < 0:
                raise ValueError("too many digits")
        return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("out of range")
    return number
