"""The endpoints and the options for connecting to them, checked; and the defaults."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from seqsend.arguments import check_arguments
from seqsend.endpoints import parse_endpoints, parse_readers, parse_rollup_nodes
from seqsend.errors import UsageError
from seqsend.failover.requester import Timeouts
from seqsend.headers import merge_headers
from seqsend.models import Endpoint, RolesAsked
from seqsend.redaction import secrets_in_header
from seqsend.transports.base import Routed, Transport
from seqsend.units import LONGEST

DIAL_TIMEOUT = 5.0
"""Seconds; the default."""
REQUEST_TIMEOUT = 10.0
"""Seconds; the default."""
MAX_RESPONSE_SIZE = 32 * 2**20
"""Bytes after decompression; the default."""
_LONGEST_ROLE = 64 * 2**10  # bytes; the answer is true or false

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.failover.roles import Roles  # few clients have them


class Configuration(NamedTuple):
    """The endpoints and how to connect to them."""

    endpoints: tuple[Endpoint, ...]
    limits: Timeouts
    headers: Mapping[int, Mapping[str, str]]
    """Headers of each endpoint, by its index."""
    cacert: str | None
    max_response_size: int
    client_cert: str | None
    client_key: str | None
    readers: tuple[Endpoint, ...]
    """Endpoints that are asked first for reads."""
    rollup_nodes: tuple[Endpoint, ...]
    """The op-node or op-conductor of each endpoint, in the same order; they never get a
    transaction or the endpoints' headers."""
    secrets: frozenset[str]
    """Strings to remove from a server's text, for `seqsend.redaction.scrub`."""

    def __repr__(self) -> str:
        """Leave header values out."""
        return f"Configuration({self.endpoints!r}, {self.limits!r})"

    @property
    def all_endpoints(self) -> tuple[Endpoint, ...]:
        """Every endpoint once, readers included."""
        return (*self.endpoints, *(reader for reader in self.readers if reader.reads_only))

    def transport(self, *endpoints: Endpoint) -> Transport:
        """Return the transport that carries requests to ``endpoints``.

        Raises:
            UsageError: a proxy of the environment or a CA file cannot be used.

        """
        options: dict[str, Any] = {
            "max_response_size": self.max_response_size,
            "cacert": self.cacert,
            "client_cert": self.client_cert,
            "client_key": self.client_key,
        }
        routes: dict[int, Transport] = {}
        # Imported for the first client: a program that only parses, or prints its version, needs no
        # transport.
        for endpoint in endpoints:
            if endpoint.address.is_websocket:
                from seqsend.transports.websocket import WebSocketTransport

                routes[endpoint.index] = WebSocketTransport(endpoint, self.headers, **options)
        over_http = [e for e in endpoints if e.index not in routes]
        if not over_http:
            return next(iter(routes.values())) if len(routes) == 1 else Routed(routes)
        from seqsend.transports.http import HttpTransport

        http = HttpTransport(over_http, self.headers, **options)
        if not routes:
            return http
        return Routed(routes | {endpoint.index: http for endpoint in over_http})

    def roles(self, notify: Callable[[RolesAsked], None] | None = None) -> "Roles | None":
        """Return the `Roles` that asks the op-nodes for roles; None if no op-nodes are given.

        ``notify`` is called each time they have been asked.

        Raises:
            UsageError: a proxy of the environment or a CA file cannot be used.

        """
        if not self.rollup_nodes:
            return None
        from seqsend.failover.roles import Roles
        from seqsend.transports.http import HttpTransport

        transport = HttpTransport(
            self.rollup_nodes,
            {},
            max_response_size=_LONGEST_ROLE,
            cacert=self.cacert,
            client_cert=self.client_cert,
            client_key=self.client_key,
        )
        return Roles(
            self.endpoints,
            self.rollup_nodes,
            transport,
            dial_timeout=self.limits.dial,
            secrets=self.secrets,
            notify=notify,
        )


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
    client_cert: str | None = None,
    client_key: str | None = None,
    reads_from: str | Iterable[str] | None = None,
    rollup_rpc: str | Iterable[str] | None = None,
) -> Configuration:
    """Return the checked configuration; times are in seconds, sizes in bytes. Nothing is dialled.

    ``headers`` go to every endpoint. ``endpoint_headers`` go to the endpoint at that position in
    the list, counted from 1, and replace headers of the same name. The positions of ``reads_from``
    continue the list; its endpoints get only headers that are for them.

    Raises:
        UsageError: an argument is wrong.

    """
    check_arguments(
        dial_timeout=dial_timeout,
        request_timeout=request_timeout,
        deadline=deadline,
        headers=headers,
        endpoint_headers=endpoint_headers,
        cacert=cacert,
        client_cert=client_cert,
        client_key=client_key,
        max_response_size=max_response_size,
    )
    check_times(dial_timeout=dial_timeout, request_timeout=request_timeout, deadline=deadline)
    if max_response_size < 1:
        raise UsageError(
            f"max_response_size is {max_response_size}, not a number of bytes", example="1048576"
        )
    parsed = parse_endpoints(endpoints)
    try:
        readers = () if reads_from is None else parse_readers(reads_from, parsed)
    except UsageError as error:
        raise error.within("--reads-from") from None
    nodes = () if rollup_rpc is None else parse_rollup_nodes(rollup_rpc, parsed)
    reader_count = sum(reader.reads_only for reader in readers)
    merged = merge_headers(headers or {}, endpoint_headers or {}, len(parsed), reader_count)
    return Configuration(
        parsed,
        Timeouts(dial_timeout, request_timeout, deadline),
        merged,
        cacert,
        max_response_size,
        client_cert,
        client_key,
        readers,
        nodes,
        _secrets_in((*parsed, *readers, *nodes), merged.values()),
    )


def _secrets_in(
    endpoints: Iterable[Endpoint], headers: Iterable[Mapping[str, str]]
) -> frozenset[str]:
    """Return every secret of these endpoints, of the proxies on the way to them, and of headers."""
    from seqsend.transports.proxies import proxy_for  # a client is about to dial anyway

    own = [endpoint.address for endpoint in endpoints]
    proxies = [proxy_for(address, os.environ) for address in own]
    addresses = [*own, *filter(None, proxies)]
    found = {secret for address in addresses for secret in address.secrets}
    for address in addresses:
        if address.authorization is not None:
            found |= secrets_in_header("Authorization", address.authorization)
    for each in headers:
        for header in each.items():
            found |= secrets_in_header(*header)
    return frozenset(found)


def check_times(**times: float | None) -> None:
    """Check that each time that is given, in seconds, is above 0 and up to 7 days.

    Raises:
        UsageError: one is not; the message names it.

    """
    for name, seconds in times.items():
        if seconds is not None and not 0 < seconds <= LONGEST:
            raise UsageError(
                f"{name} is {seconds}, not a number of seconds up to 7 days", example="5.0"
            )
