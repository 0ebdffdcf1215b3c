"""TLS over a channel, by memory BIOs, so that no single read can outlast the deadline.

On a socket, OpenSSL goes on reading as long as records without data arrive: a TLS 1.3 server that
sends KeyUpdate endlessly holds `SSL_read` for ever, and no timeout applies. Here OpenSSL is given
what has arrived, and returns when it needs more.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from seqsend.errors import EndpointFailure
from seqsend.transports.base import Exchange
from seqsend.transports.sockets import Channel

T = TypeVar("T")

_PIECE = 32 * 1024  # bytes given to OpenSSL at once; the deadline is checked after each piece
_WRITTEN_AT_ONCE = 256 * 1024  # bytes; a memory BIO takes, and keeps, as much as it is given
_WANTS_CERTIFICATE = "TLSV13_ALERT_CERTIFICATE_REQUIRED"


class _Blocked:
    """OpenSSL needs more bytes first."""


_BLOCKED: Final = _Blocked()


class SecureChannel:
    """TLS; see `seqsend.transports.sockets.Channel`."""

    def __init__(self, carrier: "Channel", context: ssl.SSLContext, server_name: str) -> None:
        """Prepare; nothing is sent before `handshake`."""
        self._carrier = carrier
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._has_read = False
        self._piece = memoryview(bytearray(_PIECE))

    @property
    def exchange(self) -> Exchange:
        """The exchange whose deadline applies."""
        return self._carrier.exchange

    @exchange.setter
    def exchange(self, exchange: Exchange) -> None:
        self._carrier.exchange = exchange

    def handshake(self) -> None:
        """Do the handshake; certificate and name are verified as the context says.

        Raises:
            EndpointFailure: the deadline passed.
            OSError: the handshake failed, mostly with an `ssl.SSLError`.

        """
        self._run(self._tls.do_handshake)

    @property
    def certificate(self) -> dict[str, Any]:
        """The peer's certificate as `ssl.SSLObject.getpeercert` returns it."""
        return self._tls.getpeercert() or {}

    def sendall(self, data: bytes) -> None:
        """Write ``data`` whole."""
        rest = memoryview(data)
        while rest:
            piece = rest[:_WRITTEN_AT_ONCE]
            rest = rest[self._run(partial(self._tls.write, piece)) :]

    def send_now(self, data: bytes) -> None:
        """Write what can be written without waiting."""
        self._tls.write(data)
        self._carrier.send_now(self._outgoing.read())

    def recv_into(self, buffer: Any) -> int:
        """Fill ``buffer``."""
        try:
            size = self._run(partial(self._read_into, buffer))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return 0
        except ssl.SSLError as error:
            if error.reason != _WANTS_CERTIFICATE or self._has_read:
                raise
            # In TLS 1.3 a client may write before the server has finished the handshake. This alert
            # says that the request was not read (RFC 8446, sections 4.4.2.4 and 6.2).
            self.exchange.written = False
            self.exchange.enter("tls")
            raise EndpointFailure(
                "TLS failed: the server wants a client certificate (--client-cert)", "tls_failed"
            ) from None
        self._has_read = True
        return size

    def _read_into(self, buffer: Any) -> int:
        size: Any = self._tls.read(len(buffer), buffer)  # with a buffer, the number of bytes
        return int(size)

    def recv_now(self, size: int) -> bytes:
        """Raise `BlockingIOError`: TLS within TLS (a proxy's) reads nothing ahead."""
        del size
        raise BlockingIOError

    def is_quiet(self) -> bool:
        """Return whether nothing has come except TLS's own records, such as session tickets."""
        if self._tls.pending():
            return False
        quiet = self._carrier.is_quiet()
        if quiet and not self._incoming.pending:
            return True
        try:
            if not quiet:
                self._incoming.write(self._carrier.recv_now(_PIECE))
            self._tls.read(1)
        except ssl.SSLWantReadError:
            return self._carrier.is_quiet()
        except OSError:
            pass  # it is closed or broken
        return False

    def close(self) -> None:
        """Close without TLS's closing message."""
        self._carrier.close()

    def _run(self, step: Callable[[], T]) -> T:
        """Run a step of OpenSSL until it is done; meanwhile send and receive what it needs."""
        while True:
            try:
                done: T | _Blocked = step()
            except ssl.SSLWantReadError:
                done = _BLOCKED
            except ssl.SSLError:
                with suppress(OSError):  # the alert that says why; nobody waits for it
                    self._carrier.send_now(self._outgoing.read())
                raise
            if self._outgoing.pending:
                self._carrier.sendall(self._outgoing.read())
            if not isinstance(done, _Blocked):
                return done
            size = self._carrier.recv_into(self._piece)
            if size:
                self._incoming.write(self._piece[:size])
            else:
                self._incoming.write_eof()
