"""HTTP and HTTPS endpoints, over requests' adapter and urllib3's pools of kept-alive connections.

The adapter is used without a `requests.Session`: a session would read ~/.netrc, keep cookies and
follow redirects, and none of that is wanted here. Nor does either library find out where to dial:
their connections take their socket from `seqsend.transports.connections`, whatever they make of a
URL. No message of theirs leaves this file, because they quote it.
"""

import http.client
import io
import logging
import os
import queue
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, Retry
from urllib3.connection import HTTPConnection
from urllib3.exceptions import DecodeError, HTTPError

from seqsend.errors import EndpointFailure
from seqsend.models import Endpoint, Reply
from seqsend.transports.base import Exchange
from seqsend.transports.connections import (
    MOST_KEPT,
    Pool,
    Route,
    Trust,
    can_be_used,
    connect,
    routes_to,
)
from seqsend.transports.failures import failure_of, timeout_failure
from seqsend.transports.responses import Response
from seqsend.transports.sockets import ChannelSocket
from seqsend.units import format_size
from seqsend.version import __version__

_CHUNK = 64 * 1024  # bytes of a body that are inflated at once
_LONGEST_ERROR_BODY = 64 * 1024  # bytes read of an error status: enough for any JSON-RPC error
_CODINGS = frozenset(("gzip", "x-gzip", "deflate"))
_NO_RETRIES = Retry(False)

_FOREIGN = (HTTPError, http.client.HTTPException, OSError, ValueError, MemoryError)

