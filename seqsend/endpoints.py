"""The endpoint list, as the user typed it. Pure."""

import base64
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from seqsend.errors import UsageError
from seqsend.models import Endpoint
from seqsend.redaction import HIDDEN, redact_url

_GOOD = "http://seq1:8545,http://seq2:8545"
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
WEBSOCKET = ("ws", "wss")
"""The schemes of a WebSocket endpoint."""

# A place in which there is no room for a secret.
_PLAIN = re.compile(r"([a-z]+://)?(?![A-Za-z0-9_-]{16})[A-Za-z0-9._-]+(:[0-9]{1,5})?/?")


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint's URL taken apart. All but host, port and scheme can be secret."""

    scheme: str
    host: str
    port: int
    bare_url: str = field(repr=False)
    """Without userinfo and fragment."""
    authorization: str | None = field(repr=False)
    """The header that the URL's userinfo stands for."""


def parse_endpoints(given: str | Iterable[str]) -> tuple[Endpoint, ...]:
    """Return the endpoints of a comma-separated list, or of several URLs, in their order.

    Raises:
        UsageError: the list is empty, or a part of it is no endpoint or stands in it twice; the
            message names that part by its position, redacted.

    """
    text = given if isinstance(given, str) else ",".join(given)
    urls = [part for part in (part.strip(" \t\r\n") for part in text.split(",")) if part]
    if not urls:
        raise UsageError("no sequencer endpoint given", example=_GOOD)
    seen: dict[tuple[object, ...], int] = {}
    parsed: list[SplitResult] = []
    for index, url in enumerate(urls, start=1):
        try:
            parsed.append(_checked(url))
        except UsageError as error:
            shown = _redact_wrong(url)
            if _may_be_cut(urls):
                error = error.noting("a comma within an address is written %2C")
                shown = HIDDEN
            raise error.within(f"endpoint {index} {shown!r}") from None
        first = seen.setdefault(_identity(parsed[-1]), index)
        if first != index:
            raise UsageError(
                f"endpoint {index} {redact_url(url)!r} is endpoint {first} again", example=_GOOD
            )
        if len(urls) > 1 and parsed[-1].scheme in WEBSOCKET:
            raise UsageError(
                f"endpoint {index} {redact_url(url)!r}: a WebSocket endpoint is the only one, "
                f"failover is between http and https endpoints",
                example=_GOOD,
            )
    return tuple(
        Endpoint(index=index, total=len(urls), url=url, redacted=redact_url(url))
        for index, url in enumerate(urls, start=1)
    )


def _may_be_cut(parts: Sequence[str]) -> bool:
    """Tell whether a comma in a password or key may have made several of one address."""
    bare = any("://" not in part for part in parts[1:])
    return bare and not all(map(_PLAIN.fullmatch, parts))


def _redact_wrong(url: str) -> str:
    """Return ``url``, which is wrong, fit to be shown.

    What is no port can be a password, of an address that ends before its ``@``.
    """
    shown = redact_url(url)
    return re.sub(r"(?<=://)[^/@:]*:(?![0-9]+(?:[/?]|$))[^/]*", HIDDEN, shown)


def _checked(url: str) -> SplitResult:
    # Before urlsplit, which drops tabs and newlines without a word. A backslash is a host's end to
    # some URL parsers and a part of it to others.
    if re.search(r"[\s\x00-\x20\x7f-\x9f\\]", url):
        raise UsageError("has a space, a control character or a backslash in it", example=_GOOD)
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError:
        raise UsageError("has no valid host and port", example=_GOOD) from None
    scheme = parts.scheme.lower()
    if "://" not in url:
        raise UsageError("is no URL", example=_GOOD)
    if scheme not in _DEFAULT_PORTS:
        raise UsageError("scheme must be http or https, or ws or wss", example=_GOOD)
    if not host or not _is_host(host) or port == 0:
        raise UsageError("has no valid host and port", example=_GOOD)
    return parts


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return True
    if host.isascii():
        return re.fullmatch(r"[A-Za-z0-9_~-]([A-Za-z0-9._~-]*[A-Za-z0-9_~.-])?", host) is not None
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _identity(parts: SplitResult) -> tuple[object, ...]:
    """Return what two spellings of the same endpoint have in common."""
    scheme = parts.scheme.lower()
    port = parts.port or _DEFAULT_PORTS[scheme]
    user = (parts.username, parts.password)
    return scheme, user, (parts.hostname or "").lower(), port, parts.path or "/", parts.query


def split_url(url: str) -> Address:
    """Return what a transport needs of the URL of an endpoint, or of a proxy."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
    return Address(
        scheme=scheme,
        host=parts.hostname or "",
        port=parts.port or _DEFAULT_PORTS[scheme],
        bare_url=urlunsplit(bare),
        authorization=_basic(parts.username, parts.password),
    )


def _basic(user: str | None, password: str | None) -> str | None:
    # RFC 7617; UTF-8 as its section 2.1 allows, percent-decoded as in every URL.
    if user is None and password is None:
        return None
    pair = f"{unquote(user or '')}:{unquote(password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")
