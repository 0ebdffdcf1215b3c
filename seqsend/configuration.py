"""What a caller says of the endpoints and of how to speak to them, checked; and the defaults."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from seqsend.endpoints import WEBSOCKET, parse_endpoints
from seqsend.errors import UsageError
from seqsend.failover.requester import Timeouts
from seqsend.headers import merge_headers
from seqsend.models import Endpoint
from seqsend.redaction import secrets_in_header, secrets_in_url
from seqsend.transports.base import Transport
from seqsend.units import LONGEST

DIAL_TIMEOUT = 5.0
"""Seconds; the default."""
REQUEST_TIMEOUT = 10.0
"""Seconds; the default."""
MAX_RESPONSE_SIZE = 32 * 2**20
"""Bytes after decompression; the default."""

_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Configuration:
    """The endpoints and how to speak to them."""

    endpoints: tuple[Endpoint, ...]
    limits: Timeouts
    headers: Mapping[int, Mapping[str, str]] = field(repr=False)
    """Those for each endpoint, by its index."""
    cacert: str | None
    max_response_size: int

    @property
    def secrets(self) -> frozenset[str]:
        """What must not be shown of a server's words, for `seqsend.redaction.scrub`."""
        found: set[str] = set()
        for url in (*(endpoint.url for endpoint in self.endpoints), *_proxy_urls(os.environ)):
            found |= secrets_in_url(url)
        for headers in self.headers.values():
            for header in headers.items():
                found |= secrets_in_header(*header)
        return frozenset(found)

    def transport(self, *endpoints: Endpoint) -> Transport:
        """Return what carries requests to ``endpoints``.

        Raises:
            UsageError: a proxy of the environment or a CA file cannot be used.

        """
        limit, cacert = self.max_response_size, self.cacert
        # Imported with the first client: requests costs more than all the rest of this package,
        # and a program that only parses, or prints its version, does not need it.
        if endpoints[0].url.lower().startswith(WEBSOCKET):
            from seqsend.transports.websocket import WebSocketTransport

            return WebSocketTransport(
                endpoints[0], self.headers, max_response_size=limit, cacert=cacert
            )
        from seqsend.transports.http import HttpTransport

        return HttpTransport(endpoints, self.headers, max_response_size=limit, cacert=cacert)


def _proxy_urls(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the proxies' URLs that can be parsed; others are refused where they would be used."""
    for name in (*_PROXY_VARIABLES, *map(str.lower, _PROXY_VARIABLES)):
        url = environ.get(name, "").strip()
        # Without the slashes its user would be taken for a scheme.
        url = url if "://" in url else f"//{url}"
        with suppress(ValueError):
            secrets_in_url(url)
            yield url


def configure(
    endpoints: str | Iterable[str],
    *,
    dial_timeout: float,
    request_timeout: float,
    deadline: float | None,
    headers: Mapping[str, str] | None,
    endpoint_headers: Mapping[int, Mapping[str, str]] | None = None,
    cacert: str | None,
    max_response_size: int,
) -> Configuration:
    """Check everything that can be checked without dialling; times are in seconds, sizes in bytes.

    ``headers`` go to every endpoint, and ``endpoint_headers`` to the one at that position in the
    list, counted from 1, where they replace those.

    Raises:
        UsageError: an argument is wrong.

    """
    check_times(dial_timeout=dial_timeout, request_timeout=request_timeout, deadline=deadline)
    if max_response_size < 1:
        raise UsageError(
            f"max_response_size is {max_response_size}, not a number of bytes", example="1048576"
        )
    parsed = parse_endpoints(endpoints)
    return Configuration(
        parsed,
        Timeouts(dial_timeout, request_timeout, deadline),
        merge_headers(headers or {}, endpoint_headers or {}, len(parsed)),
        cacert,
        max_response_size,
    )


def check_times(**times: float | None) -> None:
    """Make sure that each time given is one that can be waited for.

    Raises:
        UsageError: one is not; the message has its name.

    """
    for name, seconds in times.items():
        if seconds is not None and not 0 < seconds <= LONGEST:
            raise UsageError(f"{name} is {seconds}, not seconds up to 7 days", example="5.0")
