"""The proxy between this machine and an endpoint, if the environment names one.

The variables are those that curl, Go and Python know. They never apply to this machine itself,
however its address is written: a proxy elsewhere would reach another machine.
"""

import ipaddress
import re
import socket
from collections.abc import Mapping

from seqsend.endpoints import parse_address
from seqsend.errors import UsageError
from seqsend.models import Address
from seqsend.redaction import redact_url, redact_value

_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}

# What /etc/hosts calls the machine itself on Debian and Red Hat.
_LOCAL_NAMES = (
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost6",
    "ip6-localhost",
    "ip6-loopback",
)

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def proxy_for(target: Address, environ: Mapping[str, str]) -> Address | None:
    """Return the proxy that ``environ`` names for ``target``, or None.

    WebSocket endpoints use the variables for http and https.

    Raises:
        UsageError: the variable does not hold the address of an HTTP proxy.

    """
    found = _variable_for(_SCHEMES[target.scheme], environ)
    if found is None or _is_direct(target, environ):
        return None
    name, value = found
    try:
        return _parse(value)
    except UsageError as error:
        raise UsageError(
            f"{name}: {redact_url(redact_value(value))!r} {error.problem}",
            example=f"{name}=http://proxy:3128",
        ) from None


def _parse(value: str) -> Address:
    url = value if "://" in value else f"http://{value}"
    scheme = url.partition("://")[0].lower()
    if scheme not in ("http", "https"):
        raise UsageError("is not an http or https proxy", example="http://proxy:3128")
    return parse_address(url)


def _variable_for(scheme: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the variable that decides for ``scheme``, with its value."""
    for kind in (scheme, "all"):
        found = _variable(f"{kind}_proxy", environ)
        if found is not None:
            return found
    return None


def _variable(name: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    # The lower-case name takes precedence, even if it is empty: as in Python and curl.
    if name in environ:
        written = name
    # A CGI program has a request's "Proxy" header in HTTP_PROXY (CVE-2016-5385).
    elif name == "http_proxy" and "REQUEST_METHOD" in environ:
        return None
    else:
        written = name.upper()
    value = environ.get(written, "").strip()
    return (written, value) if value else None


def _is_direct(target: Address, environ: Mapping[str, str]) -> bool:
    address = _as_ip(target.server_name)
    if _is_this_machine(target.server_name, address) or "%" in target.host:
        return True
    found = _variable("no_proxy", environ)
    entries = re.split(r"[\s,]+", found[1]) if found else ()
    return any(_matches(entry, target, address) for entry in entries if entry)


def _is_this_machine(name: str, address: _IPAddress | None) -> bool:
    if address is None:
        return name in _LOCAL_NAMES or name.endswith(".localhost")
    # The unspecified address reaches this machine, too.
    return address.is_loopback or address.is_unspecified


def _as_ip(name: str) -> _IPAddress | None:
    """Return the IP address in ``name``, in any spelling that the system's resolver accepts."""
    try:
        address: _IPAddress = ipaddress.ip_address(name)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(name))  # 127.1, 0x7f.1, 2130706433
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address


def _matches(entry: str, target: Address, address: _IPAddress | None) -> bool:
    """Return whether an entry of NO_PROXY matches ``target``, by the rules of Go's httpproxy.

    ``name`` matches that host and all its subdomains, ``.name`` and ``*.name`` only the subdomains;
    a port narrows the match. ``*`` matches everything.
    """
    if entry == "*":
        return True
    host, port = _split_port(entry)
    if port is not None and port != target.port:
        return False
    try:
        network = ipaddress.ip_network(host, strict=False)
    except ValueError:
        pass
    else:
        return address is not None and address in network
    host = host.lower().rstrip(".").removeprefix("*")
    name = target.server_name
    if host.startswith("."):
        return name.endswith(host)
    return name == host or name.endswith(f".{host}")


def _split_port(entry: str) -> tuple[str, int | None]:
    found = re.fullmatch(r"\[([^\]]*)\](?::([0-9]{1,5}))?|([^:]*):([0-9]{1,5})", entry)
    if found is None:
        return entry, None
    port = found[2] or found[4]
    return found[1] or found[3] or "", int(port) if port else None
