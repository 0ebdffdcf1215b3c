"""Sockets that hold a deadline: the dial over all addresses of a name, and every read and write.

A socket's own timeout is one operation's. An answer that drips in a byte at a time never runs into
it, and each address of a name gets the whole of it anew. Here the timeout is set to what is left of
the deadline before every operation, so that it bounds the whole, without threads or signals. Only
the name look-up, which no timeout reaches, is given to a thread.
"""

import errno
import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from seqsend.errors import EndpointFailure
from seqsend.transports.base import Exchange

T = TypeVar("T")

current_exchange: ContextVar[Exchange] = ContextVar("current_exchange")
"""The exchange this thread is in. Connections are kept between exchanges and come out of another
library's pool: this is how the one that is used now learns whose deadline holds."""

_A_MOMENT = 0.001  # seconds; a timeout of 0 would mean not to wait at all

# What a person understands; anything else is said in the system's own words.
_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.ECONNABORTED: "connection aborted",
    errno.EPIPE: "connection closed while the request was being written",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "network unreachable",
    errno.EMFILE: "too many open files on this machine",
}

_Address = tuple[int, int, int, str, Any]  # as socket.getaddrinfo returns them


def describe_os_error(error: OSError) -> str:
    """Return what ``error`` means, in one line that holds no address and no path."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return _describe_tls_error(error)
    if isinstance(error, socket.gaierror):
        return "name does not resolve"
    known = _REASONS.get(error.errno or 0)
    return known or (error.strerror or type(error).__name__).lower()


def _describe_tls_error(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"):
        return "TLS failed: the port does not speak TLS (plain HTTP?)"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "TLS failed: connection closed"
    return f"TLS failed: {reason.replace('_', ' ').lower() or 'protocol error'}"


def dial(host: str, port: int, options: list[tuple[int, int, Any]]) -> "BoundedSocket":
    """Return a socket connected to ``host``, within the dial deadline of the running exchange.

    Every address of the name is tried, in the resolver's order; each may use an equal share of the
    time left, so that a dead first address leaves some for the others (as Go's net.Dialer does).

    Raises:
        EndpointFailure: the name does not resolve, or no address takes the connection.

    """
    exchange = current_exchange.get()
    addresses = _resolve(host, port, exchange)
    exchange.enter("dial")
    failures: list[str] = []
    for position, address in enumerate(addresses):
        share = exchange.dial_by.remaining / (len(addresses) - position)
        if share <= 0:
            break
        try:
            return BoundedSocket(_connect(address, share, options))
        except TimeoutError:
            continue
        except OSError as error:
            failures.append(describe_os_error(error))
    if not failures:
        raise EndpointFailure(f"no answer to the dial ({exchange.dial_by.name})")
    raise EndpointFailure("; ".join(dict.fromkeys(failures)))


def dial_proxy(host: str, port: int, options: list[tuple[int, int, Any]]) -> "BoundedSocket":
    """Return a socket connected to a proxy, as `dial` does; a failure is said to be the proxy's."""
    try:
        return dial(host, port, options)
    except EndpointFailure as failure:
        current_exchange.get().enter("proxy")
        raise EndpointFailure(f"the proxy was not reached: {failure.reason}") from None


def _connect(
    address: _Address, seconds: float, options: list[tuple[int, int, Any]]
) -> socket.socket:
    family, kind, protocol, _, target = address
    connection = socket.socket(family, kind, protocol)
    try:
        for option in options:
            connection.setsockopt(*option)
        connection.settimeout(seconds)
        connection.connect(target)
    except BaseException:
        connection.close()
        raise
    return connection


def _resolve(host: str, port: int, exchange: Exchange) -> Sequence[_Address]:
    if _is_literal(host):
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    exchange.enter("dns")
    answer: SimpleQueue[Sequence[_Address] | OSError | UnicodeError] = SimpleQueue()

    def look_up() -> None:
        try:
            answer.put(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.put(error)

    # A daemon: the process may end while a resolver that does not answer is still waited for.
    threading.Thread(target=look_up, name="seqsend-dns", daemon=True).start()
    try:
        found = answer.get(timeout=exchange.dial_by.remaining)
    except Empty:
        raise EndpointFailure(f"no answer from DNS ({exchange.dial_by.name})") from None
    if isinstance(found, UnicodeError):
        raise EndpointFailure("name does not resolve: no valid host name")
    if isinstance(found, OSError):
        raise EndpointFailure(describe_os_error(found))
    return found


def _is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return True
    return False


class BoundedSocket:
    """A connected socket whose reads and writes end by the running exchange's deadline.

    Has what `http.client`, `ssl` and urllib3 ask of a socket. Its failures are `EndpointFailure`,
    which is no OSError: it goes through those libraries untouched.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._gathered: list[bytes] | None = None

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Write what is written meanwhile at its end, in one go.

        A head and its body in two packets make the server wake up twice.
        """
        self._gathered = []
        try:
            yield
            whole = b"".join(self._gathered)
        finally:
            self._gathered = None
        self.sendall(whole)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: the deadline decides."""

    def gettimeout(self) -> float:
        """Return the seconds left, which `ssl` hands on to its handshake.

        Never raises: `ssl` asks when two socket objects have the same descriptor for a moment, and
        an exception would leave both to close it. A deadline that has passed is a moment away.
        """
        return max(current_exchange.get().deadline.remaining, _A_MOMENT)

    def sendall(self, data: bytes) -> None:
        """Write ``data`` whole.

        A connection that breaks here is left as the OSError it is: urllib3 then still reads the
        answer that a server can have given before it closed (413, say).
        """
        if self._gathered is not None:
            self._gathered.append(data)
            return
        rest = memoryview(data)
        while rest:
            self._arm()
            try:
                sent = self._connection.send(rest)
            except TimeoutError:
                raise timeout_failure() from None
            rest = rest[sent:]

    def send_now(self, data: bytes) -> None:
        """Write what can be written without waiting; outside of any exchange."""
        self._connection.settimeout(0)
        self._connection.send(data)

    def recv(self, size: int) -> bytes:
        """Return what has come, at most ``size`` bytes; none at the end."""
        return self.bounded(lambda: self._connection.recv(size))

    def makefile(self, *_mode: Any, **_options: Any) -> io.BufferedReader:
        """Return a buffered reader, the one thing `http.client` makes of a socket."""
        return io.BufferedReader(_BoundedReader(self))

    def open_raw(self) -> io.RawIOBase:
        """Return the connection as an unbuffered file that keeps it open until it is closed."""
        return self._connection.makefile("rb", buffering=0)

    def bounded(self, read: Callable[[], T]) -> T:
        """Run ``read`` on this socket within the deadline."""
        self._arm()
        try:
            return read()
        except TimeoutError:
            raise timeout_failure() from None
        except OSError as error:
            raise EndpointFailure(describe_os_error(error)) from None

    def _arm(self) -> None:
        left = current_exchange.get().deadline.remaining
        if left <= 0:
            raise timeout_failure()
        self._connection.settimeout(left)


class _BoundedReader(io.RawIOBase):
    def __init__(self, bounded: BoundedSocket) -> None:
        self._socket = bounded
        self._file = bounded.open_raw()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._socket.bounded(lambda: self._file.readinto(buffer) or 0)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def timeout_failure() -> EndpointFailure:
    """Return the failure of the running exchange to meet its deadline."""
    exchange = current_exchange.get()
    waited = {"send": "request not taken", "proxy": "no answer from the proxy", "tls": "no TLS"}
    what = waited.get(exchange.phase, "no answer")
    return EndpointFailure(f"{what} in time ({exchange.deadline.name})")
