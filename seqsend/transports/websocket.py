"""A WebSocket endpoint, over `websockets`' protocol without I/O.

The socket is dialled and read here, so that the same deadlines hold as for HTTP; the library's own
`connect` follows redirects and spends its timeout on each address of a name anew.
"""

import http.client
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector

from websockets.client import ClientProtocol
from websockets.exceptions import (
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    WebSocketException,
)
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from seqsend.endpoints import Address, split_url
from seqsend.errors import EndpointFailure, UsageError
from seqsend.jsonrpc import is_notification
from seqsend.models import Endpoint, Reply
from seqsend.redaction import describe_status, redact_url
from seqsend.transports.base import LONGEST_IDLE, Exchange
from seqsend.transports.http import proxy_for
from seqsend.transports.sockets import (
    BoundedSocket,
    current_exchange,
    describe_os_error,
    dial,
    dial_proxy,
    timeout_failure,
)
from seqsend.transports.tls import note_certificate, trust
from seqsend.units import format_size
from seqsend.version import __version__

_NO_DELAY = [(6, 1, 1)]  # IPPROTO_TCP, TCP_NODELAY: a request goes out at once
_CHUNK = 64 * 1024
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)

# The library logs each handshake, URL and headers included: a logger that no program can turn on.
_SILENT = logging.Logger("websockets", logging.CRITICAL + 1)  # noqa: LOG001 - in no program's tree

_FOREIGN = (WebSocketException, http.client.HTTPException, OSError, ValueError)
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
        headers: Mapping[int, Mapping[str, str]],
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
        self._headers = dict(headers.get(endpoint.index, {}))
        given = {name.lower() for name in self._headers}
        if self._address.authorization is not None and "authorization" not in given:
            self._headers["Authorization"] = self._address.authorization
        secure = self._address.scheme == "wss"
        self._context = trust(cacert, os.environ) if secure else None
        self._free: list[_Connection] = []

    def exchange(self, endpoint: Endpoint, body: bytes, exchange: Exchange) -> Reply:
        """Send ``body`` once. See `seqsend.transports.base.Transport.exchange`."""
        del endpoint  # there is one
        token = current_exchange.set(exchange)
        connection = None
        try:
            connection = self._take_free() or self._open(exchange)
            reply = Reply(None, self._ask(connection, body, exchange))
        except BaseException as error:
            if connection is not None:
                connection.drop()
            if isinstance(error, _FOREIGN):
                raise EndpointFailure(_describe(error)) from None
            raise
        else:
            connection.idle_since = time.monotonic()
            self._free.append(connection)
            return reply
        finally:
            exchange.leave()
            current_exchange.reset(token)

    def close(self) -> None:
        """Close every connection that was kept."""
        while self._free:
            self._free.pop().say_goodbye()

    def _take_free(self) -> "_Connection | None":
        while self._free:
            connection = self._free.pop()
            if connection.is_fit():
                return connection
            connection.drop()
        return None

    def _ask(self, connection: "_Connection", body: bytes, exchange: Exchange) -> bytes:
        exchange.enter("send")
        connection.write(body)
        exchange.written = True
        exchange.enter("answer")
        message = connection.read()
        while is_notification(message):
            message = connection.read()
        return message

    def _open(self, exchange: Exchange) -> "_Connection":
        sock = self._dial(exchange)
        exchange.enter("upgrade")
        connection = _Connection(sock, self._address.bare_url, self._limit)
        try:
            connection.upgrade(self._headers)
        except InvalidStatus as error:
            connection.drop()
            response = error.response
            said = describe_status(response.status_code, response.headers.get("Location"))
            raise EndpointFailure(said, http_status=response.status_code) from None
        except BaseException:
            connection.drop()
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
                raise timeout_failure() from None
            raise
        note_certificate(secured)
        return BoundedSocket(secured)


