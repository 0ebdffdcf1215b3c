"""What a caller says of the endpoints and of how to speak to them, checked."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from seqsend.endpoints import check_header, parse_endpoints
from seqsend.errors import UsageError
from seqsend.failover.requester import Timeouts
from seqsend.models import Endpoint
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
    client_cert: str | None = None
    client_key: str | None = None

    @property
    def secrets(self) -> frozenset[str]:
        """What a server's words must not carry onto a screen."""
        from seqsend.transports.proxies import proxy_for  # a client is about to dial anyway

        own = [endpoint.address for endpoint in self.endpoints]
        proxies = [proxy_for(address, os.environ) for address in own]
        addresses = [*own, *filter(None, proxies)]
        found = {secret for address in addresses for secret in address.secrets}
        sent = {address.authorization or "" for address in addresses}
        for value in (*self.headers.values(), *sent):
            # Of `Bearer abc` a server may quote the second word alone.
            found |= {value, *value.split()[1:]}
        return frozenset(found)

    def transport(self, *endpoints: Endpoint) -> Transport:
        """Return what carries requests to ``endpoints``.

        Raises:
            UsageError: a proxy of the environment or a CA file cannot be used.

        """
        headers = {endpoint.index: self.headers for endpoint in endpoints}
        # Imported with the first client: a program that only parses, or prints its version, needs
        # neither.
        if endpoints[0].address.is_websocket:
            from seqsend.transports.websocket import WebSocketTransport

            return WebSocketTransport(
                endpoints[0],
                headers,
                max_response_size=self.max_response_size,
                cacert=self.cacert,
                client_cert=self.client_cert,
                client_key=self.client_key,
            )
        from seqsend.transports.http import HttpTransport

        return HttpTransport(
            endpoints,
            headers,
            max_response_size=self.max_response_size,
            cacert=self.cacert,
            client_cert=self.client_cert,
            client_key=self.client_key,
        )


def configure(
    endpoints: str | Iterable[str],
    *,
    dial_timeout: float,
    request_timeout: float,
    deadline: float | None,
    headers: Mapping[str, str] | None,
    cacert: str | None,
    max_response_size: int,
    client_cert: str | None = None,
    client_key: str | None = None,
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
        client_cert,
        client_key,
    )


def check_times(**times: float | None) -> None:
    """Make sure that each time given is one that can be waited for.

    Raises:
        UsageError: one is not; the message has its name.

    """
    for name, seconds in times.items():
        if seconds is not None and not 0 < seconds <= LONGEST:
            raise UsageError(f"{name} is {seconds}, not seconds up to 7 days", example="5.0")
