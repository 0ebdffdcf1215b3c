"""A WebSocket endpoint, over the sans-I/O protocol of `websockets`.

The socket is dialled and read here, so that the same deadlines apply as for HTTP; the library's own
`connect` follows redirects and spends its timeout on each address of a name.
"""

import logging
import os
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

from websockets.client import ClientProtocol
from websockets.exceptions import (
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    WebSocketException,
)
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI

from seqsend.errors import EndpointFailure
from seqsend.jsonrpc import is_notification
from seqsend.models import Address, Endpoint, ReasonCode, Reply
from seqsend.redaction import describe_status
from seqsend.transports.base import Exchange
from seqsend.transports.connections import Pool, Trust, connect, routes_to
from seqsend.transports.failures import failure_of
from seqsend.transports.sockets import Channel
from seqsend.units import format_size
from seqsend.version import __version__

_CHUNK = 16 * 1024  # bytes parsed at once; the deadline is checked after each piece
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)

# The library logs each handshake with URL and headers: it gets a logger that nobody can turn on.
_SILENT = logging.Logger("websockets", logging.CRITICAL + 1)  # noqa: LOG001 - in no program's tree

_FOREIGN = (WebSocketException, OSError, ValueError, MemoryError)
_GARBLED = "not a WebSocket answer"
# The most specific first.
_REASONS: tuple[tuple[type[Exception], str, ReasonCode], ...] = (
    (InvalidMessage, "not an HTTP answer", "not_http"),
    (InvalidHandshake, "not a WebSocket server", "not_websocket"),
    (WebSocketException, _GARBLED, "not_websocket"),
    (ValueError, _GARBLED, "not_websocket"),
)


