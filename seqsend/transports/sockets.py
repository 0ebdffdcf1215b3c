"""A connected socket whose every read and write ends by the deadline of the running exchange.

A socket's own timeout is one operation's: an answer that drips in a byte at a time never runs into
it. Here sockets do not block, and each wait is for what is left of the deadline, so that the whole
is bounded, without threads. All waits are those of `seqsend.waiting`, which a signal ends.
"""

import io
import socket
from typing import Any, Protocol

from seqsend import waiting
from seqsend.transports.base import Exchange
from seqsend.transports.failures import timeout_failure

_READ_AHEAD = 64 * 1024  # bytes


class Channel(Protocol):
    """Bytes to a server and back: TCP, or TLS over another channel."""

    exchange: Exchange
    """The one that is under way: its deadline bounds reads and writes."""

    def sendall(self, data: bytes) -> None:
        """Write ``data`` whole.

        Raises:
            EndpointFailure: the deadline passed.
            OSError: the connection broke; the peer may have said why before.

        """

    def send_now(self, data: bytes) -> None:
        """Write what can be written without waiting; in no exchange."""

    def recv_into(self, buffer: Any) -> int:
        """Fill ``buffer`` with what has come, at least a byte; return 0 at the end.

        Raises:
            EndpointFailure: the deadline passed.
            OSError: the connection broke.

        """

    def recv_now(self, size: int) -> bytes:
        """Return what has come, without waiting; nothing at the end.

        Raises:
            OSError: `BlockingIOError` if nothing has come; the connection broke.

        """

    def is_quiet(self) -> bool:
        """Return whether nothing has come that was not read, an end included."""

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
            # Also if something is there already: a peer that never stops sending must not keep
            # signals and the deadline from being noticed.
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


class _RawReader(io.RawIOBase):
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.paused = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        return None if self.paused else self._channel.recv_into(buffer)


class Reader(io.BufferedReader):
    """Reads ahead from a channel; the channel stays open when this is closed."""

    def __init__(self, channel: Channel) -> None:
        self._pausable = _RawReader(channel)
        super().__init__(self._pausable, _READ_AHEAD)

    def has_more(self) -> bool:
        """Return whether something was read ahead that nobody has taken."""
        self._pausable.paused = True
        try:
            return bool(self.peek(1))
        finally:
            self._pausable.paused = False
