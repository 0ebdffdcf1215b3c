"""A connected socket whose every read and write ends by the deadline of the running exchange.

A socket's own timeout is for a single operation: an answer that drips in byte by byte never runs
into it. Here sockets do not block, and no wait lasts longer than the time left, so that the whole
exchange is bounded, without threads. All waits are in `seqsend.waiting`, where a signal ends them.
"""

import io
import socket
from typing import Any, Protocol

from seqsend import waiting
from seqsend.transports.base import Exchange
from seqsend.transports.failures import failure_of, timeout_failure

_READ_AHEAD = 64 * 1024  # bytes


class Channel(Protocol):
    """Bytes to a server and back: TCP, or TLS over another channel."""

    exchange: Exchange
    """The exchange under way, whose deadline bounds reads and writes."""

    def sendall(self, data: bytes) -> None:
        """Write ``data`` whole.

        Raises:
            EndpointFailure: the deadline passed.
            OSError: the connection broke; the peer may have said why before.

        """

    def send_now(self, data: bytes) -> None:
        """Write what can be written without waiting; may be called outside an exchange."""

    def recv_into(self, buffer: Any) -> int:
        """Read at least one byte into ``buffer``; return how many, or 0 at the end.

        Raises:
            EndpointFailure: the deadline passed.
            OSError: the connection broke.

        """

    def recv_now(self, size: int) -> bytes:
        """Return what has come, up to ``size`` bytes, without waiting; empty at the end.

        Raises:
            BlockingIOError: nothing has come.
            OSError: the connection broke.

        """

    def is_quiet(self) -> bool:
        """Return whether nothing unread has come; the end of the connection counts, too."""

    def close(self) -> None:
        """Close without a word."""


class BoundedSocket:
    """TCP; see `Channel`."""

    def __init__(self, connection: socket.socket, exchange: Exchange) -> None:
        """Take over ``connection``, which is connected and does not block."""
        self._connection = connection
        self._descriptor = connection.fileno()
        self.exchange = exchange

    def sendall(self, data: bytes) -> None:
        """Write ``data`` whole."""
        rest = memoryview(data)
        while rest:
            self._time_left()
            try:
                rest = rest[self._connection.send(rest) :]
            except BlockingIOError:
                waiting.wait(self._descriptor, waiting.WRITE, self._time_left())

    def send_now(self, data: bytes) -> None:
        """Write what can be written without waiting."""
        self._connection.send(data)

    def recv_into(self, buffer: Any) -> int:
        """Fill ``buffer``."""
        while True:
            # Even if data is there already: a peer that never stops sending must not keep signals
            # and the deadline from being noticed.
            waiting.wait(self._descriptor, waiting.READ, self._time_left())
            try:
                return self._connection.recv_into(buffer)
            except BlockingIOError:
                continue

    def recv_now(self, size: int) -> bytes:
        """Return what has come, without waiting."""
        return self._connection.recv(size)

    def is_quiet(self) -> bool:
        """Return whether nothing has come."""
        return not waiting.wait(self._descriptor, waiting.READ, 0)

    def close(self) -> None:
        """Close."""
        self._connection.close()

    def _time_left(self) -> float:
        left = self.exchange.deadline.remaining
        if left <= 0:
            raise timeout_failure(self.exchange)
        return left


class ChannelSocket:
    """The part of a socket that `http.client` and urllib3 use, over a channel.

    Failures to read are raised as `EndpointFailure`, which those libraries do not catch.
    """

    def __init__(self, channel: Channel) -> None:
        """Take over ``channel``."""
        self.channel = channel
        self._reader = _Reader(channel)

    def sendall(self, data: bytes) -> None:
        """Write ``data`` whole."""
        self.channel.sendall(data)

    def makefile(self, *_mode: Any, **_options: Any) -> io.BufferedReader:
        """Return the only reader: what it has read ahead belongs to the next answer."""
        self._reader.in_use = True
        return self._reader

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: the deadline of the exchange decides."""

    def is_quiet(self) -> bool:
        """Return whether nothing unread has come; the end of the connection counts, too."""
        return not self._reader.has_more() and self.channel.is_quiet()

    def has_more(self) -> bool:
        """Return whether something was read ahead and not yet used."""
        return self._reader.has_more()

    def close(self) -> None:
        """Close the channel; if its file is in use, closing that closes it, as with a socket."""
        self._reader.close_channel()


class _Reader(io.BufferedReader):
    """Reads ahead from a channel, for one answer after another."""

    def __init__(self, channel: Channel) -> None:
        self._source = _Source(channel)
        self._channel = channel
        self._is_last = False
        self.in_use = False
        super().__init__(self._source, _READ_AHEAD)

    def has_more(self) -> bool:
        self._source.is_paused = True
        try:
            return bool(self.peek(1))
        finally:
            self._source.is_paused = False

    def close(self) -> None:
        """End the reading of one answer."""
        self.in_use = False
        if self._is_last:
            self._channel.close()

    def close_channel(self) -> None:
        self._is_last = True
        if not self.in_use:
            self._channel.close()


class _Source(io.RawIOBase):
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.is_paused = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.is_paused:
            return None
        try:
            return self._channel.recv_into(buffer)
        except OSError as error:
            raise failure_of(error) from None
