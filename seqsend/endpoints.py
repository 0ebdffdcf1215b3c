"""The endpoint list, as the user typed it. Pure."""

import base64
import ipaddress
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote, unquote

from seqsend.errors import UsageError
from seqsend.models import Address, Endpoint
from seqsend.redaction import HIDDEN, redact_url, redact_value, secrets_in_url
from seqsend.units import format_count

_GOOD = "http://seq1:8545,http://seq2:8545"
_GOOD_NODES = "http://op-node1:9545,http://op-node2:9545"
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_HIGHEST_PORT = 65535

# RFC 3986, appendix B, for URLs with an authority. A host has no "%": decoding would make another
# name of it.
_URL = re.compile(
    r"(?P<scheme>[A-Za-z]+)://(?:(?P<userinfo>[^/?#]*)@)?"
    r"(?P<host>\[[^\[\]@]*\]|[^\[\]:@/?#]+)(?::(?P<port>[0-9]{0,6}))?"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?"
)
_NAME = re.compile(r"[A-Za-z0-9_~-]([A-Za-z0-9._~-]*[A-Za-z0-9_~.-])?")
_ZONE = r"[A-Za-z0-9._~-]+"  # RFC 6874, section 2, without percent-encoding
# A second URL after a wrong separator.
_SEPARATED = r"[;|][A-Za-z]+://"

# A host and port, too short to hold a secret.
_PLAIN = r"([a-z]+://)?(?![A-Za-z0-9_-]{16})[A-Za-z0-9._-]+(:[0-9]{1,5})?/?"


def parse_endpoints(given: str | Iterable[str]) -> tuple[Endpoint, ...]:
    """Return the endpoints of a comma-separated list, or of several URLs, in their order.

    Raises:
        UsageError: the list is empty, or a part of it is not an endpoint, is repeated, or is a
            WebSocket endpoint beside others; the message names that part by its position, redacted.

    """
    text = given if isinstance(given, str) else ",".join(_texts(given))
    urls = [part for part in (part.strip(" \t\r\n") for part in text.split(",")) if part]
    if not urls:
        raise UsageError("no sequencer endpoint given", example=_GOOD)
    seen: dict[tuple[object, ...], int] = {}
    endpoints: list[Endpoint] = []
    for index, url in enumerate(urls, start=1):
        redacted = redact_url(url)
        try:
            address = parse_address(url)
        except UsageError as error:
            shown = _redact_wrong(url)
            if _may_be_cut(urls):
                error = error.noting("a comma within an address is written %2C")
                shown = HIDDEN
            raise error.within(f"endpoint {index} {shown!r}") from None
        first = seen.setdefault(_identity(address), index)
        if first != index:
            raise UsageError(
                f"endpoint {index} {redacted!r} repeats endpoint {first}", example=_GOOD
            )
        if len(urls) > 1 and address.is_websocket:
            raise UsageError(
                f"endpoint {index} {redacted!r}: a WebSocket endpoint must be the only "
                f"one: failover needs http or https endpoints",
                example=_GOOD,
            )
        endpoints.append(Endpoint(index, len(urls), url, redacted, address))
    return tuple(endpoints)


def _texts(given: object) -> list[str]:
    listed = list(given) if isinstance(given, Iterable) else [given]
    texts = [each for each in listed if isinstance(each, str)]
    if len(texts) < len(listed):
        raise UsageError("endpoints must be strings", example=_GOOD)
    return texts


def parse_readers(
    given: str | Iterable[str], endpoints: tuple[Endpoint, ...]
) -> tuple[Endpoint, ...]:
    """Return the endpoints for reads only; their positions continue those of ``endpoints``.

    For a URL that is among ``endpoints``, too, that endpoint itself is returned.

    Raises:
        UsageError: as for `parse_endpoints`; the position in the message is that in ``given``.

    """
    known = {_identity(endpoint.address): endpoint for endpoint in endpoints}
    readers: list[Endpoint] = []
    for reader in parse_endpoints(given):
        same = known.get(_identity(reader.address))
        position = len(endpoints) + sum(each.reads_only for each in readers) + 1
        readers.append(same or reader._replace(index=position, reads_only=True))
    return tuple(readers)


def parse_rollup_nodes(
    given: str | Iterable[str], endpoints: tuple[Endpoint, ...]
) -> tuple[Endpoint, ...]:
    """Return the op-node or op-conductor of each of ``endpoints``, in the same order.

    Raises:
        UsageError: as for `parse_endpoints`; or there is not one URL for each endpoint, or one is
            not http or https.

    """
    text = given if isinstance(given, str) else ",".join(_texts(given))
    if not text.strip(", \t\r\n"):
        raise UsageError("--rollup-rpc: no URL given", example=_GOOD_NODES)
    try:
        nodes = parse_endpoints(text)
    except UsageError as error:
        raise UsageError(f"--rollup-rpc: {error.problem}", example=_GOOD_NODES) from None
    if nodes[0].address.is_websocket:
        raise UsageError(
            f"--rollup-rpc: endpoint 1 {nodes[0].redacted!r}: scheme must be http or https",
            example=_GOOD_NODES,
        )
    if len(nodes) != len(endpoints):
        raise UsageError(
            f"--rollup-rpc: {format_count(len(nodes), 'URL')} for "
            f"{format_count(len(endpoints), 'endpoint')}: give one op-node or op-conductor for "
            "each endpoint, in the same order",
            example=_GOOD_NODES,
        )
    return nodes


