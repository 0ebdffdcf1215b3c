"""HTTP and HTTPS endpoints: one request at a time on connections that are kept alive.

It follows no redirect, keeps no cookie and reads no ~/.netrc: what the user gave is what is sent.
"""

import http.client
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress

from seqsend.errors import EndpointFailure
from seqsend.models import Endpoint, Reply
from seqsend.transports.answers import CODINGS, Head, read_body, read_head, read_start
from seqsend.transports.base import Exchange
from seqsend.transports.connections import Pool, Route, Trust, connect, routes_to
from seqsend.transports.failures import failure_of
from seqsend.transports.sockets import Channel, Reader
from seqsend.version import __version__

_LONGEST_ERROR_BODY = 64 * 1024  # bytes read of an error status: enough for any JSON-RPC error

_FOREIGN = (OSError, http.client.HTTPException, zlib.error, ValueError, MemoryError)


class HttpTransport:
    """Posts to ``http://`` and ``https://`` endpoints; safe to share between threads."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        headers: Mapping[int, Mapping[str, str]],
        *,
        max_response_size: int,
        cacert: str | None = None,
        client_cert: str | None = None,
        client_key: str | None = None,
    ) -> None:
        """Prepare everything that is the same for every call; nothing is dialled yet.

        Proxies and CA files are read from the environment here, once. ``headers`` are by the
        endpoint's index.

        Raises:
            UsageError: a proxy's URL, a CA file, a client certificate or its key cannot be used.

        """
        files = Trust(cacert, client_cert, client_key)
        routes = routes_to(tuple(endpoints), files, os.environ)
        self._limit = max_response_size
        self._peers = {index: _Peer(r, headers.get(index, {})) for index, r in routes.items()}

    def exchange(self, endpoint: Endpoint, body: bytes, exchange: Exchange) -> Reply:
        """Post ``body`` once. See `seqsend.transports.base.Transport.exchange`."""
        peer = self._peers[endpoint.index]
        return self._carry(peer, peer.post(body), exchange)

    def fetch(self, endpoint: Endpoint, path: str, exchange: Exchange) -> Reply:
        """Get what is at ``path``. See `seqsend.transports.base.Fetching.fetch`."""
        peer = self._peers[endpoint.index]
        return self._carry(peer, peer.get(path), exchange)

    def close(self) -> None:
        """Close every connection that was kept alive."""
        for peer in self._peers.values():
            peer.pool.close()

    def _carry(self, peer: "_Peer", request: bytes, exchange: Exchange) -> Reply:
        connection = None
        try:
            connection = peer.pool.take() or _Connection(connect(peer.route, exchange))
            connection.channel.exchange = exchange
            reply = self._talk(connection, peer.route, request, exchange)
        except BaseException as error:
            if connection is not None:
                connection.drop()
            if isinstance(error, _FOREIGN):
                raise failure_of(error) from None
            raise
        else:
            if connection.persists:
                peer.pool.keep(connection)
            else:
                connection.drop()
            return reply
        finally:
            exchange.leave()

    def _talk(
        self, connection: "_Connection", route: Route, request: bytes, exchange: Exchange
    ) -> Reply:
        exchange.enter("send")
        # If the server closes meanwhile, it may have said before why it does (413, say).
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.channel.sendall(request)
            exchange.written = True
        exchange.enter("answer")
        reader = connection.reader
        head = read_head(reader)
        if head.status == 407 and route.is_forwarded:
            exchange.written = False
            exchange.enter("proxy")
            raise EndpointFailure("the proxy refused the request: HTTP 407", "proxy_refused")
        body, whole = self._read(reader, head, exchange)
        connection.persists = head.persists and whole and exchange.written and not reader.has_more()
        return Reply(
            head.status,
            body,
            location=head.fields.get("location"),
            retry_after=head.fields.get("retry-after"),
            content_type=head.fields.get("content-type"),
        )

    def _read(self, reader: Reader, head: Head, exchange: Exchange) -> tuple[bytes, bool]:
        """Return the body, as much of it as matters, and whether that is all."""
        if 200 <= head.status < 300:
            return read_body(reader, head, self._limit, exchange), True
        if 300 <= head.status < 400:
            return b"", False
        return read_start(reader, head, _LONGEST_ERROR_BODY, exchange)


class _Peer:
    """One endpoint: the way there, what every request to it begins with, and free connections."""

    def __init__(self, route: Route, headers: Mapping[str, str]) -> None:
        self.route = route
        self.pool: Pool[_Connection] = Pool()
        address = route.address
        self._origin = f"http://{address.authority}" if route.is_forwarded else ""
        sent = {
            "Host": address.authority,
            "User-Agent": f"seqsend/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": CODINGS,
            "Content-Type": "application/json",
        }
        if address.authorization is not None:
            sent["Authorization"] = address.authorization
        if route.is_forwarded and route.proxy is not None and route.proxy.authorization is not None:
            sent["Proxy-Authorization"] = route.proxy.authorization
        # A header of the user's replaces ours, in whatever case; of one given twice, the last.
        by_name = {name.lower(): (name, value) for name, value in sent.items()}
        by_name |= {name.lower(): (name, value) for name, value in headers.items()}
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in by_name.values())
        self._post = self._start("POST", address.target) + b"Content-Length: "

    def post(self, body: bytes) -> bytes:
        """Return the request that posts ``body``, whole: two packets would wake a server twice."""
        return b"%b%d\r\n\r\n%b" % (self._post, len(body), body)

    def get(self, path: str) -> bytes:
        """Return the request for what is at ``path`` below the endpoint's own."""
        address = self.route.address
        query = f"?{address.query}" if address.query else ""
        return self._start("GET", f"{address.path.rstrip('/')}/{path}{query}") + b"\r\n"

    def _start(self, method: str, target: str) -> bytes:
        line = f"{method} {self._origin}{target} HTTP/1.1\r\n"
        return (line + self._fields).encode("ascii")


class _Connection:
    """A channel and what was read ahead from it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.reader = Reader(channel)
        self.persists = False
        self.idle_since = time.monotonic()

    def is_fit(self) -> bool:
        """Return whether it can be used again."""
        return self.channel.is_quiet()

    def drop(self) -> None:
        """Close."""
        self.channel.close()

    say_goodbye = drop
