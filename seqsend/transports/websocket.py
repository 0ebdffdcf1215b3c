"""A WebSocket endpoint, over `websockets`' sync client.

Of the client the connection is used, on a socket that is dialled here: its own `connect` follows
redirects, spends its timeout on each address of a name anew and leaves DNS out of it.
"""

import http.client
import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from websockets.client import ClientProtocol
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    WebSocketException,
)
from websockets.frames import CloseCode
from websockets.protocol import State
from websockets.sync.client import ClientConnection
from websockets.uri import parse_uri

from seqsend.endpoints import Address, split_url
from seqsend.errors import EndpointFailure, UsageError
from seqsend.events import Endpoint, Reply
from seqsend.jsonrpc import is_notification
from seqsend.quantities import format_size
from seqsend.shown import describe_status, redact_url
from seqsend.transports.base import Exchange
from seqsend.transports.http import proxy_for
from seqsend.transports.sockets import BoundedSocket, describe_os_error, dial, running, too_late
from seqsend.transports.tls import trust
from seqsend.version import __version__

_NO_DELAY = [(6, 1, 1)]  # IPPROTO_TCP, TCP_NODELAY: a request goes out at once
_CLOSES_WITHIN = 0.1  # seconds for a parting word; nothing is lost when none comes

# The library logs each handshake, URL and headers included: a logger that no program can turn on.
_SILENT = logging.Logger("websockets", logging.CRITICAL + 1)  # noqa: LOG001 - in no program's tree

_GARBLED = "not a WebSocket answer"
# The most specific first.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (InvalidMessage, "not an HTTP answer"),
    (InvalidHandshake, "not a WebSocket server"),
    (http.client.HTTPException, "the proxy did not answer in HTTP"),
)


