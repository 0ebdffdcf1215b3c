"""Endpoints that provoke each row of the failure table with real failures.

:data:`HTTP` and :data:`WEBSOCKET` list the faults per row. A row is a line of
`seqsend.verdicts.failure_table.ROWS`; a fault is an endpoint that fails in one way.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from seqsend.verdicts import failure_table as table
from seqsend.verdicts.failure_table import Row
from tests.support import ws
from tests.support.answers import BODIES, HOSTILE, POOR, Body, error, message
from tests.support.certificates import Authority, Kind
from tests.support.nginx import Nginx
from tests.support.node import Anvil
from tests.support.servers import (
    Address,
    Closing,
    Dripping,
    Relaying,
    Replying,
    Request,
    Server,
    Silent,
    StallingTLS,
    Swallowing,
    blackhole,
    dead,
    http,
    jsonrpc_error,
    pass_on,
)
from tests.support.wallet import Signed


@dataclass(frozen=True)
class World:
    """The parts that faults are built from."""

    node: Anvil
    authority: Authority
    signed: Signed
    """The transaction that the test will send."""
    nginx: Callable[[], Nginx]
    """Starts nginx on first use, because not every machine has it."""


Start = Callable[[World], AbstractContextManager[str]]


@dataclass(frozen=True)
class Fault:
    """One way to fail."""

    name: str
    start: Start
    """Runs the endpoint and yields its address."""
    ends: str | None = None
    """How a send ends; None if it ends as the row says."""
    options: tuple[str, ...] = ()


def _http_answer(status: int, body: Body) -> Start:
    @contextmanager
    def start(world: World) -> Iterator[str]:
        def reply(request: Request) -> bytes:
            return http(status, body(request.id, world.signed))

        with Replying(reply) as server:
            yield server.url

    return start


def _answers(row: Row, status: int = 200) -> tuple[Fault, ...]:
    return tuple(Fault(name, _http_answer(status, body)) for name, body in BODIES[row].items())


def _fault(
    name: str,
    server: Callable[[], Server | AbstractContextManager[Address]],
    *,
    scheme: str = "http",
    options: tuple[str, ...] = (),
) -> Fault:
    @contextmanager
    def start(_world: World) -> Iterator[str]:
        with server() as running:
            yield running.url.replace("http", scheme, 1)

    return Fault(name, start, options=options)


def _always(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Fault:
    return _fault(str(status), lambda: Replying(http(status, body, headers)))


def _wrong_certificate(kind: Kind) -> Fault:
    @contextmanager
    def start(world: World) -> Iterator[str]:
        with Replying(http(200, b""), tls=world.authority.context(kind)) as server:
            yield server.url.replace("http", "https")

    return Fault(f"certificate: {kind}", start)


def _nginx(location: str, ends: str | None = None, *, calls: int = 0) -> Fault:
    @contextmanager
    def start(world: World) -> Iterator[str]:
        nginx = world.nginx()
        for _ in range(calls):
            nginx.visit(location)
        yield f"{nginx.url}/{location}"

    return Fault(f"nginx: {location}", start, ends)


def _to_node(make: Callable[[str], Server], name: str, ends: str | None = None) -> Fault:
    @contextmanager
    def start(world: World) -> Iterator[str]:
        with make(world.node.url) as server:
            yield server.url

    return Fault(name, start, ends)


@contextmanager
def _unknown_name(_world: World) -> Iterator[str]:
    yield "http://no-such-host.invalid:8545"


@contextmanager
def _https_of_nginx_without_tls(world: World) -> Iterator[str]:
    yield world.nginx().secure_url.replace("https", "http") + "/rpc"


@contextmanager
def _redirecting_to_the_node(world: World) -> Iterator[str]:
    with Replying(http(307, b"", {"Location": world.node.url})) as server:
        yield server.url


@contextmanager
def _nonce_too_low(world: World) -> Iterator[str]:
    """Refuse the transaction in words that may mean "I have it"; answer look-ups truthfully."""

    def reply(request: Request) -> bytes:
        if isinstance(request.json, dict) and request.json["method"] == "eth_sendRawTransaction":
            return jsonrpc_error(request, -32000, "nonce too low")
        return http(200, pass_on(request.body, world.node.url))

    with Replying(reply) as server:
        yield server.url


def _echo(request: Request) -> bytes:
    """Answer with everything that the request reveals: path and headers."""
    heard = f"POST {request.path} {dict(request.headers)}"
    error = {"code": -32000, "message": heard, "data": {heard: [heard]}}
    body = {"jsonrpc": "2.0", "id": request.id, "error": error}
    return http(503, json.dumps(body).encode())


def _echo_location(request: Request) -> bytes:
    return http(302, b"", {"Location": f"http://other.example{request.path}"})


def _bomb() -> bytes:
    """Return an answer of 600 kB that inflates to 600 MB of blanks."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b" " * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the same input gives the same bytes: one copy is enough.
    again = packer.compress(b" " * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    return http(200, head + again * 599, {"Content-Encoding": "gzip"})


BOMB = _bomb()
"""A response of 600 kB that inflates to 600 MB."""

_OK = b"HTTP/1.1 200 OK\r\n"
_LONG = b"Content-Length: 999\r\n\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
How = Literal["fin", "rst"]


def _closing(name: str, partial: bytes = b"", how: How = "fin", scheme: str = "http") -> Fault:
    after: Literal["accept", "request"] = "request" if scheme == "http" else "accept"
    return _fault(name, lambda: Closing(after=after, how=how, partial=partial), scheme=scheme)


HTTP: Mapping[Row, tuple[Fault, ...]] = {
    table.NOT_DELIVERED: (
        _fault("refused", dead),
        _fault("SYNs dropped", blackhole),
        Fault("name does not resolve", _unknown_name),
        _fault("TLS stalls", StallingTLS, scheme="https"),
        _closing("TLS closed", scheme="https"),
        _closing("TLS reset", how="rst", scheme="https"),
        _closing("plain HTTP on an https port", http(400, b""), scheme="https"),
        _closing("rubbish on an https port", b"\x00\xff" * 40, scheme="https"),
        *(_wrong_certificate(kind) for kind in ("expired", "not yet", "other host", "stranger")),
    ),
    table.MAYBE_DELIVERED: (
        _closing("closed"),
        _closing("reset", how="rst"),
        _nginx("444"),
        _fault("silent", Silent),
        _to_node(Swallowing, "taken, never answered", "known"),
        _closing("status line cut", b"HTTP/1.1 20"),
        _closing("body cut", _OK + _LONG + b'{"jsonrpc'),
        _closing("chunk cut", _OK + _CHUNKED + b'f\r\n{"json'),
        _closing("chunk size wrong", _OK + _CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),
        _closing("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n"),
        _closing("TLS on an http port", b"\x15\x03\x01\x00\x02\x02\x46"),
        _closing("HTTP/2", b"\x00\x00\x12\x04" + bytes(14)),
        _closing("a header without end", _OK + b"X: " + b"y" * 70_000),
        _closing("a thousand headers", _OK + b"X: y\r\n" * 1000 + b"\r\n"),
        _closing("no gzip", http(200, b"no gzip", {"Content-Encoding": "gzip"})),
        _fault("headers drip", lambda: Dripping(_OK + b"X: y\r\n" * 99, 0.05)),
        _fault("body drips", lambda: Dripping(_OK + _LONG + b" " * 999, 0.05)),
        _fault("chunks without end", lambda: Dripping(_OK + _CHUNKED + b"1\r\n \r\n" * 999, 0.01)),
        _fault("100 Continue without end", lambda: Replying(b"HTTP/1.1 100 C\r\n\r\n" * 100_000)),
        _fault("a body that stops", lambda: Dripping(_OK + _LONG, 0)),
        _fault("a gzip bomb of 600 MB", lambda: Replying(BOMB)),
        _fault(
            "too large",
            lambda: Replying(http(200, b" " * 100_000)),
            options=("--max-response-size=64KiB",),
        ),
    ),
    table.HTTP_REFUSED: (
        *(_always(status, b"<html>") for status in (401, 402, 403, 404, 405, 410, 413, 429, 521)),
        *(_nginx(status) for status in ("401", "403", "404", "413")),
        _nginx("429", calls=2),
        *(
            Fault(f"{status} with an error", _http_answer(status, error(-32000, "nonce too low")))
            for status in (401, 429)
        ),
    ),
    table.HTTP_TIMED_OUT: (_always(408),),
    table.HTTP_REDIRECT: (
        *(_always(s, b"", {"Location": "http://u:p@other/x?t=1"}) for s in (301, 302, 303, 308)),
        _always(304),
        _nginx("308"),
        Fault("307 to the live node", _redirecting_to_the_node),
        _fault("302 that quotes the address", lambda: Replying(_echo_location)),
    ),
    table.HTTP_BROKEN: (
        *(_always(status, b"<html>") for status in (400, 418, 422, 500, 520, 999)),
        *(_nginx(status) for status in ("502", "503")),
        _nginx("504", "known"),
        Fault("nginx: http on its https port", _https_of_nginx_without_tls),
        *(
            Fault(f"{status} with a result", _http_answer(status, message(result="HASH")))
            for status in (400, 502)
        ),
        Fault("503 with an error", _http_answer(503, error(-32011, "no backends available"))),
        _fault("503 that quotes the request", lambda: Replying(_echo)),
        Fault("503 with hostile text", _http_answer(503, error(-32000, HOSTILE))),
    ),
    table.HTTP_VERDICT: tuple(
        Fault(str(status), _http_answer(status, error(-32000, POOR)))
        for status in (400, 409, 413, 422)
    ),
    table.NO_ANSWER: (
        *_answers(table.NO_ANSWER),
        _always(204),
        _nginx("page"),
        _closing("headers cut", _OK + b"Content-Le"),
    ),
    table.NULL_RESULT: _answers(table.NULL_RESULT),
    table.OTHER_RESULT: _answers(table.OTHER_RESULT),
    table.VERDICT: (
        *_answers(table.VERDICT),
        Fault("nonce too low", _nonce_too_low),
    ),
    table.NOT_FROM_ME: _answers(table.NOT_FROM_ME),
    table.PASSED_ON: _answers(table.PASSED_ON),
    table.RESULT: (
        _to_node(Relaying, "it answers"),
        *(_nginx(location) for location in ("rpc", "gzip", "once")),
    ),
}
"""Faults per row, for the first of two endpoints; the second is a live node."""


def _ws_fault(name: str, start: Callable[[], AbstractContextManager[str]]) -> Fault:
    return Fault(name, lambda _world: start())


def _ws_closing(code: int) -> Fault:
    return _ws_fault(f"closed with {code}", lambda: ws.serving(ws.closing(code)))


def _ws_answers(row: Row) -> tuple[Fault, ...]:
    def starting(body: Body) -> Start:
        return lambda world: ws.serving(ws.answering(lambda r: body(r["id"], world.signed)))

    return tuple(Fault(name, starting(body)) for name, body in BODIES[row].items())


def _wrong_ws_certificate(kind: Kind) -> Fault:
    def start(world: World) -> AbstractContextManager[str]:
        return _as_wss(ws.serving(ws.silent, ssl=world.authority.context(kind)))

    return Fault(f"certificate: {kind}", start)


@contextmanager
def _as_wss(server: AbstractContextManager[str]) -> Iterator[str]:
    with server as url:
        yield url.replace("ws:", "wss:")


def _send_too_much(connection: Any) -> None:
    connection.recv()
    connection.send("x" * 40_000_000)


def _node_by_websocket(world: World) -> AbstractContextManager[str]:
    return ws.serving(
        ws.answering(lambda request: pass_on(json.dumps(request).encode(), world.node.url))
    )


WEBSOCKET: Mapping[Row, tuple[Fault, ...]] = {
    table.NOT_DELIVERED: (
        _ws_fault("refused", lambda: ws.at(dead())),
        _ws_fault("SYNs dropped", lambda: ws.at(blackhole())),
        _ws_fault("no handshake", lambda: ws.at(Silent())),
        _ws_fault("handshake drips", lambda: ws.at(Dripping(b"HTTP/1.1 101 X\r\n" * 99, 0.02))),
        _ws_fault("closed", lambda: ws.at(Closing(after="request", how="fin"))),
        _ws_fault("reset", lambda: ws.at(Closing(after="request", how="rst"))),
        _ws_fault("an HTTP server", lambda: ws.at(Replying(http(200, b"{}")))),
        *(_ws_fault(f"HTTP {status}", ws.refusing(status)) for status in (401, 403, 404, 429, 503)),
        _ws_fault("redirect", ws.refusing(307, {"Location": "ws://u:p@other/?t=1"})),
        _ws_fault("TLS stalls", lambda: _as_wss(ws.at(StallingTLS()))),
        _ws_fault("plain WebSocket on a wss port", lambda: _as_wss(ws.serving(ws.silent))),
        *(_wrong_ws_certificate(kind) for kind in ("expired", "other host", "stranger")),
    ),
    table.MAYBE_DELIVERED: (
        _ws_fault("silent", lambda: ws.serving(ws.silent)),
        _ws_fault("notifications without end", lambda: ws.serving(ws.notify_for_ever)),
        _ws_fault("vanished", lambda: ws.serving(ws.vanish)),
        _ws_fault("no frame", lambda: ws.serving(ws.garble)),
        _ws_fault("too large", lambda: ws.serving(_send_too_much)),
        *(_ws_closing(code) for code in (1000, 1009, 1011, 1013)),
    ),
    table.NO_ANSWER: _ws_answers(table.NO_ANSWER),
    table.NULL_RESULT: _ws_answers(table.NULL_RESULT),
    table.OTHER_RESULT: _ws_answers(table.OTHER_RESULT),
    table.VERDICT: _ws_answers(table.VERDICT),
    table.NOT_FROM_ME: _ws_answers(table.NOT_FROM_ME),
    table.PASSED_ON: _ws_answers(table.PASSED_ON),
    table.RESULT: (Fault("it answers", _node_by_websocket),),
}
"""Faults per row for a WebSocket, as the only endpoint. It has no rows for HTTP statuses: these are
failures of the handshake, which deliver nothing."""
