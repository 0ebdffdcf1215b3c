"""WebSocket servers for tests, built on the server of the websockets library."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from typing import Any

from websockets.http11 import Request as Upgrade
from websockets.http11 import Response
from websockets.sync.server import ServerConnection, serve

from tests.support.servers import Address, Server

Handler = Callable[[ServerConnection], None]


def as_ws(url: str) -> str:
    """Return the same address with a WebSocket scheme."""
    return url.replace("http", "ws", 1)


@contextmanager
def at(server: Server | AbstractContextManager[Address]) -> Iterator[str]:
    """Run a server and yield its address with a WebSocket scheme."""
    with server as running:
        yield as_ws(running.url)


@contextmanager
def serving(handler: Handler, **options: Any) -> Iterator[str]:
    """Run a WebSocket server and yield its address."""
    with serve(handler, "127.0.0.1", 0, logger=logging.getLogger("test-server"), **options) as it:
        thread = threading.Thread(target=it.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{it.socket.getsockname()[1]}"
        it.shutdown()


def answering(reply: Callable[[dict[str, Any]], bytes]) -> Handler:
    """Return a handler that answers each request with the result of ``reply``."""

    def handle(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(reply(json.loads(message)), text=True)

    return handle


def refusing(
    status: int, headers: dict[str, str] | None = None
) -> Callable[[], AbstractContextManager[str]]:
    """Return a server that answers the opening handshake with an HTTP status."""

    def process(connection: ServerConnection, _request: Upgrade) -> Response:
        response = connection.respond(HTTPStatus(status), "no\n")
        response.headers.update(headers or {})
        return response

    return lambda: serving(vanish, process_request=process)


def silent(connection: ServerConnection) -> None:
    """Read a request and answer nothing."""
    connection.recv()
    connection.recv()


def vanish(connection: ServerConnection) -> None:
    """Read a request and drop the connection."""
    connection.recv()
    connection.socket.shutdown(2)


def garble(connection: ServerConnection) -> None:
    """Read a request and send bytes that are not a frame."""
    connection.recv()
    connection.socket.sendall(b"\xff\xff\xff\xff")
    connection.recv()


def notify_for_ever(connection: ServerConnection) -> None:
    """Read a request and send subscription notifications endlessly."""
    connection.recv()
    note = json.dumps({"jsonrpc": "2.0", "method": "eth_subscription"})
    stopped = threading.Event()
    while True:
        connection.send(note)
        stopped.wait(0.02)


def closing(code: int) -> Handler:
    """Return a handler that reads a request and closes with ``code``."""

    def close(connection: ServerConnection) -> None:
        connection.recv()
        connection.close(code)

    return close
