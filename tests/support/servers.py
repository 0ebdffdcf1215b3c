"""Endpoints on real sockets, each failing in one way; all are context managers."""

import json
import socket
import ssl
import struct
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPMessage, parse_headers
from typing import Any, Literal, Self

_PATIENCE = 30.0  # seconds after which a server gives up on a silent client
_RST = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close() sends RST and not FIN


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    path: str
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def id(self) -> Any:
        """The id of the call; None for a batch, whose calls have one each."""
        return self.json["id"] if isinstance(self.json, dict) else None


def http(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a whole HTTP response."""
    fields = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
    lines = [
        f"HTTP/1.1 {status} X",
        *(f"{k}: {v}" for k, v in (fields | dict(headers or {})).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def jsonrpc_result(request: Request, value: Any) -> bytes:
    """Return the response that answers ``request`` with a result."""
    message = {"jsonrpc": "2.0", "id": request.id, "result": value}
    return http(200, json.dumps(message).encode())


def jsonrpc_error(
    request: Request, code: int, message: str, *, data: Any = None, status: int = 200
) -> bytes:
    """Return the response that answers ``request`` with an error."""
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    body = {"jsonrpc": "2.0", "id": request.id, "error": error}
    return http(status, json.dumps(body).encode())


@dataclass(frozen=True)
class Address:
    """An address on which a server could listen."""

    port: int
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """The address as an endpoint URL."""
        return f"http://{self.host}:{self.port}"


@contextmanager
def dead() -> Iterator[Address]:
    """Yield a port that refuses connections: it is bound, but nothing listens on it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield Address(held.getsockname()[1])


@dataclass(frozen=True)
class Hole(Address):
    """A port that drops every SYN."""

    waiting: int = 0
    """How many of its own connections fill the queue."""


@contextmanager
def blackhole() -> Iterator[Hole]:
    """Yield a port that drops every SYN, because its queue of connections is full (on Linux)."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = []
        try:
            for _ in range(8):
                client = socket.socket()
                waiting.append(client)
                client.settimeout(0.05)
                try:
                    client.connect(address)
                except TimeoutError:
                    break
            else:
                raise RuntimeError("this system takes connections that nobody accepts")
            yield Hole(address[1], waiting=1)
        finally:
            for client in waiting:
                client.close()


class Server:
    """Accepts connections, on loopback by default, and serves each in its own thread."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._tls = tls
        self._host = host
        self._listening = socket.create_server((host, 0), backlog=64)
        self._open: list[socket.socket] = []
        self._stopped = threading.Event()
        self.port: int = self._listening.getsockname()[1]
        self.connections = 0
        """How many connections were accepted so far."""
        self.requests: list[Request] = []
        """The requests that were read so far, in order of arrival."""

    @property
    def url(self) -> str:
        """The address as an endpoint URL."""
        return Address(self.port, self._host).url

    def handle(self, connection: socket.socket) -> None:
        """Serve one connection; an OSError ends it."""
        raise NotImplementedError

    def drop_connections(self) -> None:
        """Close every open connection, as a server closes idle ones."""
        while self._open:
            connection = self._open.pop()
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def read_request(self, connection: socket.socket) -> Request | None:
        """Read one whole request; return None if the client has closed."""
        with connection.makefile("rb") as file:
            line = file.readline()
            if not line:
                return None
            headers = parse_headers(file)
            length = int(headers.get("Content-Length", 0))
            body = file.read(length)
        if len(body) < length:
            raise ConnectionError("the client closed in the middle of its request")
        request = Request(line.split()[1].decode(), headers, body)
        self.requests.append(request)
        return request

    def wait(self, seconds: float = _PATIENCE) -> None:
        """Do nothing until the server is stopped."""
        self._stopped.wait(seconds)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE)
        if self._tls is not None:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        # From here on, drop_connections closes it, even during the TLS handshake.
        self._open.append(connection)
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            if not self._stopped.is_set():
                self.handle(connection)
        except OSError:
            pass  # The client or the test closed it.
        except ValueError:
            # ssl raises it if the connection was closed; any other is a mistake in the test.
            if connection in self._open:
                raise
        finally:
            connection.close()
            with suppress(ValueError):
                self._open.remove(connection)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stopped.set()
        # shutdown, because close alone does not wake a thread in accept().
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.drop_connections()


class Replying(Server):
    """Answers each request with a fixed response, or with the result of a function."""

    def __init__(
        self,
        reply: bytes | Callable[[Request], bytes],
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__(tls=tls, host=host)
        self._reply = reply

    def handle(self, connection: socket.socket) -> None:
        """Answer until the client closes."""
        while (request := self.read_request(connection)) is not None:
            connection.sendall(
                self._reply if isinstance(self._reply, bytes) else self._reply(request)
            )


class Silent(Server):
    """Reads a request and never answers."""

    def handle(self, connection: socket.socket) -> None:
        """Read, then wait."""
        self.read_request(connection)
        self.wait()


class StallingTLS(Server):
    """Accepts the connection and sends nothing, so that a TLS handshake stalls."""

    def handle(self, connection: socket.socket) -> None:
        """Wait."""
        del connection
        self.wait()


def pass_on(body: bytes, upstream: str) -> bytes:
    """Return what ``upstream`` answers to a request of ``body``."""
    passed = urllib.request.Request(upstream, body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(passed, timeout=10) as response:
        return bytes(response.read())


class Relaying(Replying):
    """Passes requests on to a node and answers back, and records the requests."""

    def __init__(self, upstream: str, *, host: str = "127.0.0.1") -> None:
        super().__init__(lambda request: http(200, pass_on(request.body, upstream)), host=host)
        self.upstream = upstream


class Swallowing(Server):
    """Passes each request on to a node and never answers the client."""

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self._upstream = upstream

    def handle(self, connection: socket.socket) -> None:
        """Read, pass on, wait."""
        request = self.read_request(connection)
        if request is not None:
            with suppress(urllib.error.URLError):
                pass_on(request.body, self._upstream)
            self.wait()


class Closing(Server):
    """Closes or resets the connection, at once or after reading the request."""

    def __init__(
        self,
        *,
        after: Literal["accept", "request"],
        how: Literal["fin", "rst"],
        partial: bytes = b"",
    ) -> None:
        super().__init__()
        self._after, self._how, self._partial = after, how, partial

    def handle(self, connection: socket.socket) -> None:
        """Read the request if configured, send the partial answer, close."""
        if self._after == "request":
            self.read_request(connection)
        connection.sendall(self._partial)
        if self._how == "rst":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)


class Dripping(Server):
    """Answers a byte at a time."""

    def __init__(self, payload: bytes, interval: float) -> None:
        super().__init__()
        self._payload, self._interval = payload, interval

    def handle(self, connection: socket.socket) -> None:
        """Read, then drip until all is out or the server is stopped."""
        self.read_request(connection)
        due = time.monotonic()
        for position in range(len(self._payload)):
            connection.sendall(self._payload[position : position + 1])
            due += self._interval
            if self._stopped.wait(max(0.0, due - time.monotonic())):
                return
        self.wait()
