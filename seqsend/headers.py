"""Headers as users give them: checked, and merged for each endpoint. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from seqsend.errors import UsageError
from seqsend.redaction import escape
from seqsend.units import format_count

_EXAMPLE = "'Authorization=Bearer abc'"
_SCOPED_EXAMPLE = "'2:Authorization=Bearer abc', for endpoint 2 alone"

# Compiled on use. RFC 9110 section 5.6.2 (token) and 5.5 (field-value, visible ASCII
# and blanks only).
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"[\x20-\x7e\t]*"
# Set by the transport from the message itself; another value would break the framing.
_OWN = frozenset({"content-length", "transfer-encoding", "connection", "content-type"})


class Header(NamedTuple):
    """One header, and the endpoint that it is for."""

    name: str
    value: str
    endpoint: int | None = None
    """Position in the list, counted from 1; None for every endpoint."""

    def __repr__(self) -> str:
        """Show no value."""
        return f"Header({self.name!r}, endpoint={self.endpoint})"


class Headers(NamedTuple):
    """All headers: those for every endpoint, and those for one, which replace them there."""

    everywhere: Mapping[str, str]
    by_endpoint: Mapping[int, Mapping[str, str]]

    def __repr__(self) -> str:
        """Show no value."""
        return "Headers()"


def parse_header(text: str) -> Header:
    """Return the header given as ``NAME=VALUE``, or as ``2:NAME=VALUE`` for endpoint 2 alone.

    Raises:
        UsageError: there is no ``=``, the endpoint is 0, or as for `check_header`. The message
            never holds the value.

    """
    scope = re.match(r"\s*([0-9]+)\s*:", text)
    name, equals, value = text[scope.end() if scope else 0 :].partition("=")
    if not equals:
        raise UsageError("a header must be NAME=VALUE", example=_EXAMPLE)
    if scope is None:
        return Header(*check_header(name, value))
    position = int(scope.group(1)[:9])  # no list is as long as a number with more digits
    _check_position(position)
    return Header(*check_header(name, value), position)


def collect_headers(given: Iterable[Header]) -> Headers:
    """Return the headers, grouped by endpoint; a later one replaces those of the same name."""
    everywhere: dict[str, str] = {}
    by_endpoint: dict[int, dict[str, str]] = {}
    for header in given:
        if header.endpoint is None:
            for own in (everywhere, *by_endpoint.values()):
                _remove(own, header.name)
            everywhere[header.name] = header.value
        else:
            own = by_endpoint.setdefault(header.endpoint, {})
            _remove(own, header.name)
            own[header.name] = header.value
    return Headers(everywhere, by_endpoint)


def merge_headers(
    headers: Mapping[str, str],
    by_endpoint: Mapping[int, Mapping[str, str]],
    total: int,
    readers: int = 0,
) -> dict[int, dict[str, str]]:
    """Return the headers for each of ``total`` endpoints, by its position counted from 1.

    After them come ``readers``, which get only headers that are for them: headers for the sequencer
    must not reach other servers.

    A header for one endpoint replaces one of the same name for every endpoint, and a later one
    replaces an earlier one. Names are compared without regard to case.

    Raises:
        UsageError: a header is not allowed, or is for an endpoint that does not exist.

    """
    for position, own_headers in by_endpoint.items():
        if type(position) is not int or not isinstance(own_headers, Mapping):
            raise UsageError(
                "headers for one endpoint must be a mapping, by its position",
                example="{2: {'Authorization': 'Bearer abc'}}",
            )
        _check_position(position, total + readers)
    merged: dict[int, dict[str, str]] = {}
    for position in range(1, total + readers + 1):
        own = merged[position] = {}
        common = headers if position <= total else {}
        for given in (common, by_endpoint.get(position, {})):
            for name, value in (check_header(*pair) for pair in given.items()):
                _remove(own, name)
                own[name] = value
    return merged


def _remove(headers: dict[str, str], name: str) -> None:
    for same in [each for each in headers if each.lower() == name.lower()]:
        del headers[same]


def check_header(name: str, value: str) -> tuple[str, str]:
    """Return the name and value of a header without the blanks around them.

    Raises:
        UsageError: HTTP does not allow the name or the value (RFC 9110, section 5), or the
            transport sets the header itself. The message never holds the value.

    """
    if not all(isinstance(part, str) for part in (name, value)):
        raise UsageError("the name and value of a header must be strings", example=_EXAMPLE)
    name, value = name.strip(" \t"), value.strip(" \t")
    if not re.fullmatch(_NAME, name):
        # Not quoted: a mistyped header may have its secret left of the equals sign.
        raise UsageError(
            "the name of a header has a character that HTTP does not allow in it", example=_EXAMPLE
        )
    if not re.fullmatch(_VALUE, value):
        raise UsageError(
            f"the value of header {name} has a character that HTTP does not allow", example=_EXAMPLE
        )
    if name.lower() in _OWN:
        raise UsageError(f"header {escape(name)} is set by seqsend itself", example=_EXAMPLE)
    return name, value


def _check_position(position: int, total: int | None = None) -> None:
    if position < 1:
        raise UsageError(
            f"a header is for endpoint {position}, but endpoints are counted from 1",
            example=_SCOPED_EXAMPLE,
        )
    if total is not None and position > total:
        raise UsageError(
            f"a header is for endpoint {position}, but the list has "
            f"{format_count(total, 'endpoint')}",
            example=_SCOPED_EXAMPLE,
        )