class WebSocketTransport:
    """Sends to one ``ws://`` or ``wss://`` endpoint; safe to share between threads.

    A connection carries one request at a time. Those that are free are kept for later calls.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        *,
        max_response_size: int,
        cacert: str | None = None,
    ) -> None:
        """Prepare everything that is the same for every call; nothing is dialled yet.

        Raises:
            UsageError: a proxy's URL or a CA file cannot be used.

        """
        self._address = split_url(endpoint.url)
        self._proxy = _http_proxy(endpoint)
        self._limit = max_response_size
        self._headers = dict(headers)
        given = {name.lower() for name in headers}
        if self._address.authorization is not None and "authorization" not in given:
            self._headers["Authorization"] = self._address.authorization
        secure = self._address.scheme == "wss"
        self._context = trust(cacert, os.environ) if secure else None
        self._free: list[ClientConnection] = []

    def exchange(self, endpoint: Endpoint, body: bytes, exchange: Exchange) -> Reply:
        """Send ``body`` once. See `seqsend.transports.base.Transport.exchange`."""
        del endpoint  # there is one
        token = running.set(exchange)
        connection = None
        try:
            connection = self._take_free() or self._open(exchange)
            reply = self._ask(connection, body, exchange)
        except EndpointFailure as failure:
            found = failure
        except (WebSocketException, http.client.HTTPException, OSError, ValueError) as error:
            found = EndpointFailure(_describe(error, self._limit))
        except BaseException:
            _drop(connection)
            raise
        else:
            self._free.append(connection)
            return reply
        finally:
            exchange.leave()
            running.reset(token)
        _drop(connection)
        # As in http.py: no traceback is to show the library's exception behind ours.
        found.__context__ = found.__cause__ = None
        raise found

    def close(self) -> None:
        """Close every connection that was kept."""
        while self._free:
            connection = self._free.pop()
            connection.close()

    def _take_free(self) -> ClientConnection | None:
        while self._free:
            connection = self._free.pop()
            if connection.protocol.state is State.OPEN:
                return connection
            _drop(connection)
        return None

    def _ask(self, connection: ClientConnection, body: bytes, exchange: Exchange) -> Reply:
        exchange.enter("send")
        connection.send(body, text=True)
        exchange.written = True
        exchange.enter("answer")
        try:
            message = connection.recv(exchange.answer_by.remaining, decode=False)
            while is_notification(message):
                message = connection.recv(exchange.answer_by.remaining, decode=False)
        except TimeoutError:
            raise too_late() from None
        return Reply(None, message)

    def _open(self, exchange: Exchange) -> ClientConnection:
        sock = self._dial(exchange)
        exchange.enter("upgrade")
        uri = parse_uri(self._address.bare_url)
        protocol = ClientProtocol(uri, max_size=self._limit, logger=_SILENT)
        connection = ClientConnection(
            sock,  # type: ignore[arg-type]  # has what is asked of a socket
            protocol,
            ping_interval=None,
            close_timeout=_CLOSES_WITHIN,
        )
        try:
            # Entered as its library wants it to be; it is left when it is closed.
            ExitStack().enter_context(connection)
            agent = f"seqsend/{__version__}"
            connection.handshake(self._headers, agent, exchange.dial_by.remaining)
        except TimeoutError:
            _drop(connection)
            raise too_late() from None
        except InvalidStatus as error:
            _drop(connection)
            response = error.response
            said = describe_status(response.status_code, response.headers.get("Location"))
            raise EndpointFailure(said, http_status=response.status_code) from None
        except BaseException:
            _drop(connection)
            raise
        return connection

    def _dial(self, exchange: Exchange) -> BoundedSocket:
        host, port = self._address.host, self._address.port
        if self._proxy is None:
            sock = dial(host, port, _NO_DELAY)
        else:
            sock = _through(self._proxy, self._address, exchange)
        if self._context is None:
            return sock
        exchange.enter("tls")
        try:
            # BoundedSocket hands on what is left of the deadline, which bounds the handshake.
            secured = self._context.wrap_socket(sock, server_hostname=host)  # type: ignore[arg-type]
        except BaseException as error:
            sock.close()
            if isinstance(error, TimeoutError):
                raise too_late() from None
            raise
        return BoundedSocket(secured)


def _http_proxy(endpoint: Endpoint) -> Address | None:
    proxy = proxy_for(endpoint)
    if proxy is None:
        return None
    address = split_url(proxy)
    if address.scheme != "http":
        raise UsageError(f"proxy {redact_url(proxy)!r} for a WebSocket endpoint: not plain HTTP")
    return address


def _through(proxy: Address, target: Address, exchange: Exchange) -> BoundedSocket:
    """Return a socket to ``target`` that an HTTP proxy has connected (RFC 9110, section 9.3.6)."""
    sock = dial(proxy.host, proxy.port, _NO_DELAY)
    exchange.enter("proxy")
    place = (
        f"[{target.host}]:{target.port}" if ":" in target.host else f"{target.host}:{target.port}"
    )
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    try:
        sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        response = http.client.HTTPResponse(sock, method="CONNECT")  # type: ignore[arg-type]
        response.begin()
    except BaseException:
        sock.close()
        raise
    if not 200 <= response.status < 300:
        response.close()
        sock.close()
        raise EndpointFailure(f"the proxy did not connect: HTTP {response.status}")
    return sock


def _describe(error: Exception, limit: int) -> str:
    """Return a reason in our own words."""
    causes = [error, error.__cause__, error.__context__]
    late = next((cause for cause in causes if isinstance(cause, EndpointFailure)), None)
    if late is not None:  # the deadline of a write, which the library took for a lost connection
        return late.reason
    broken = next((cause for cause in causes if isinstance(cause, OSError)), None)
    if broken is not None:
        return describe_os_error(broken)
    if isinstance(error, ConnectionClosed):
        return _describe_close(error, limit)
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), _GARBLED)


def _describe_close(error: ConnectionClosed, limit: int) -> str:
    if error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG:
        return f"answer larger than {format_size(limit)}"
    if error.sent is not None and error.rcvd is None:
        return _GARBLED
    code = f" (code {error.rcvd.code})" if error.rcvd is not None else ""
    return f"connection closed without an answer{code}"


def _drop(connection: ClientConnection | None) -> None:
    """Close without a parting word, and without waiting for one."""
    if connection is not None:
        with suppress(OSError):
            connection.close_socket()
