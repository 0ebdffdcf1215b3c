"""An HTTP answer, read off a connection: its head, its body, and whether more may follow.

RFC 9110 and 9112, of which a client needs little. Everything is bounded: lines, header fields,
interim answers, and the body after it was inflated.
"""

import io
import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from seqsend.errors import EndpointFailure
from seqsend.transports.base import Exchange
from seqsend.transports.failures import NotHttp, timeout_failure
from seqsend.transports.sockets import Reader
from seqsend.units import format_size

CODINGS = "gzip, deflate"
"""What is understood, as Accept-Encoding says it."""

_LONGEST_LINE = 64 * 1024  # bytes; what http.client takes
_LONGEST_HEAD = 256 * 1024  # bytes of all lines together
_MOST_LINES = 512
_MOST_INTERIM = 100
_MOST_CODINGS = 2  # one on top of the other
_PIECE = 64 * 1024  # bytes

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9])[ \t]+([1-9][0-9]{2})(?:[ \t][^\n]*)?\r?\n")
_TLS_ALERT = b"\x15\x03"  # RFC 8446, section 5.1: what a TLS server says to plain HTTP
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\n]*)?\r?\n")
_LENGTH = re.compile(r"[0-9]{1,18}")
_GZIP, _GZIP_WINDOW = b"\x1f", 16 + zlib.MAX_WBITS
_INTERIM = frozenset(range(100, 200)) - {101}
_BODILESS = (101, 204, 304)


class Head(NamedTuple):
    """Status and header fields."""

    status: int
    fields: dict[str, str]
    """By name in lower case; of one name, all values joined by commas (RFC 9110, 5.3)."""
    persists: bool
    """The connection may be used again once the body was read."""


def read_head(reader: Reader) -> Head:
    """Return the head of the answer; interim ones before it are skipped (RFC 9110, 15.2).

    Raises:
        NotHttp: what came is not the head of an answer.
        EndpointFailure: the connection ended, or the deadline passed.

    """
    for _ in range(_MOST_INTERIM):
        head = _read_one_head(reader)
        if head.status not in _INTERIM:
            return head
    raise NotHttp


def _read_one_head(reader: Reader) -> Head:
    line = reader.readline(_LONGEST_LINE)
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise _not_a_status_line(line)
    fields, sound = _read_fields(reader)
    options = fields.get("connection", "").lower()
    keeps = "keep-alive" in options if found[1] == b"0" else "close" not in options
    # One of the two, and nothing odd: else client and server may differ on where the body ends.
    framed = ("transfer-encoding" in fields) != ("content-length" in fields)
    return Head(int(found[2]), fields, keeps and sound and framed)


def _not_a_status_line(line: bytes) -> Exception:
    if not line:
        return EndpointFailure("connection closed without an answer", "closed")
    if line.startswith(_TLS_ALERT):
        return EndpointFailure("not an HTTP answer but TLS: the port wants https", "tls_wanted")
    if line.startswith(b"HTTP/1.") and len(line) < _LONGEST_LINE and not line.endswith(b"\n"):
        return EndpointFailure("answer cut off", "closed")
    return NotHttp()


def _read_fields(reader: Reader) -> tuple[dict[str, str], bool]:
    """Return the header fields, and whether each line of them was as it should be."""
    fields: dict[str, str] = {}
    name, sound, size = "", True, 0
    for _ in range(_MOST_LINES):
        line = reader.readline(_LONGEST_LINE)
        size += len(line)
        if len(line) == _LONGEST_LINE or size > _LONGEST_HEAD:
            raise NotHttp
        if line in (b"\r\n", b"\n"):
            return fields, sound
        if not line:  # the end came first: the status says what there is to know
            return fields, False
        text = line.decode("latin-1").strip()
        if line[:1] in b" \t":  # goes on with the one before (RFC 9112, 5.2)
            fields[name] = f"{fields.get(name, '')} {text}"
            continue
        name, colon, value = text.partition(":")
        name = name.rstrip().lower()
        sound = sound and bool(colon)
        value = value.lstrip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    raise NotHttp


