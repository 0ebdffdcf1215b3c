"""Routes to endpoints, connections over them, and pools of idle connections."""

import http.client
import os
import ssl
import time
from collections.abc import Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

from seqsend.errors import EndpointFailure
from seqsend.models import Address, Endpoint
from seqsend.transports.base import LONGEST_IDLE, Exchange
from seqsend.transports.dialling import dial
from seqsend.transports.failures import failure_of
from seqsend.transports.proxies import proxy_for
from seqsend.transports.responses import Response
from seqsend.transports.sockets import Channel, ChannelSocket

MOST_KEPT = 256  # connections per endpoint; with more threads, some dial each time


class Route(NamedTuple):
    """How an endpoint is reached."""

    address: Address
    proxy: Address | None
    context: ssl.SSLContext | None
    """For the endpoint; None without TLS."""
    proxy_context: ssl.SSLContext | None
    """For the proxy; without the client certificate, which is meant for the endpoint."""

    @property
    def is_forwarded(self) -> bool:
        """Whether the proxy gets the request itself, instead of opening a tunnel."""
        return self.proxy is not None and self.address.scheme == "http"


class Trust(NamedTuple):
    """Paths of the files for TLS: authorities and client certificate; see `tls.trust`."""

    cacert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


def routes_to(
    endpoints: "tuple[Endpoint, ...]", files: Trust, environ: Mapping[str, str]
) -> dict[int, Route]:
    """Return the route to each endpoint, by its index.

    Raises:
        UsageError: a proxy's URL or a file cannot be used.

    """
    proxies = {e.index: proxy_for(e.address, environ) for e in endpoints}
    secure_proxy = any(proxy is not None and proxy.is_secure for proxy in proxies.values())
    secure_endpoint = any(e.address.is_secure for e in endpoints)
    context = proxy_context = None
    if secure_proxy or secure_endpoint or any(file is not None for file in files):
        from seqsend.transports.tls import check_paths, trust  # needed for TLS only

        check_paths(*files)
        if secure_endpoint:
            context = trust(files.cacert, environ, files.client_cert, files.client_key)
        if secure_proxy:
            proxy_context = trust(files.cacert, environ)
    return {
        e.index: Route(
            e.address,
            proxies[e.index],
            context if e.address.is_secure else None,
            proxy_context,
        )
        for e in endpoints
    }


def connect(route: Route, exchange: Exchange) -> Channel:
    """Return a channel to an endpoint, or to the proxy that forwards requests to it.

    Raises:
        EndpointFailure: it cannot be reached.
        SignalReceived: a signal came.

    """
    if route.proxy is None:
        channel: Channel = dial(route.address.host, route.address.port, exchange)
    else:
        channel = _reach_proxy(route.proxy, route.proxy_context, exchange)
    try:
        if route.proxy is not None and not route.is_forwarded:
            _tunnel(channel, route.address, route.proxy, exchange)
        if route.context is not None:
            from seqsend.transports.tls import read_certificate, secure  # as above

            exchange.enter("tls")
            secured = secure(channel, route.context, route.address.server_name)
            found = read_certificate(secured)
            exchange.tls_expires = found.expires if found else None
            return secured
    except BaseException as error:
        channel.close()
        if isinstance(error, OSError):
            raise failure_of(error) from None
        raise
    return channel


def _reach_proxy(proxy: Address, context: ssl.SSLContext | None, exchange: Exchange) -> Channel:
    """Dial a proxy; a failure is reported as the proxy's."""
    channel: Channel | None = None
    try:
        channel = dial(proxy.host, proxy.port, exchange)
        if not proxy.is_secure or context is None:
            return channel
        from seqsend.transports.tls import secure  # as above

        exchange.enter("proxy")
        return secure(channel, context, proxy.server_name)
    except BaseException as error:
        if channel is not None:
            channel.close()
        if not isinstance(error, EndpointFailure | OSError):
            raise
        failure = failure_of(error)
        exchange.enter("proxy")
        here = failure.reason_code == "local_limit"
        raise EndpointFailure(
            f"the proxy could not be reached: {failure.reason}",
            "local_limit" if here else "proxy_unreachable",
        ) from None


def _tunnel(channel: Channel, target: Address, proxy: Address, exchange: Exchange) -> None:
    """Have a proxy connect to ``target`` (RFC 9110, section 9.3.6)."""
    exchange.enter("proxy")
    lines = [f"CONNECT {target.place} HTTP/1.1", f"Host: {target.place}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    try:
        channel.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        socket = ChannelSocket(channel)
        response = Response(socket, method="CONNECT")  # type: ignore[arg-type] # enough of one
        response.begin()
    except (OSError, http.client.HTTPException, EndpointFailure) as error:
        failure = failure_of(error)
        timed_out = failure.reason_code == "proxy_unreachable"
        said = failure.reason if timed_out else f"the proxy did not connect: {failure.reason}"
        raise EndpointFailure(said, "proxy_unreachable") from None
    if not 200 <= response.status < 300:
        raise EndpointFailure(f"the proxy did not connect: HTTP {response.status}", "proxy_refused")
    if socket.has_more():
        raise EndpointFailure("the proxy did not connect: its answer is too long", "proxy_refused")


class Connection(Protocol):
    """What a pool keeps."""

    idle_since: float
    """On the clock of `time.monotonic`."""

    def is_fit(self) -> bool:
        """Return whether it can carry a request: it is open, and quiet since its last answer."""

    def drop(self) -> None:
        """Close without a word."""

    def say_goodbye(self) -> None:
        """Close with the protocol's closing message, if it has one; never waits."""


def can_be_used(connection: Connection) -> bool:
    """Return whether a connection that was kept is fit, and not idle for too long.

    Raises:
        SignalReceived: a signal came; the connection is closed.

    """
    try:
        return time.monotonic() - connection.idle_since < LONGEST_IDLE and connection.is_fit()
    except BaseException:
        connection.drop()
        raise


C = TypeVar("C", bound=Connection)


class Pool(Generic[C]):
    """Idle connections to one endpoint; safe to share between threads.

    It relies on a list's atomic operations: a signal could leave a lock taken for ever. After a
    fork the child leaves its parent's connections alone.
    """

    def __init__(self) -> None:
        self._free: list[C] = []
        self._process = os.getpid()
        self._closed = False

    def take(self) -> C | None:
        """Return the latest connection that can be used, or None.

        Raises:
            SignalReceived: a signal came.

        """
        while (connection := self.pop()) is not None:
            if can_be_used(connection):
                return connection
            connection.drop()
        return None

    def pop(self) -> C | None:
        """Return the latest connection, whether or not it can be used; None without one."""
        if self._process != os.getpid():
            self._leave_to_parent()
        try:
            return self._free.pop()
        except IndexError:
            return None

    def keep(self, connection: C) -> None:
        """Take back a connection whose last answer was read whole."""
        connection.idle_since = time.monotonic()
        if self._closed or len(self._free) >= MOST_KEPT or self._process != os.getpid():
            connection.drop()
        else:
            self._free.append(connection)

    def close(self) -> None:
        """Close every idle connection, and from now on each one that is returned."""
        self._closed = True
        while (connection := self.pop()) is not None:
            connection.say_goodbye()

    def _leave_to_parent(self) -> None:
        inherited, self._free = self._free, []
        self._process = os.getpid()
        for connection in inherited:
            connection.drop()  # this process's descriptors; the connections stay open