current_exchange: ContextVar[Exchange] = ContextVar("current_exchange")
"""The exchange this thread is in. Connections come out of urllib3's pool: this is how the one that
is used now learns whose deadline holds."""


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
        _hide_urls_in_logs()

    def exchange(self, endpoint: Endpoint, body: bytes, exchange: Exchange) -> Reply:
        """Post ``body`` once. See `seqsend.transports.base.Transport.exchange`."""
        peer = self._peers[endpoint.index]
        return self._carry(peer, "POST", peer.target, body, exchange)

    def fetch(self, endpoint: Endpoint, path: str, exchange: Exchange) -> Reply:
        """Get what is at ``path``. See `seqsend.transports.base.Fetching.fetch`."""
        peer = self._peers[endpoint.index]
        return self._carry(peer, "GET", peer.target_below(path), None, exchange)

    def close(self) -> None:
        """Close every connection that was kept alive."""
        for peer in self._peers.values():
            peer.adapter.close()

    def _carry(
        self, peer: "_Peer", method: str, target: str, body: bytes | None, exchange: Exchange
    ) -> Reply:
        token = current_exchange.set(exchange)
        try:
            raw = peer.pool.urlopen(
                method,
                target,
                body,
                peer.headers,
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                return self._reply(peer.route, raw, exchange)
            finally:
                # A connection read to its end went back into the pool by itself, out of reach of
                # close(); one that was not is of no use any more.
                raw.close()
                raw.release_conn()
        except _FOREIGN as error:
            # From None: a traceback must not show the library's message, with the URL in it.
            raise _failure(error) from None
        finally:
            exchange.leave()
            current_exchange.reset(token)

    def _reply(self, route: Route, raw: Any, exchange: Exchange) -> Reply:
        if raw.status == 407 and route.is_forwarded:
            exchange.written = False
            exchange.enter("proxy")
            raise EndpointFailure("the proxy refused the request: HTTP 407", "proxy_refused")
        if 200 <= raw.status < 300:
            body = read_body(raw, self._limit, exchange)
        else:
            body = b"" if 300 <= raw.status < 400 else read_start(raw, exchange)
        said = raw.headers
        return Reply(
            raw.status,
            body,
            location=said.get("location"),
            retry_after=said.get("retry-after"),
            content_type=said.get("content-type"),
        )


class _Peer:
    """One endpoint: the way there, what every request to it says, and free connections."""

    def __init__(self, route: Route, headers: Mapping[str, str]) -> None:
        self.route = route
        address = route.address
        self._origin = f"http://{address.authority}" if route.is_forwarded else ""
        self.target = f"{self._origin}{address.target}"
        sent = CaseInsensitiveDict(
            {
                "Host": address.authority,
                "User-Agent": f"seqsend/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "Content-Type": "application/json",
            }
        )
        if address.authorization is not None:
            sent["Authorization"] = address.authorization
        if route.is_forwarded and route.proxy is not None and route.proxy.authorization is not None:
            sent["Proxy-Authorization"] = route.proxy.authorization
        sent.update(headers)  # of the user's, each replaces ours
        self.headers = dict(sent)
        self.adapter = _Adapter(route)
        self.pool = self.adapter.pool

    def target_below(self, path: str) -> str:
        """Return what stands in the request for ``path``, below the endpoint's own."""
        address = self.route.address
        query = f"?{address.query}" if address.query else ""
        return f"{self._origin}{address.path.rstrip('/')}/{path}{query}"


def read_body(raw: Any, limit: int, exchange: Exchange) -> bytes:
    """Return the whole body of urllib3's response ``raw``, inflated.

    Raises:
        EndpointFailure: it is larger than ``limit`` bytes, or the deadline passed.
        urllib3.exceptions.HTTPError: it was cut off, or cannot be inflated.

    """
    # Grows by an eighth at a time and gives its bytes away without a copy: a list of pieces that
    # is joined would need twice as much memory.
    whole = io.BytesIO()
    for piece in _pieces(raw, exchange):
        if whole.tell() + len(piece) > limit:
            raise EndpointFailure(
                f"answer larger than {format_size(limit)}", "too_large", raw.status
            )
        whole.write(piece)
    return whole.getvalue()


def read_start(raw: Any, exchange: Exchange) -> bytes:
    """Return the start of the body of a failing status, at most 64 KiB.

    Whatever may be wrong with the rest is not reported: the status alone says that this is an
    outage.
    """
    start = bytearray()
    with suppress(EndpointFailure, HTTPError, http.client.HTTPException, OSError, ValueError):
        for piece in _pieces(raw, exchange):
            start += piece
            if len(start) > _LONGEST_ERROR_BODY:
                break
    return bytes(start[:_LONGEST_ERROR_BODY])


def _pieces(raw: Any, exchange: Exchange) -> Iterator[bytes]:
    """Yield the body as it comes, each piece inflated to no more than 64 KiB."""
    is_coded = _settle_coding(raw.headers)
    while piece := raw.read1(_CHUNK, decode_content=True):
        yield piece
        if not is_coded and raw.length_remaining == 0:
            return
        # A little may inflate to a lot: that work, too, is done within the deadline.
        if is_coded and exchange.deadline.remaining <= 0:
            raise timeout_failure(exchange)


def _settle_coding(headers: Any) -> bool:
    """Return whether a body has to be inflated; one that was packed twice is refused.

    What urllib3 is given to inflate in one step is bounded on the outside alone: a layer within
    can keep it busy for as long as it likes.
    """
    given = headers.get("content-encoding")
    if given is None:
        return False
    codings = [coding.strip().lower() for coding in given.split(",")]
    applied = [coding for coding in codings if coding not in ("", "identity")]
    if len(applied) > 1 or not _CODINGS.issuperset(applied):
        raise DecodeError
    headers["content-encoding"] = "".join(applied)
    return bool(applied)


def _failure(error: BaseException) -> EndpointFailure:
    """Return what ended an exchange, in our own words: the messages of both hold the URL."""
    if isinstance(error, DecodeError):
        return EndpointFailure("answer could not be decompressed", "not_http")
    if isinstance(error, HTTPError) and error.args and isinstance(error.args[-1], Exception):
        return failure_of(error.args[-1])  # what it was made of
    return failure_of(error)


class _Connection(HTTPConnection):
    """urllib3's connection over a channel of ours.

    It writes into the exchange how far that has come, because that is known here alone.
    """

    response_class = Response

    def __init__(self, *args: Any, route: Route, **named: Any) -> None:
        super().__init__(*args, **named)
        self.idle_since = 0.0
        self._route = route
        self._gathered: list[bytes] = []
        self._is_broken = False

    def connect(self) -> None:
        self.sock: Any = ChannelSocket(connect(self._route, current_exchange.get()))
        self._is_broken = False

    def request(self, *args: Any, **named: Any) -> None:
        exchange = current_exchange.get()
        if self.sock is None:
            self.connect()
        self.sock.channel.exchange = exchange
        exchange.enter("send")
        self._gathered = []
        super().request(*args, **named)
        whole, self._gathered = b"".join(self._gathered), []
        # If the server closes meanwhile, it may have said before why it does (413, say).
        self._is_broken = True
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                self.sock.sendall(whole)
                exchange.written = True
                self._is_broken = False
        except OSError as error:
            raise failure_of(error) from None
        exchange.enter("answer")

    def send(self, data: Any) -> None:
        # Head and body in two packets would wake the server up twice.
        self._gathered.append(data)

    @property
    def is_connected(self) -> bool:
        """Whether urllib3 may use it again."""
        return self.sock is not None and can_be_used(self)

    def is_fit(self) -> bool:
        return not self._is_broken and bool(self.sock.is_quiet())

    def drop(self) -> None:
        self.close()

    say_goodbye = drop


class _Free(Pool[_Connection]):
    """The queue in a pool of urllib3's, without the lock that one of Python's has.

    A signal's exception or a fork at the wrong moment would leave that taken for ever.
    """

    def __init__(self, maxsize: int) -> None:
        super().__init__()
        del maxsize  # is MOST_KEPT

    def get(self, block: bool = False, timeout: float | None = None) -> _Connection:  # noqa: FBT001, FBT002
        del block, timeout  # it never waits
        connection = self.pop()
        if connection is None:
            raise queue.Empty
        return connection

    def put(self, item: _Connection | None, block: bool = False) -> None:  # noqa: FBT001, FBT002
        del block
        if item is not None:  # with None, urllib3 has a place for a connection that is not there
            self.keep(item)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection
    QueueCls: Any = _Free

    def close(self) -> None:
        # An exchange may be under way in another thread, or come later: it has its own connection.
        self.pool: Any
        self.pool.close()


class _Adapter(HTTPAdapter):
    """requests' adapter for one endpoint, with our connections in its pool."""

    def __init__(self, route: Route) -> None:
        self._route = route
        super().__init__(pool_connections=1, pool_maxsize=MOST_KEPT, max_retries=0)
        address = route.address
        # TLS is below: for urllib3 it is a plain connection. The name is for its logs only.
        self.pool = self.poolmanager.connection_from_host(address.server_name, address.port)

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": partial(_Pool, route=self._route)}

    def close(self) -> None:
        self.pool.close()
        super().close()


def _hide_urls_in_logs() -> None:
    # urllib3 logs each request's path, which can hold an API key. A filter on its loggers keeps
    # those lines to requests that are not ours, and leaves handlers and levels to the program.
    for name in ("urllib3.connectionpool", "urllib3.connection"):
        logger = logging.getLogger(name)
        if _is_not_ours not in logger.filters:
            logger.addFilter(_is_not_ours)


def _is_not_ours(_record: logging.LogRecord) -> bool:
    return current_exchange.get(None) is None
