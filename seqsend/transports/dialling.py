"""The dial: a name's addresses, looked up and tried side by side, within the dial timeout."""

import os
import socket
import time
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import Any

from seqsend import threads, waiting
from seqsend.errors import EndpointFailure
from seqsend.transports.base import Exchange
from seqsend.transports.failures import failure_of, timeout_failure
from seqsend.transports.sockets import BoundedSocket

_NEXT_AFTER = 0.25  # seconds between two attempts to connect: RFC 8305, section 5

_SocketAddress = tuple[int, int, int, str, Any]  # as socket.getaddrinfo returns them
_Found = Sequence[_SocketAddress] | OSError | UnicodeError


def dial(host: str, port: int, exchange: Exchange) -> BoundedSocket:
    """Return a connection to ``host``, by the dial deadline of ``exchange``.

    Of its addresses, the first to accept the connection wins (RFC 8305).

    Raises:
        EndpointFailure: the name does not resolve, or no address takes the connection in time.
        SignalReceived: a signal came.

    """
    addresses = _resolve(host, port, exchange)
    exchange.enter("dial")
    return BoundedSocket(_Race(addresses, exchange).run(), exchange)


def _resolve(host: str, port: int, exchange: Exchange) -> Sequence[_SocketAddress]:
    name = host.encode()  # for a str, Python would load its codec for names that are not ASCII
    if _is_literal(host):
        try:
            return socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        except OSError:
            # Only its zone can be wrong.
            raise EndpointFailure(
                "no network interface of that name on this machine", "no_route"
            ) from None
    exchange.enter("dns")
    with threads.Mailbox[_Found]() as answers:

        def look_up() -> None:
            try:
                answers.put(socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM))
            except (OSError, UnicodeError) as error:
                answers.put(error)

        try:
            threads.start(look_up, "seqsend-dns")
        except RuntimeError:
            raise EndpointFailure(
                "this machine has no thread left to look the name up", "local_limit"
            ) from None
        try:
            found = answers.take(exchange.dial_by.remaining)
        except TimeoutError:
            raise timeout_failure(exchange) from None
    if isinstance(found, OSError | UnicodeError):
        raise failure_of(found) from None
    return found


def _is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except (OSError, ValueError):
            continue
        return True
    return False


class _Race:
    """Connects to several addresses; each attempt begins a moment after the one before."""

    def __init__(self, addresses: Iterable[_SocketAddress], exchange: Exchange) -> None:
        self._waiting = _alternating(addresses)
        self._exchange = exchange
        self._open: dict[int, socket.socket] = {}
        self._failures: list[EndpointFailure] = []
        self._next_at = 0.0

    def run(self) -> socket.socket:
        """Return the first socket that is connected; the others are closed."""
        try:
            while self._open or self._waiting:
                if self._waiting and (not self._open or time.monotonic() >= self._next_at):
                    self._start(self._waiting.pop(0))
                winner = self._wait() if self._open else None
                if winner is not None:
                    return winner
        finally:
            for loser in self._open.values():
                loser.close()
        raise _all_of(self._failures)

    def _start(self, address: _SocketAddress) -> None:
        family, kind, protocol, _, target = address
        self._next_at = time.monotonic() + _NEXT_AFTER
        try:
            connection = socket.socket(family, kind, protocol)
        except OSError as error:
            self._fail(error)
            return
        try:
            connection.setblocking(False)
            # A request goes out at once.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect(target)
        except BlockingIOError:
            pass
        except OSError as error:
            connection.close()
            self._fail(error)
            return
        self._open[connection.fileno()] = connection

    def _fail(self, error: OSError) -> None:
        self._failures.append(failure_of(error))
        self._next_at = 0.0  # the next one need not wait

    def _wait(self) -> socket.socket | None:
        """Wait for a connection, or until the next attempt is due."""
        left = self._exchange.dial_by.remaining
        if left <= 0:
            self._failures.append(timeout_failure(self._exchange))
            raise _all_of(self._failures)
        until_next = max(0.0, self._next_at - time.monotonic())
        seconds = min(left, until_next) if self._waiting else left
        for descriptor in waiting.wait_any(self._open, waiting.WRITE, seconds):
            connection = self._open.pop(descriptor)
            number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not number:
                return connection
            connection.close()
            self._fail(OSError(number, os.strerror(number)))
        return None


def _alternating(addresses: Iterable[_SocketAddress]) -> list[_SocketAddress]:
    """Return ``addresses`` with families alternating, the first one's first (RFC 8305, 4)."""
    by_family: dict[int, list[_SocketAddress]] = {}
    for address in addresses:
        by_family.setdefault(address[0], []).append(address)
    turns = chain.from_iterable(zip_longest(*by_family.values()))
    return [address for address in turns if address is not None]


def _all_of(failures: Sequence[EndpointFailure]) -> EndpointFailure:
    """Return one failure for several, with the reason code of the first."""
    if not failures:
        return EndpointFailure("name does not resolve", "dns_failed")
    reasons = dict.fromkeys(failure.reason for failure in failures)
    return EndpointFailure("; ".join(reasons), failures[0].reason_code)