def read_body(reader: Reader, head: Head, limit: int, exchange: Exchange) -> bytes:
    """Return the whole body, inflated.

    Raises:
        EndpointFailure: it is larger than ``limit`` bytes, was cut off, or the deadline passed.
        NotHttp: it is not framed as HTTP wants it.
        zlib.error: it cannot be inflated.

    """
    # Grows by an eighth at a time and gives its bytes away without a copy: a list of pieces that
    # is joined would need twice as much memory.
    whole = io.BytesIO()
    for piece in inflated(reader, head, exchange):
        if whole.tell() + len(piece) > limit:
            raise EndpointFailure(
                f"answer larger than {format_size(limit)}", "too_large", head.status
            )
        whole.write(piece)
    return whole.getvalue()


def read_start(reader: Reader, head: Head, limit: int, exchange: Exchange) -> tuple[bytes, bool]:
    """Return the start of the body, at most ``limit`` bytes, and whether that is all of it.

    Whatever may be wrong with the rest is not reported.
    """
    start = bytearray()
    try:
        for piece in inflated(reader, head, exchange):
            start += piece
            if len(start) > limit:
                return bytes(start[:limit]), False
    except (EndpointFailure, NotHttp, OSError, zlib.error):
        return bytes(start), False  # the status alone says that this is an outage
    return bytes(start), True


def inflated(reader: Reader, head: Head, exchange: Exchange) -> Iterator[bytes]:
    """Yield the body piece by piece, each of it inflated and no larger than 64 KiB."""
    pieces = _framed(reader, head)
    codings = [c.strip().lower() for c in head.fields.get("content-encoding", "").split(",")]
    applied = [coding for coding in codings if coding not in ("", "identity")]
    if len(applied) > _MOST_CODINGS:
        raise zlib.error
    for coding in reversed(applied):
        pieces = _inflate(pieces, coding, exchange)
    return pieces


def _framed(reader: Reader, head: Head) -> Iterator[bytes]:
    """Yield the body as its framing delimits it (RFC 9112, section 6.3)."""
    if head.status in _BODILESS:
        return iter(())
    coding = head.fields.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked":
            raise NotHttp
        return _chunked(reader)
    length = content_length(head)
    return _until_closed(reader) if length is None else _exactly(reader, length)


def content_length(head: Head) -> int | None:
    """Return the length that the head announces; None if it announces none."""
    given = {length.strip() for length in head.fields.get("content-length", "").split(",")}
    if given == {""}:
        return None
    if len(given) > 1 or not all(map(_LENGTH.fullmatch, given)):
        raise NotHttp
    return int(given.pop())


def _exactly(reader: Reader, length: int) -> Iterator[bytes]:
    while length:
        piece = reader.read1(min(length, _PIECE))
        if not piece:
            raise EndpointFailure("answer cut off", "closed")
        length -= len(piece)
        yield piece


def _until_closed(reader: Reader) -> Iterator[bytes]:
    while piece := reader.read1(_PIECE):
        yield piece


def _chunked(reader: Reader) -> Iterator[bytes]:
    while size := _chunk_size(reader):
        yield from _exactly(reader, size)
        if reader.readline(3) not in (b"\r\n", b"\n"):
            raise EndpointFailure("answer cut off", "closed")
    _read_fields(reader)  # the trailer


def _chunk_size(reader: Reader) -> int:
    found = _CHUNK_SIZE.fullmatch(reader.readline(_LONGEST_LINE))
    if found is None:
        raise EndpointFailure("answer cut off", "closed")
    return int(found[1], 16)


def _inflate(pieces: Iterator[bytes], coding: str, exchange: Exchange) -> Iterator[bytes]:
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise zlib.error
    inflater = None
    for piece in pieces:
        rest = piece
        while rest:
            if inflater is None:
                inflater = zlib.decompressobj(_window(coding, rest))
            elif inflater.eof:  # gzip may have several members; anything else is padding
                if not rest.startswith(_GZIP):
                    break
                inflater = zlib.decompressobj(_GZIP_WINDOW)
            yield inflater.decompress(rest, _PIECE)
            # A little may inflate to much: that, too, is work within the deadline.
            if exchange.deadline.remaining <= 0:
                raise timeout_failure(exchange)
            rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if inflater is not None:
        yield inflater.flush()  # the few bytes that the last step had no place for
        if not inflater.eof:
            raise EndpointFailure("answer cut off", "closed")


def _window(coding: str, start: bytes) -> int:
    """Return what zlib calls the format of data that begins with ``start``."""
    if coding != "deflate":
        return _GZIP_WINDOW
    # It means the zlib format (RFC 9110, 8.4.1.2); some servers send the bare one.
    is_zlib = start[0] & 15 == 8 and start[0] >> 4 <= 7  # RFC 1950, section 2.2
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS
