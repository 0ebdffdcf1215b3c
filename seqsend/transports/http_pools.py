"""urllib3's connections and their pool, over our own channels.

urllib3 does not choose where to dial: a connection takes its socket from
`seqsend.transports.connections`.
"""

import logging
import queue
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

from seqsend.transports.base import Exchange
from seqsend.transports.connections import MOST_KEPT, Pool, Route, can_be_used, connect
from seqsend.transports.failures import failure_of
from seqsend.transports.responses import Response
from seqsend.transports.sockets import ChannelSocket

current_exchange: ContextVar[Exchange] = ContextVar("current_exchange")
"""The exchange under way in this thread. Connections come out of urllib3's pool: this is how the
one in use learns which deadline applies."""


class _Connection(HTTPConnection):
    """urllib3's connection over one of our channels.

    It records in the exchange how far that has come, because only this class knows.
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
        # If the server closes meanwhile, it may have sent the reason before (413, say).
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
    """The queue in a urllib3 pool, without the lock that Python's queues have.

    A signal's exception or a fork at the wrong moment would leave that lock taken for ever.
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
        if item is not None:  # None is urllib3's placeholder for a connection
            self.keep(item)


class HttpPool(HTTPConnectionPool):
    """The connections to one endpoint. TLS is handled below: to urllib3 they are plain."""

    ConnectionCls = _Connection
    QueueCls: Any = _Free

    def __init__(self, route: Route) -> None:
        """``route`` is the way to the endpoint; nothing is dialled yet."""
        # The name is for urllib3's logs only.
        name, port = route.address.server_name, route.address.port
        super().__init__(name, port, maxsize=MOST_KEPT, route=route)

    def close(self) -> None:
        """Close every idle connection.

        An exchange under way in another thread, or begun later, has its own connection.
        """
        self.pool: Any
        self.pool.close()


def hide_urls_in_logs() -> None:
    """Keep the lines that urllib3 logs about our requests out of every log."""
    # urllib3 logs each request's path, which can hold an API key. A filter on its loggers drops the
    # lines for our requests only, and leaves handlers and levels to the program.
    for name in ("urllib3.connectionpool", "urllib3.connection"):
        logger = logging.getLogger(name)
        if _is_not_ours not in logger.filters:
            logger.addFilter(_is_not_ours)


def _is_not_ours(_record: logging.LogRecord) -> bool:
    return current_exchange.get(None) is None