def _http_proxy(endpoint: Endpoint) -> Address | None:
    proxy = proxy_for(endpoint)
    if proxy is None:
        return None
    address = split_url(proxy)
    if address.scheme != "http":
        raise UsageError(
            f"proxy {redact_url(proxy)!r} for a WebSocket endpoint: not plain HTTP",
            example="HTTPS_PROXY=http://proxy:3128",
        )
    return address


def _through(proxy: Address, target: Address, exchange: Exchange) -> BoundedSocket:
    """Return a socket to ``target`` that an HTTP proxy has connected (RFC 9110, section 9.3.6)."""
    sock = dial_proxy(proxy.host, proxy.port, _NO_DELAY)
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


def _describe(error: Exception) -> str:
    """Return a reason in our own words."""
    if isinstance(error, OSError):
        return describe_os_error(error)
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), _GARBLED)


class _Connection:
    """Drives the library's protocol over one socket, in the thread of whoever asks.

    The library's own driver reads in a second thread. With TLS that is two threads in one OpenSSL
    object, which Python guards from 3.13 on only: of 1,200 connections 21 failed so on 3.11.
    """

    def __init__(self, sock: BoundedSocket, url: str, limit: int) -> None:
        self._socket = sock
        self._limit = limit
        self._protocol = ClientProtocol(parse_uri(url), max_size=limit, logger=_SILENT)
        self._frames: list[Frame] = []
        self.idle_since = 0.0

    def upgrade(self, headers: Mapping[str, str]) -> None:
        """Shake hands; the library's exception says why that failed."""
        request = self._protocol.connect()
        for name, value in headers.items():
            request.headers[name] = value
        request.headers.setdefault("User-Agent", f"seqsend/{__version__}")
        self._protocol.send_request(request)
        self._flush()
        while self._protocol.state is State.CONNECTING and self._protocol.handshake_exc is None:
            self._receive()
        if self._protocol.handshake_exc is not None:
            raise self._protocol.handshake_exc

    def write(self, message: bytes) -> None:
        """Send ``message`` as one text message."""
        self._protocol.send_text(message)
        self._flush()

    def read(self) -> bytes:
        """Return the next message."""
        parts = []
        while True:
            while self._frames:
                frame = self._frames.pop(0)
                if frame.opcode in _DATA:
                    parts.append(bytes(frame.data))
                    if frame.fin:
                        return b"".join(parts)
            if self._protocol.state is not State.OPEN:
                raise EndpointFailure(self._why_closed())
            self._receive()

    def is_fit(self) -> bool:
        """Tell whether it can be used again: open, not idle for long, and quiet since.

        Anything that came after the last answer, a close above all, makes it unfit.
        """
        if time.monotonic() - self.idle_since >= LONGEST_IDLE:
            return False
        with DefaultSelector() as selector:
            selector.register(self._socket.fileno(), EVENT_READ)
            return self._protocol.state is State.OPEN and not selector.select(0)

    def say_goodbye(self) -> None:
        """Close, with a parting word and without waiting for one."""
        with suppress(WebSocketException, OSError):
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            for data in self._protocol.data_to_send():
                self._socket.send_now(data)
        self.drop()

    def drop(self) -> None:
        """Close without a word."""
        with suppress(OSError):
            self._socket.close()

    def _receive(self) -> None:
        data = self._socket.recv(_CHUNK)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._flush()  # pongs, and the answer to a close
        self._frames += [e for e in self._protocol.events_received() if isinstance(e, Frame)]

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:  # an empty one means the end of writing, which drop() brings
                self._socket.sendall(data)

    def _why_closed(self) -> str:
        sent, received = self._protocol.close_sent, self._protocol.close_rcvd
        if received is not None:
            return f"connection closed without an answer (code {received.code})"
        if sent is None:
            return "connection closed without an answer"
        too_big = sent.code == CloseCode.MESSAGE_TOO_BIG
        return f"answer larger than {format_size(self._limit)}" if too_big else _GARBLED
