"""The head of an HTTP answer, bounded and beyond doubt before `http.client` takes it apart.

`http.client` skips no interim answer but 100, stops at a hundred header fields, and is lenient
about where a body ends. Here the head is read off the connection within bounds, and those of its
fields go on that mean something to a client of JSON-RPC. All the rest is the library's.
"""

import http.client
import io
import re

from seqsend.errors import EndpointFailure
from seqsend.transports.failures import NotHttp

_LONGEST_LINE = 64 * 1024  # bytes; what http.client takes
_LONGEST_HEAD = 256 * 1024  # bytes of all lines together
_MOST_LINES = 512
_MOST_INTERIM = 100

_INTERIM = re.compile(rb"HTTP/1\.[0-9][ \t]+1(?!01)[0-9]{2}\s")  # 101 is a last answer
_LENGTH = re.compile(r"[0-9]{1,18}")
_READ = frozenset(
    (
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"keep-alive",
        b"location",
        b"proxy-connection",
        b"retry-after",
        b"transfer-encoding",
    )
)


class Response(http.client.HTTPResponse):
    """An answer whose head is bounded in bytes, and whose framing leaves no doubt.

    Raises, as its base class does, an `http.client.HTTPException` if what comes is not an HTTP
    answer.
    """

    def begin(self) -> None:
        """Read the head of the answer; interim ones before it are skipped (RFC 9110, 15.2)."""
        connection = self.fp
        head, is_sound = _read_head(connection)
        self.fp = io.BytesIO(head)  # type: ignore[assignment] # has all that is asked of it
        try:
            super().begin()
        finally:
            self.fp = connection
        method: str | None = self._method  # type: ignore[attr-defined] # not in typeshed
        if method != "CONNECT":  # has no body, whatever its fields say (RFC 9110, 9.3.6)
            self._check_framing(is_sound=is_sound)

    def _check_framing(self, *, is_sound: bool) -> None:
        """Refuse an answer whose end is a matter of opinion (RFC 9112, section 6.3)."""
        given = ",".join(self.headers.get_all("content-length", ()))
        lengths = {length.strip() for length in given.split(",")} if given else set()
        if self.headers.get("transfer-encoding") is not None:
            if not self.chunked:
                raise NotHttp
        elif len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
            raise NotHttp
        elif lengths and self.length is None:  # the same one, several times
            self.length = int(lengths.pop())
        # One of the two, and nothing odd: else the next answer may begin elsewhere for the server.
        if not is_sound or self.chunked == bool(given):
            self.will_close = True


def _read_head(connection: io.BufferedReader) -> tuple[bytes, bool]:
    """Return status line and fields, and whether each line of them was as it should be."""
    for _ in range(_MOST_INTERIM):
        status_line = connection.readline(_LONGEST_LINE + 1)
        if not status_line.startswith(b"HTTP/"):
            return status_line, False  # http.client says what it is not
        if not status_line.endswith(b"\n") and len(status_line) <= _LONGEST_LINE:
            raise EndpointFailure("answer cut off", "closed")
        fields, is_sound = _read_fields(connection)
        if not _INTERIM.match(status_line):
            return b"%b%b\r\n" % (status_line, fields), is_sound
    raise NotHttp


def _read_fields(connection: io.BufferedReader) -> tuple[bytes, bool]:
    kept: list[bytes] = []
    is_kept, is_sound, size = False, True, 0
    for _ in range(_MOST_LINES):
        line = connection.readline(_LONGEST_LINE + 1)
        size += len(line)
        if len(line) > _LONGEST_LINE or size > _LONGEST_HEAD:
            raise NotHttp
        if line in (b"\r\n", b"\n"):
            return b"".join(kept), is_sound
        if not line:  # the end came first: the status says what there is to know
            return b"".join(kept), False
        if line[:1] not in b" \t":  # else it goes on with the one before (RFC 9112, 5.2)
            name, colon, value = line.partition(b":")
            name = name.strip()
            is_kept = bool(colon) and name.lower() in _READ
            is_sound = is_sound and bool(colon)
            line = b"%b: %b\r\n" % (name, value.strip())
        if is_kept:
            kept.append(line)
    raise NotHttp
