"""HTTP answers that come in pieces of any size, read through requests and urllib3."""

import gzip
import json
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend.endpoints import parse_endpoints
from seqsend.errors import EndpointFailure
from seqsend.models import Reply
from seqsend.transports.base import Deadline, Exchange
from seqsend.transports.connections import Route
from seqsend.transports.http import HttpTransport
from seqsend.waiting import SignalReceived

MIB = 2**20
OVERRUN = 0.25  # seconds that the contract allows past a deadline

packed = partial(gzip.compress, mtime=0)  # the same bytes each time: they are in tests' names


class Pieces:
    """A channel that returns ``pieces``, one per read, and then ends."""

    exchange: Exchange

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._left = [piece for piece in pieces if piece]
        self.written, self.writes = b"", 0
        self.is_closed = False
        self.on_write: BaseException | None = None
        self.on_look: BaseException | None = None

    def recv_into(self, buffer: Any) -> int:
        if not self._left:
            return 0
        piece = self._left.pop(0)
        size = min(len(piece), len(buffer))
        buffer[:size] = piece[:size]
        if size < len(piece):
            self._left.insert(0, piece[size:])
        return size

    def sendall(self, data: bytes) -> None:
        self.written += data
        self.writes += 1
        if self.on_write is not None:
            raise self.on_write

    def recv_now(self, size: int) -> bytes:
        del size
        raise BlockingIOError

    def send_now(self, data: bytes) -> None: ...

    def is_quiet(self) -> bool:
        if self.on_look is not None:
            raise self.on_look
        return not self._left

    def close(self) -> None:
        self.is_closed = True


class Wire:
    """The transport, with nothing but the dial replaced."""

    def __init__(
        self,
        data: bytes | Sequence[bytes],
        limit: int = MIB,
        *,
        url: str = "http://seq.example",
        on_write: BaseException | None = None,
    ) -> None:
        self._pieces = [data] if isinstance(data, bytes) else data
        self._on_write = on_write
        self.dialled: list[Pieces] = []
        self.routes: list[Route] = []
        (self.endpoint,) = parse_endpoints(url)
        self._transport = HttpTransport([self.endpoint], {}, max_response_size=limit)

    def exchange(self, seconds: float = 60.0) -> Reply:
        return self._run(lambda: self._transport.exchange(self.endpoint, b"{}", self.last), seconds)

    def fetch(self) -> Reply:
        return self._run(lambda: self._transport.fetch(self.endpoint, "path", self.last), 60.0)

    def _run(self, send: Callable[[], Reply], seconds: float) -> Reply:
        by = Deadline.after(seconds, "request timeout")
        self.last = Exchange(by, by)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("seqsend.transports.http_pools.connect", self._connect)
            return send()

    def _connect(self, route: Route, _exchange: Exchange) -> Pieces:
        self.routes.append(route)
        self.dialled.append(Pieces(self._pieces))
        self.dialled[-1].on_write = self._on_write
        return self.dialled[-1]


def read(data: bytes | Sequence[bytes], limit: int = MIB, seconds: float = 60.0) -> Reply:
    return Wire(data, limit).exchange(seconds)


def answer(*lines: str, body: bytes = b"", status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1") + body


def sized(body: bytes, *lines: str) -> bytes:
    return answer(*lines, f"Content-Length: {len(body)}", body=body)


def chunked(*chunks: bytes, trailer: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""][:-1])
    return answer("Transfer-Encoding: chunked", body=body + b"0\r\n" + trailer + b"\r\n")


CUTS = st.lists(st.integers(1, 40), max_size=30)


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


