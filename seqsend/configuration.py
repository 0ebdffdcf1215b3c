"""What a caller says of the endpoints and of how to speak to them, checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from seqsend.endpoints import WEBSOCKET, check_header, parse_endpoints, split_url
from seqsend.errors import UsageError
from seqsend.failover.requester import Timeouts
from seqsend.models import Endpoint
from seqsend.redaction import secrets_in_url
from seqsend.transports.base import Transport
from seqsend.units import LONGEST

MAX_RESPONSE_SIZE = 32 * 2**20
"""Bytes after decompression; the default."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The endpoints and how to speak to them."""

    endpoints: tuple[Endpoint, ...]
    limits: Timeouts
    headers: Mapping[str, str]
    cacert: str | None
    max_response_size: int

    @property
    def secrets(self) -> frozenset[str]:
        """What a server's words must not carry onto a screen."""
        found = {s for endpoint in self.endpoints for s in secrets_in_url(endpoint.url)}
        sent = {split_url(endpoint.url).authorization or "" for endpoint in self.endpoints}
        for value in (*self.headers.values(), *sent):
            # Of `Bearer abc` a server may quote the second word alone.
            found |= {value, *value.split()[1:]}
        return frozenset(found)

    def transport(self, *endpoints: Endpoint) -> Transport:
        """Return what carries requests to ``endpoints``.

        Raises:
            UsageError: a proxy of the environment or a CA file cannot be used.

        """
        limit, cacert = self.max_response_size, self.cacert
        # Imported with the first client: requests costs more than all the rest of this package,
        # and a program that only parses, or prints its version, needs none of it.
        if endpoints[0].url.lower().startswith(WEBSOCKET):
            from seqsend.transports.websocket import WebSocketTransport

            return WebSocketTransport(
                endpoints[0], self.headers, max_response_size=limit, cacert=cacert
            )
        from seqsend.transports.http import HttpTransport

        return HttpTransport(endpoints, self.headers, max_response_size=limit, cacert=cacert)


def configure(
    endpoints: str | Iterable[str],
    *,
    dial_timeout: float,
    request_timeout: float,
    deadline: float | None,
    headers: Mapping[str, str] | None,
    cacert: str | None,
    max_response_size: int,
) -> Configuration:
    """Check everything that can be checked without dialling; times are in seconds, sizes in bytes.

    Raises:
        UsageError: an argument is wrong.

    """
    check_times(dial_timeout=dial_timeout, request_timeout=request_timeout, deadline=deadline)
    if max_response_size < 1:
        raise UsageError(
            f"max_response_size is {max_response_size}, not a number of bytes", example="1048576"
        )
    return Configuration(
        parse_endpoints(endpoints),
        Timeouts(dial_timeout, request_timeout, deadline),
        dict(check_header(*header) for header in (headers or {}).items()),
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