def _may_be_cut(parts: Sequence[str]) -> bool:
    """Return whether a comma in a password or key may have split one address into several."""
    bare = any("://" not in part for part in parts[1:])
    return bare and not all(re.fullmatch(_PLAIN, part) for part in parts)


def _redact_wrong(url: str) -> str:
    """Return ``url``, which is wrong, without its secrets.

    If it ends before its ``@``, what stands in place of a port can be a password.
    """
    shown = redact_url(redact_value(url))
    return re.sub(r"(?<=://)[^/@:]*:(?![0-9]+(?:[/?]|$))[^/]*", HIDDEN, shown)


def parse_address(url: str) -> Address:
    """Return the parts of ``url``. No other function parses URLs, so this is what is dialled.

    Raises:
        UsageError: it is not a URL with a known scheme, a host and a valid port; the message does
            not hold the URL.

    """
    if re.search(r"[\ud800-\udfff]", url):
        raise UsageError("is not valid UTF-8", example=_GOOD)
    if re.search(r"[\s\x00-\x20\x7f-\x9f\\]", url):
        raise _wrong("has a space, a control character or a backslash in it", url)
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise _wrong("is not a URL", url)
    scheme = scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise _wrong("scheme must be http or https, or ws or wss", url)
    parts = _URL.fullmatch(url)
    host = _host(parts["host"]) if parts else None
    if parts is None or host is None or re.search(_SEPARATED, url):
        raise _wrong("has no valid host and port", url)
    port = int(parts["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port <= _HIGHEST_PORT:
        raise _wrong("has no valid host and port", url)
    return Address(
        scheme=scheme,
        host=host,
        port=port,
        path=_encoded(parts["path"] or "/"),
        query=_encoded(parts["query"] or ""),
        authorization=_basic(parts["userinfo"]),
        secrets=_secrets(url),
    )


def _secrets(url: str) -> frozenset[str]:
    try:
        return secrets_in_url(url)
    except ValueError:
        raise _wrong("has no valid host and port", url) from None


def _wrong(problem: str, url: str) -> UsageError:
    """Return the error about ``url``, with the likely mistake behind it."""
    if re.search(r"[\s;|]", url):
        problem = f"{problem}: separate endpoints with commas"
    elif re.search(r"\[[^\]]*%", url):
        return UsageError(
            f"{problem}: only a link-local address has a zone, written with %25",
            example="http://[fe80::1%25eth0]:8545",
        )
    return UsageError(problem, example=_GOOD)


def _host(text: str) -> str | None:
    """Return a host as it is looked up, or None if ``text`` is not one."""
    if text.startswith("["):
        return _ipv6(text[1:-1])
    if text.isascii():
        return text.lower() if _NAME.fullmatch(text) else None
    import idna  # for the few names that need it

    try:
        # Label by label: the library itself also reads other characters than "." as a dot.
        labels = [idna.alabel(label).decode("ascii") for label in text.lower().split(".")]
    except (idna.IDNAError, UnicodeError):
        return None
    return ".".join(labels)


def _ipv6(text: str) -> str | None:
    """Return an IPv6 address with its zone (after ``%25``, RFC 6874); None if it is not one."""
    bare, percent, zone = text.partition("%25")
    try:
        address = ipaddress.IPv6Address(bare)
    except ValueError:
        return None
    if address.scope_id is not None:
        return None  # a bare "%" is the start of a percent-encoding
    if not percent:
        return bare.lower()
    return f"{bare.lower()}%{zone}" if address.is_link_local and re.fullmatch(_ZONE, zone) else None


def _encoded(text: str) -> str:
    """Return a path or query; characters that HTTP does not allow are percent-encoded."""
    return quote(text, safe="!#$%&'()*+,/:;=?@[]~")


def _identity(address: Address) -> tuple[object, ...]:
    """Return what two spellings of the same endpoint have in common."""
    return (
        address.scheme,
        address.authorization,
        address.host,
        address.port,
        address.path,
        address.query,
    )


def _basic(userinfo: str | None) -> str | None:
    # RFC 7617; UTF-8 as its section 2.1 allows, percent-decoded as in every URL.
    if userinfo is None:
        return None
    user, _, password = userinfo.partition(":")
    pair = f"{unquote(user)}:{unquote(password)}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")
