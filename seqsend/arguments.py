"""The types of the arguments that a program passes to the library: right, or a usage error. Pure.

Whether a value makes sense is checked by the function that takes it. Here it is checked that a
value can be compared, printed and passed on at all.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from seqsend.errors import UsageError
from seqsend.models import Preference

_MOST = 2**256  # no number on a chain is larger, and Python refuses to print much larger ones


class _Kind(NamedTuple):
    """What an argument must be, apart from None if that is allowed."""

    holds: Callable[[Any], bool]
    words: str
    example: str


def _is_whole(value: Any) -> bool:
    return type(value) is int and -_MOST < value < _MOST


def _is_number(value: Any) -> bool:
    return type(value) is float or _is_whole(value)


def _is_preference(value: Any) -> bool:
    return isinstance(value, Preference) and _is_whole(value.index) and _is_number(value.age)


_SECONDS = _Kind(_is_number, "a number of seconds", "5.0")
_FLAG = _Kind(lambda value: isinstance(value, bool), "True or False", "True")
_WHOLE = _Kind(_is_whole, "a whole number", "10")
_TEXT = _Kind(lambda value: isinstance(value, str), "a string", "'eth_chainId'")
_PATH = _Kind(
    lambda value: isinstance(value, str) and "\0" not in value, "a path", "'/etc/ssl/ca.pem'"
)
_MAPPING = _Kind(lambda value: isinstance(value, Mapping), "a mapping", "{'Authorization': '…'}")
_OBSERVER = _Kind(callable, "a function", "print")
_PREFERENCE = _Kind(_is_preference, "a Preference", "Preference(1, age=0.0)")

_KINDS: Mapping[str, _Kind] = {
    **dict.fromkeys(("dial_timeout", "request_timeout", "deadline", "wait"), _SECONDS),
    **dict.fromkeys(("failback_after", "retry_for", "hedge_after"), _SECONDS),
    **dict.fromkeys(("max_age", "max_safe_lag"), _SECONDS),
    **dict.fromkeys(("strict_errors", "retry_unsafe", "explain", "keep_going", "sync"), _FLAG),
    "probe_forward": _FLAG,
    **dict.fromkeys(("batch_size", "in_flight", "chain_id"), _WHOLE),
    **dict.fromkeys(("count", "max_lag", "max_response_size"), _WHOLE),
    **dict.fromkeys(("method", "wait_for"), _TEXT),
    **dict.fromkeys(("cacert", "client_cert", "client_key", "path"), _PATH),
    **dict.fromkeys(("headers", "endpoint_headers", "conditions"), _MAPPING),
    "observer": _OBSERVER,
    "on_report": _OBSERVER,
    "begin_at": _PREFERENCE,
}
_MAY_BE_NONE = frozenset(
    {"deadline", "wait", "failback_after", "retry_for", "chain_id", "cacert", "client_cert"}
    | {"client_key", "headers", "endpoint_headers", "conditions", "observer", "begin_at"}
    | {"hedge_after", "max_age", "max_safe_lag", "on_report"}
)


def check_arguments(**given: Any) -> None:
    """Check that arguments, given by their names, are of the right type.

    Raises:
        UsageError: one is not. The message has its type but not its value, which may be secret.

    """
    for name, value in given.items():
        kind = _KINDS[name]
        if kind.holds(value) or (value is None and name in _MAY_BE_NONE):
            continue
        found = type(value).__name__ if type(value) is not int else "a number too large to use"
        raise UsageError(f"{name} is {found}, not {kind.words}", example=kind.example)
