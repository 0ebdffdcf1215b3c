"""What a caller says of the endpoints and of how to speak to them, checked; and the defaults."""

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
_LONGEST_ROLE = 64 * 2**10  # bytes of an answer that is true or false

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.failover.roles import Roles  # few clients have them


class Configuration(NamedTuple):
    """The endpoints and how to speak to them."""

    endpoints: tuple[Endpoint, ...]
    limits: Timeouts
    headers: Mapping[int, Mapping[str, str]]
    """Those for each endpoint, by its index."""
    cacert: str | None
    max_response_size: int
    client_cert: str | None = None
    client_key: str | None = None
    readers: tuple[Endpoint, ...] = ()
    """Asked first when something is only read."""
    rollup_nodes: tuple[Endpoint, ...] = ()
    """The op-node or op-conductor of each endpoint, in the same order; they are never sent a
    transaction, or a header of the endpoints."""
    secrets: frozenset[str] = frozenset()
    """What must not be shown of a server's words, for `seqsend.redaction.scrub`."""

    def __repr__(self) -> str:
        """Show no header's value."""
        return f"Configuration({self.endpoints!r}, {self.limits!r})"

    @property
    def all_endpoints(self) -> tuple[Endpoint, ...]:
        """Every endpoint once, readers included."""
        return (*self.endpoints, *(reader for reader in self.readers if reader.reads_only))

    def transport(self, *endpoints: Endpoint) -> Transport:
        """Return what carries requests to ``endpoints``.

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
        # Imported with the first client: a program that only parses, or prints its version, needs
        # neither.
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
        """Return what asks the op-nodes for the endpoints' roles; None if no op-nodes are given.

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
    """Check everything that can be checked without dialling; times are in seconds, sizes in bytes.

    ``headers`` go to every endpoint, and ``endpoint_headers`` to the one at that position in the
    list, counted from 1, where they replace those. Endpoints of ``reads_from`` are counted on after
    the list, and get only headers that are for them.

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
    strangers = sum(reader.reads_only for reader in readers)
    merged = merge_headers(headers or {}, endpoint_headers or {}, len(parsed), strangers)
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
    """Make sure that each time given is one that can be waited for.

    Raises:
        UsageError: one is not; the message has its name.

    """
    for name, seconds in times.items():
        if seconds is not None and not 0 < seconds <= LONGEST:
            raise UsageError(f"{name} is {seconds}, not seconds up to 7 days", example="5.0")
