"""urllib3's connections, dialled and bounded by `seqsend.transports.sockets`.

They tell the running exchange how far it has come: that is where it is known.
"""

import re
import socket
import time
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from seqsend.errors import EndpointFailure
from seqsend.transports.base import LONGEST_IDLE
from seqsend.transports.sockets import (
    BoundedSocket,
    current_exchange,
    describe_os_error,
    dial,
    dial_proxy,
    timeout_failure,
)
from seqsend.transports.tls import note_certificate


class _Ageing:
    """A kept connection that its pool takes for closed once it was idle for too long."""

    _used = 0.0

    @property
    def is_connected(self) -> bool:
        fresh = time.monotonic() - self._used < LONGEST_IDLE
        return fresh and super().is_connected  # type: ignore[misc]

    def _write(self, request: Any, *args: Any, **kwargs: Any) -> None:
        exchange = current_exchange.get()
        exchange.enter("send")
        self._used = time.monotonic()
        sock: BoundedSocket = self.sock  # type: ignore[attr-defined]
        try:
            with sock.gathering():
                request(*args, **kwargs)
        except OSError:
            # urllib3 goes on to read what the server may have said before it closed.
            exchange.enter("answer")
            raise
        exchange.written = True
        exchange.enter("answer")


class _HTTPConnection(_Ageing, HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _dialled(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:  # else http.client would dial in the middle of the phase "send"
            self.connect()
        self._write(super().request, *args, **kwargs)


class _HTTPSConnection(_Ageing, HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _dialled(self)

    def _tunnel(self) -> None:
        current_exchange.get().enter("proxy")
        try:
            super()._tunnel()
        except OSError as error:
            status = re.search(r"failed: (\d{3})", str(error))
            said = f"HTTP {status.group(1)}" if status else describe_os_error(error)
            raise EndpointFailure(f"the proxy did not connect: {said}") from None
        current_exchange.get().enter("tls")

    def connect(self) -> None:
        try:
            super().connect()
        except TimeoutError:
            raise timeout_failure() from None
        note_certificate(self.sock)
        self.sock = BoundedSocket(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        self._write(super().request, *args, **kwargs)


def _dialled(connection: HTTPConnection) -> socket.socket:
    host = connection._dns_host  # noqa: SLF001 - the name as it is looked up, final dot included
    reach = dial if connection.proxy is None else dial_proxy
    found = reach(host, connection.port, list(connection.socket_options or ()))
    if isinstance(connection, HTTPSConnection):
        current_exchange.get().enter("tls")
    return found  # type: ignore[return-value]


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


POOLS = {"http": _HTTPPool, "https": _HTTPSPool}
"""What a pool manager makes its pools of, by scheme."""