class WebSocketTransport:
    """Sends to one ``ws://`` or ``wss://`` endpoint; safe to share between threads.

    A connection carries one request at a time. Idle connections are kept for later calls.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        headers: Mapping[int, Mapping[str, str]],
        *,
        max_response_size: int,
        cacert: str | None = None,
        client_cert: str | None = None,
        client_key: str | None = None,
    ) -> None:
        """Prepare everything that is the same for every call; nothing is dialled yet.

        ``headers`` are by the endpoint's index; ``max_response_size`` is in bytes.

        Raises:
            UsageError: a proxy's URL, a CA file, a client certificate or its key cannot be used.

        """
        files = Trust(cacert, client_cert, client_key)
        self._route = routes_to((endpoint,), files, os.environ)[endpoint.index]
        self._limit = max_response_size
        self._headers = {
            "Host": endpoint.address.authority,
            "User-Agent": f"seqsend/{__version__}",
        }
        if endpoint.address.authorization is not None:
            self._headers["Authorization"] = endpoint.address.authorization
        given = {name.lower(): value for name, value in headers.get(endpoint.index, {}).items()}
        self._headers = {n: given.pop(n.lower(), v) for n, v in self._headers.items()} | given
        self._pool: Pool[_Connection] = Pool()

    def exchange(self, endpoint: Endpoint, body: bytes, exchange: Exchange) -> Reply:
        """Send ``body`` once. See `seqsend.transports.base.Transport.exchange`."""
        del endpoint  # there is only one
        connection = None
        try:
            connection = self._pool.take() or self._open(exchange)
            reply = Reply(None, self._ask(connection, body, exchange))
        except BaseException as error:
            if connection is not None:
                connection.drop()
            if isinstance(error, _FOREIGN):
                raise _failure(error) from None
            raise
        else:
            self._pool.keep(connection)
            return reply
        finally:
            exchange.leave()

    def close(self) -> None:
        """Close every connection that was kept."""
        self._pool.close()

    def _ask(self, connection: "_Connection", body: bytes, exchange: Exchange) -> bytes:
        connection.channel.exchange = exchange
        connection.limit = exchange.bound(self._limit)
        exchange.enter("send")
        connection.write(body)
        exchange.written = True
        exchange.enter("answer")
        message = connection.read()
        while is_notification(message):
            message = connection.read()
        return message

    def _open(self, exchange: Exchange) -> "_Connection":
        channel = connect(self._route, exchange)
        exchange.enter("upgrade")
        connection = _Connection(channel, self._route.address, self._limit)
        try:
            connection.upgrade(self._headers)
        except InvalidStatus as error:
            connection.drop()
            raise _refusal(error) from None
        except BaseException:
            connection.drop()
            raise
        return connection


def _failure(error: BaseException) -> EndpointFailure:
    """Return what ended an exchange, in our own words."""
    for kind, reason, code in _REASONS:
        if isinstance(error, kind):
            return EndpointFailure(reason, code)
    return failure_of(error)


# Of an opening handshake; anything else is "not_websocket".
_STATUS_CODES: Mapping[int, ReasonCode] = {
    401: "unauthorized",
    403: "unauthorized",
    404: "not_found",
    405: "not_allowed",
    408: "gateway_timeout",
    410: "not_found",
    429: "rate_limited",
    502: "bad_gateway",
    503: "bad_gateway",
    504: "gateway_timeout",
}


def _refusal(error: InvalidStatus) -> EndpointFailure:
    status = error.response.status_code
    said = describe_status(status, error.response.headers.get("Location"))
    code: ReasonCode = "redirect" if 300 <= status < 400 else "not_websocket"
    return EndpointFailure(said, _STATUS_CODES.get(status, code), status)


class _Connection:
    """Drives the library's protocol over one socket, in the thread of the caller.

    The library's own driver reads in a second thread. With TLS, two threads then use one OpenSSL
    object, which Python guards only from 3.13 on: because of that, 21 of 1,200 connections failed
    on 3.11.
    """

    def __init__(self, channel: Channel, address: Address, limit: int) -> None:
        self.channel = channel
        # Already parsed: the library's own parser must not find another host in the URL.
        uri = WebSocketURI(
            address.is_secure, address.server_name, address.port, address.path, address.query
        )
        self._protocol = ClientProtocol(uri, max_size=limit, logger=_SILENT)
        self._buffer = memoryview(bytearray(_CHUNK))
        self._frames: deque[Frame] = deque()
        self.idle_since = 0.0

    @property
    def limit(self) -> int:
        """The size limit of the next message, in bytes."""
        return self._protocol.max_message_size or 0

    @limit.setter
    def limit(self, size: int) -> None:
        self._protocol.max_message_size = size

    def upgrade(self, headers: Mapping[str, str]) -> None:
        """Do the opening handshake; the library's exception says why it failed."""
        request = self._protocol.connect()
        for name, value in headers.items():
            if name in request.headers:  # setting one adds a line
                del request.headers[name]
            request.headers[name] = value
        self._protocol.send_request(request)
        # If the server closes meanwhile, it may have sent the reason before.
        with suppress(BrokenPipeError, ConnectionResetError):
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
                frame = self._frames.popleft()
                parts.append(bytes(frame.data))
                if frame.fin:
                    return b"".join(parts)
            if self._protocol.state is not State.OPEN:
                raise self._why_closed()
            self._receive()

    def is_fit(self) -> bool:
        """Return whether it can be used again: it is open, and quiet since its last answer.

        Anything that came after that, be it a close or part of a message, makes it unfit.
        """
        unread = self._frames or self._protocol.reader.buffer
        return self._protocol.state is State.OPEN and not unread and self.channel.is_quiet()

    def say_goodbye(self) -> None:
        """Send a close frame, and close without waiting for the answer."""
        with suppress(WebSocketException, OSError):
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            for data in self._protocol.data_to_send():
                self.channel.send_now(data)
        self.drop()

    def drop(self) -> None:
        """Close without a word."""
        with suppress(OSError):
            self.channel.close()

    def _receive(self) -> None:
        size = self.channel.recv_into(self._buffer)
        if size:
            self._protocol.receive_data(bytes(self._buffer[:size]))
        else:
            self._protocol.receive_eof()
        self._flush()  # pongs, and the answer to a close
        self._frames += [
            event
            for event in self._protocol.events_received()
            if isinstance(event, Frame) and event.opcode in _DATA
        ]

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:  # an empty one means the end of writing, which drop() brings
                self.channel.sendall(data)

    def _why_closed(self) -> EndpointFailure:
        sent, received = self._protocol.close_sent, self._protocol.close_rcvd
        if received is not None:
            return EndpointFailure(
                f"connection closed without an answer (code {received.code})", "closed"
            )
        if sent is None:
            return EndpointFailure("connection closed without an answer", "closed")
        if sent.code == CloseCode.MESSAGE_TOO_BIG:
            return EndpointFailure(f"answer larger than {format_size(self.limit)}", "too_large")
        return EndpointFailure(_GARBLED, "not_websocket")
