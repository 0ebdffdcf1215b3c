"""HTTP answers, read from bytes that come in pieces of any size."""

import gzip
import http.client
import json
import tracemalloc
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend.errors import EndpointFailure
from seqsend.transports.answers import Head, read_body, read_head, read_start
from seqsend.transports.base import Deadline, Exchange
from seqsend.transports.failures import NotHttp
from seqsend.transports.sockets import Reader

MIB = 2**20

packed = partial(gzip.compress, mtime=0)  # the same bytes each time: they are in tests' names


class Pieces:
    """A channel over which ``pieces`` come, one a read, and then the end."""

    def __init__(self, pieces: Sequence[bytes], *, seconds: float = 60.0) -> None:
        self._left = [piece for piece in pieces if piece]
        soon = Deadline.after(seconds, "request timeout")
        self.exchange = Exchange(soon, soon)

    def recv_into(self, buffer: Any) -> int:
        if not self._left:
            return 0
        piece = self._left.pop(0)
        size = min(len(piece), len(buffer))
        buffer[:size] = piece[:size]
        if size < len(piece):
            self._left.insert(0, piece[size:])
        return size

    def recv_now(self, size: int) -> bytes:
        del size
        raise BlockingIOError

    def sendall(self, data: bytes) -> None: ...
    def send_now(self, data: bytes) -> None: ...
    def close(self) -> None: ...
    def is_quiet(self) -> bool:
        return not self._left


def read(data: bytes | Sequence[bytes], limit: int = MIB, seconds: float = 60.0) -> Any:
    channel = Pieces([data] if isinstance(data, bytes) else data, seconds=seconds)
    reader = Reader(channel)
    head = read_head(reader)
    body = read_body(reader, head, limit, channel.exchange)
    return head, body, reader.has_more()


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
    sized(packed(packed(b"hello")), "Content-Encoding: gzip, identity, gzip"),
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
def test_an_answer_is_read_whatever_the_pieces_it_comes_in(
    data: bytes, sizes: Sequence[int]
) -> None:
    head, body, more = read(cut(data, sizes))
    assert (head.status, body, more) == (200, b"hello", False)


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20), CUTS, st.booleans())
def test_any_body_comes_out_as_it_went_in(
    chunks: list[bytes],
    sizes: Sequence[int],
    compressed: bool,  # noqa: FBT001
) -> None:
    whole = b"".join(chunks)
    data = sized(packed(whole), "Content-Encoding: gzip") if compressed else chunked(*chunks)
    assert read(cut(data, sizes))[1] == whole


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
def test_what_is_not_an_http_answer(data: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        read(data)


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
        (
            sized(packed(b"hello" * 99)[:20], "Content-Encoding: gzip"),
            "answer cut off",
            "closed",
        ),
        (sized(b"x" * (MIB + 1)), "answer larger than 1MiB", "too_large"),
        (chunked(b"x" * MIB, b"x"), "answer larger than 1MiB", "too_large"),
        (answer(body=b"x" * (MIB + 1)), "answer larger than 1MiB", "too_large"),
    ],
)
def test_an_answer_that_is_not_whole(data: bytes, reason: str, code: str) -> None:
    with pytest.raises(EndpointFailure, match=reason) as caught:
        read(data)
    assert caught.value.reason_code == code


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip", "gzip, gzip, gzip", "\x00"])
def test_what_cannot_be_inflated(coding: str) -> None:
    with pytest.raises(zlib.error):
        read(sized(b"hello", f"Content-Encoding: {coding}"))


@given(st.binary(max_size=300) | st.lists(st.sampled_from([*WHOLE, b"\r\n", b"0"])).map(b"".join))
def test_any_bytes_are_an_answer_or_a_failure_that_is_known(data: bytes) -> None:
    try:
        head, body, _ = read(data)
    except (EndpointFailure, NotHttp, zlib.error):
        return
    assert 100 <= head.status <= 999
    assert isinstance(body, bytes)


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
        # Where one ends is a matter of opinion: such desynchronise connections.
        (answer("Transfer-Encoding: chunked", "Content-Length: 9", body=b"0\r\n\r\n"), False),
        (sized(b"hello", "no colon at all"), False),
    ],
)
def test_which_connection_may_be_used_again(data: bytes, persists: bool) -> None:  # noqa: FBT001
    head, _, more = read(data)
    assert (head.persists, more) == (persists, False)


@pytest.mark.parametrize("beyond", [b"\0", b"HTTP/1.1 200 OK\r\n", sized(b"hello")])
@pytest.mark.parametrize("data", [sized(b"hello"), chunked(b"hello")])
def test_what_came_with_an_answer_is_noticed(data: bytes, beyond: bytes) -> None:
    assert read(data + beyond)[1:] == (b"hello", True)


def test_the_start_of_a_failing_body_is_kept() -> None:
    def start(data: bytes, limit: int = 9) -> tuple[bytes, bool]:
        channel = Pieces([data])
        reader = Reader(channel)
        return read_start(reader, read_head(reader), limit, channel.exchange)

    assert start(sized(b"hello")) == (b"hello", True)
    assert start(answer("Content-Length: 99", body=b"hello")) == (b"hello", False)
    assert start(sized(b"x" * 99)) == (b"x" * 9, False)
    assert start(sized(b"no gzip", "Content-Encoding: gzip")) == (b"", False)
    assert start(answer("Transfer-Encoding: x", body=b"hello")) == (b"", False)


def bomb(size: int, layers: int = 1) -> bytes:
    small = json.dumps([0] * 10_000).encode()
    data = small * (size // len(small))
    for _ in range(layers):
        data = packed(data)
    return data


@pytest.mark.parametrize("layers", [1, 2])
def test_a_bomb_costs_no_more_memory_than_the_limit(layers: int) -> None:
    coding = ", ".join(["gzip"] * layers)
    data = sized(bomb(64 * MIB, layers), f"Content-Encoding: {coding}")
    assert len(data) < 300_000
    limit = 8 * MIB
    tracemalloc.start()
    try:
        with pytest.raises(EndpointFailure, match="answer larger than 8MiB"):
            read(data, limit)
        assert tracemalloc.get_traced_memory()[1] < limit * 1.5
    finally:
        tracemalloc.stop()


def test_inflating_counts_against_the_deadline() -> None:
    """Layers that inflate to a lot, of which nothing is left in the end."""
    empty = packed(b"")
    data = sized(packed(empty * 1_000_000), "Content-Encoding: gzip, gzip")
    channel = Pieces([data], seconds=0.1)
    channel.exchange.enter("answer")
    reader = Reader(channel)
    head = read_head(reader)
    with pytest.raises(EndpointFailure, match="no answer in time"):
        read_body(reader, head, MIB, channel.exchange)


def test_a_head_has_its_fields_by_name_in_lower_case() -> None:
    head: Head = read(sized(b"", "Retry-After:  30 ", "X: 1", "x: 2", "Location: //[::1"))[0]
    assert head.fields["retry-after"] == "30"
    assert head.fields["x"] == "1, 2"
    assert head.fields["location"] == "//[::1"