WHOLE = [
    sized(b"hello"),
    answer("connection: close", body=b"hello"),
    chunked(b"he", b"l", b"lo"),
    chunked(b"hello", trailer=b"X: y\r\nZ: \r\n"),
    answer("Transfer-Encoding: Chunked", body=b"5;x=y\r\nhello\r\n000\r\n\r\n"),
    sized(packed(b"hello"), "Content-Encoding: gzip"),
    sized(packed(b"he") + packed(b"llo"), "Content-Encoding: X-GZIP"),
    sized(packed(b"hello") + b"\0\n", "Content-Encoding: gzip"),
    sized(zlib.compress(b"hello"), "Content-Encoding: deflate"),
    sized(zlib.compress(b"hello", wbits=-15), "Content-Encoding: deflate"),
    sized(packed(b"hello"), "Content-Encoding: identity, gzip"),
    answer(status="100 Continue") + sized(b"hello"),
    answer("Link: </x>", status="103 Early Hints") * 3 + sized(b"hello"),
    answer(status="102 Processing") + answer(status="100") + chunked(b"hello"),
    sized(b"hello", *(f"X-{n}: y" for n in range(300))),
    b"HTTP/1.0 200\nContent-Length: 5\n\nhello",
    answer("Content-Length: 5, 5", "content-length: 5", body=b"hello"),
    sized(b"hello", "X: a", "  folded", "no colon at all"),
]


@pytest.mark.parametrize("data", WHOLE)
@given(CUTS)
def test_an_answer_is_read_in_pieces_of_any_size(data: bytes, sizes: Sequence[int]) -> None:
    reply = read(cut(data, sizes))
    assert (reply.status, reply.body) == (200, b"hello")


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20), CUTS, st.booleans())
def test_any_body_comes_out_as_it_went_in(
    chunks: list[bytes],
    sizes: Sequence[int],
    compressed: bool,  # noqa: FBT001
) -> None:
    whole = b"".join(chunks)
    data = sized(packed(whole), "Content-Encoding: gzip") if compressed else chunked(*chunks)
    assert read(cut(data, sizes)).body == whole


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 099 X\r\n\r\n",
        b"HTTP/1.1 20 X\r\n\r\n",
        b"HTTP/1.1 2000 X\r\n\r\n",
        b"HTTP/1.1 " + b"2" * 70_000,
        b"\x00\x00\x12\x04" + bytes(14),
        sized(b"hello", "X: " + "y" * 70_000),
        sized(b"hello", *(f"X-{n}: y" for n in range(600))),
        sized(b"hello", *("X: " + "y" * 60_000 for _ in range(5))),
        answer("Content-Length: 5, 6", body=b"hello"),
        answer("Content-Length: 5", "  6", body=b"hello"),  # the line before goes on
        answer("Content-Length: 5", "Content-Length: 6", body=b"hello"),
        answer("Content-Length: -5", body=b"hello"),
        answer("Content-Length: +5", body=b"hello"),
        answer("Content-Length: 0x5", body=b"hello"),
        answer("Content-Length: " + "9" * 30, body=b"hello"),
        answer("Transfer-Encoding: gzip, chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        answer("Transfer-Encoding: identity", body=b"hello"),
        answer(status="100 Continue") * 100 + sized(b"hello"),
    ],
)
def test_anything_but_an_http_answer_is_a_failure(data: bytes) -> None:
    with pytest.raises(EndpointFailure, match=r"^not an HTTP answer$") as caught:
        read(data)
    assert caught.value.reason_code == "not_http"


@pytest.mark.parametrize(
    ("data", "reason", "code"),
    [
        (b"", "connection closed without an answer", "closed"),
        (answer(status="100 Continue"), "connection closed without an answer", "closed"),
        (b"HTTP/1.1 200", "answer cut off", "closed"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "the port wants https", "tls_wanted"),
        (answer("Content-Length: 9", body=b"hello"), "answer cut off", "closed"),
        (answer("Content-Length: 99999999999999999", body=b"hello"), "answer cut off", "closed"),
        (chunked(b"hello")[:-6], "answer cut off", "closed"),
        (answer("Transfer-Encoding: chunked", body=b"zz\r\n"), "answer cut off", "closed"),
        (answer("Transfer-Encoding: chunked", body=b"-1\r\nhello"), "answer cut off", "closed"),
        (answer("Transfer-Encoding: chunked", body=b"5\r\nhello!\r\n"), "cut off", "closed"),
        (answer("Transfer-Encoding: chunked", body=b"f" * 17 + b"\r\n"), "cut off", "closed"),
        (sized(b"x" * (MIB + 1)), "answer larger than 1MiB", "too_large"),
        (chunked(b"x" * MIB, b"x"), "answer larger than 1MiB", "too_large"),
        (answer(body=b"x" * (MIB + 1)), "answer larger than 1MiB", "too_large"),
    ],
)
def test_an_incomplete_or_too_large_answer_is_a_failure(
    data: bytes, reason: str, code: str
) -> None:
    for send in (Wire.exchange, Wire.fetch):
        wire = Wire(data)
        with pytest.raises(EndpointFailure, match=reason) as caught:
            send(wire)
        assert caught.value.reason_code == code
        assert len(wire.dialled) == 1  # and nothing is sent twice behind the user's back
        # The libraries' exceptions quote what came, and the URL.
        assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("br", b"hello"),
        ("zstd", b"hello"),
        ("gzip", b"hello"),
        ("\x00", b"hello"),
        ("gzip, gzip", packed(packed(b"hello"))),
        ("deflate, gzip", packed(zlib.compress(b"hello"))),
    ],
)
def test_a_body_that_cannot_be_decompressed_is_a_failure(coding: str, body: bytes) -> None:
    with pytest.raises(EndpointFailure, match="answer could not be decompressed"):
        read(sized(body, f"Content-Encoding: {coding}"))


@given(st.binary(max_size=300) | st.lists(st.sampled_from([*WHOLE, b"\r\n", b"0"])).map(b"".join))
def test_any_bytes_are_an_answer_or_a_known_failure(data: bytes) -> None:
    wire = Wire(data)
    try:
        reply = wire.exchange()
    except EndpointFailure:
        assert wire.dialled[0].is_closed
        return
    assert reply.status is not None
    assert 100 <= reply.status <= 999
    assert isinstance(reply.body, bytes)


@pytest.mark.parametrize(
    ("data", "persists"),
    [
        (sized(b"hello"), True),
        (chunked(b"hello"), True),
        (sized(b"hello", "Connection: keep-alive, X"), True),
        (sized(b"hello", "Connection: X, Close"), False),
        (answer(body=b"hello"), False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", True),
        # Readers disagree on where these end, which desynchronises connections.
        (answer("Transfer-Encoding: chunked", "Content-Length: 9", body=b"0\r\n\r\n"), False),
        (sized(b"hello", "no colon at all"), False),
    ],
)
def test_which_connection_may_be_used_again(data: bytes, persists: bool) -> None:  # noqa: FBT001
    wire = Wire(data)
    wire.exchange()
    assert wire.dialled[0].is_closed != persists
    with pytest.raises(EndpointFailure) if persists else nullcontext():  # it has no second answer
        wire.exchange()
    assert len(wire.dialled) == (1 if persists else 2)


@pytest.mark.parametrize("beyond", [b"\0", b"HTTP/1.1 200 OK\r\n", sized(b"hello")])
@pytest.mark.parametrize("data", [sized(b"hello"), chunked(b"hello")])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_connection_that_carries_more_than_its_answer_is_not_used_again(
    data: bytes,
    beyond: bytes,
    at_once: bool,  # noqa: FBT001
) -> None:
    wire = Wire(data + beyond if at_once else [data, beyond])
    for _ in range(2):
        assert wire.exchange().body == b"hello"
    assert len(wire.dialled) == 2
    assert wire.dialled[0].is_closed


@pytest.mark.parametrize("error", [BrokenPipeError(), ConnectionResetError()])
def test_an_answer_that_came_before_the_close_is_read(error: OSError) -> None:
    """The request was not written whole, and another one cannot follow it."""
    wire = Wire(answer("Content-Length: 4", status="413 Too Large", body=b"2MiB"), on_write=error)
    for _ in range(2):
        reply = wire.exchange()
        assert (reply.status, reply.body) == (413, b"2MiB")
        assert (wire.last.written, wire.last.phase) == (False, "answer")
    assert len(wire.dialled) == 2


@pytest.mark.parametrize("interruption", [SignalReceived(), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("moment", ["on_look", "on_write"])
def test_an_exception_leaves_no_connection_and_no_lock_behind(
    interruption: BaseException, moment: str
) -> None:
    wire = Wire(sized(b"hello"))
    wire.exchange()
    setattr(wire.dialled[0], moment, interruption)
    is_outage = isinstance(interruption, MemoryError)
    with pytest.raises(EndpointFailure if is_outage else type(interruption)):
        wire.exchange()
    assert wire.dialled[0].is_closed
    assert not wire.last.written
    assert wire.exchange().body == b"hello"
    assert len(wire.dialled) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://[fe80::1%25eth0]:8545",
        "http://seq.example.",
        "https://seq.example:80/a/../b",
        "http://127.1/@other.example:1/",
        "http://u:pw%40@seq.example/a%2fb?x=%zz",
        "http://straße.example",
    ],
)
@pytest.mark.parametrize("proxy", ["", "http://proxy.example:3128"])
def test_the_address_that_was_parsed_is_dialled(
    url: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever requests and urllib3 make of a URL."""
    monkeypatch.setenv("all_proxy", proxy)
    wire = Wire(sized(b"hello"), url=url)
    wire.exchange()
    (route,) = wire.routes
    assert route.address is wire.endpoint.address
    assert f"Host: {route.address.authority}".encode() in wire.dialled[0].written.splitlines()


def test_head_and_body_go_out_in_one_write() -> None:
    wire = Wire(sized(b"hello"))
    wire.exchange()
    assert wire.dialled[0].writes == 1
    head, _, body = wire.dialled[0].written.partition(b"\r\n\r\n")
    assert (head.splitlines()[0], body) == (b"POST / HTTP/1.1", b"{}")
    assert b"Content-Length: 2" in head.splitlines()


def test_the_start_of_a_failing_body_is_kept() -> None:
    def start(*lines: str, body: bytes = b"hello") -> bytes:
        return read(answer(*lines, status="503 Unavailable", body=body)).body

    assert start("Content-Length: 5") == b"hello"
    assert start("Content-Length: 99") == b"hello"
    assert start(body=b"x" * 99_999) == b"x" * 65_536
    assert start("Transfer-Encoding: chunked", body=b"5\r\nhello\r\nzz") == b"hello"
    assert start("Content-Encoding: gzip") == b""
    assert start("Content-Encoding: br") == b""


def bomb(size: int, layers: int = 1) -> bytes:
    small = json.dumps([0] * 10_000).encode()
    data = small * (size // len(small))
    for _ in range(layers):
        data = packed(data)
    return data


@pytest.mark.parametrize(
    ("layers", "reason"), [(1, "answer larger than 8MiB"), (2, "could not be decompressed")]
)
@pytest.mark.parametrize("status", ["200 OK", "503 Unavailable"])
def test_a_bomb_costs_no_more_memory_than_the_limit(layers: int, reason: str, status: str) -> None:
    body = bomb(64 * MIB, layers)
    coding = ", ".join(["gzip"] * layers)
    data = answer(
        f"Content-Encoding: {coding}", f"Content-Length: {len(body)}", status=status, body=body
    )
    assert len(data) < 300_000
    limit = 8 * MIB
    wire = Wire(data, limit)
    tracemalloc.start()
    try:
        with pytest.raises(EndpointFailure, match=reason) if status[0] == "2" else nullcontext():
            assert len(wire.exchange().body) == (65_536 if layers == 1 else 0)
        assert tracemalloc.get_traced_memory()[1] < limit * 1.5
    finally:
        tracemalloc.stop()


def test_inflating_counts_against_the_deadline() -> None:
    """Once its bytes have come, there is no wait left that checks the clock."""
    data = sized(packed(b" " * (512 * MIB)), "Content-Encoding: gzip")
    started = time.monotonic()
    with pytest.raises(EndpointFailure, match="no answer in time"):
        read(data, limit=2**40, seconds=0.1)
    assert time.monotonic() - started < 0.1 + OVERRUN


def test_useful_headers_are_kept() -> None:
    reply = read(sized(b"", "Retry-After:  30 ", "content-type : a", "Location: //[::1"))
    assert reply == Reply(200, b"", "//[::1", "30", "a")
