"""The transactions of a file or of stdin, read as a stream: one per line."""

import codecs
import os
import re
import stat
import time
from collections import deque
from collections.abc import Sequence
from typing import Self

from seqsend import waiting
from seqsend.errors import InputError, UsageError
from seqsend.sending.stream import Line
from seqsend.sending.transaction import LONGEST_TEXT
from seqsend.units import format_size

_CHUNK = 256 * 1024  # bytes; a pipe gives no more than a quarter of it at once
_LONGEST_SKIPPED = 64 * 2**20
"""Bytes of a too long line after which its end is no longer looked for."""

_LONGEST_REST = 5.0
"""Seconds for which the rest of a pipe is read, to report its lines, after sending has stopped."""

_EXAMPLE = "a file with 0x02f86c… on each line"
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# Two ASCII characters, each in two bytes.
_UTF16_WITHOUT_MARK = re.compile(rb"[\t\r\n -~]\0[\t\r\n -~]\0|\0[\t\r\n -~]\0[\t\r\n -~]")


class LineReader:
    """Yields the lines of a descriptor, except blank lines and comments (``#``)."""

    def __init__(self, descriptor: int, name: str) -> None:
        """``name`` is what messages call the input: ``stdin``, or ``--file PATH``."""
        self._descriptor = descriptor
        self._name = name
        self._is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._give_up_at: float | None = None
        self.patience: float | None = None
        """Seconds to wait for more input; None to wait for ever."""
        self.position = 0
        """Bytes read so far."""
        self.count = 0
        """Lines yielded so far."""

        self._number = 0
        self._start: bytes | None = b""
        """The bytes kept while the encoding is unknown; None once it is known."""
        self._pending = b""
        """The beginning of a line whose end has not been read yet."""
        self._skipped: int | None = None
        """Bytes read of a line that is too long, while its end is looked for; else None."""
        self._ended = False
        self._failure: InputError | None = None
        self._ready: deque[Line] = deque()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Line:
        """Return the next line. After a signal it can be asked again: nothing read is lost.

        Raises:
            InputError: the input cannot be read any further. Raised once, after all lines before
                that; then the input has ended.
            UsageError: the input begins as a JSON array, or as UTF-16 or UTF-32 text.
            waiting.SignalReceived: a signal came while it waited.

        """
        while not self._ready:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self._ended:
                raise StopIteration
            self._take(self._read())
        self.count += 1
        return self._ready.popleft()

    @property
    def upcoming(self) -> Sequence[Line]:
        """The next lines, as far as they have been read; changes as they are taken."""
        return self._ready

    @property
    def descriptor(self) -> int:
        """The descriptor that is readable when more of the input is there."""
        return self._descriptor

    def poll(self) -> bool:
        """Read what is there; return whether `next` would answer at once, with a line or the end.

        Raises:
            UsageError: as for the next line.
            waiting.SignalReceived: a signal came.

        """
        if not self._knows_next:
            self._take(self._read(waits=False))
        return self._knows_next

    @property
    def _knows_next(self) -> bool:
        return bool(self._ready) or self._failure is not None or self._ended

    def _read(self, *, waits: bool = True) -> bytes | None:
        """Return the next bytes, none at the end of the input; None if there is nothing yet."""
        if self._goes_on_for_ever():
            self._fail(f"it goes on, {_LONGEST_REST:g} s after the run has stopped")
            return None
        try:
            if self.position == 0:
                # A directory or a descriptor for writing only fails here, instead of a wait: the
                # writing end of a pipe never becomes readable.
                os.read(self._descriptor, 0)
            # Wait before reading: a signal during a read would lose what it has read.
            if not waiting.wait(self._descriptor, waiting.READ, self.patience if waits else 0):
                return b"" if waits else None
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:  # another process that shares the descriptor was faster
            return None
        except OSError as error:
            self._fail(error.strerror or "read error")
            return None
        self.position += len(data)
        return data

    def _goes_on_for_ever(self) -> bool:
        """Return whether the rest has taken so long that it may have no end (such as `yes`)."""
        if self.patience is None or self._is_file:
            return False
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + _LONGEST_REST
        return time.monotonic() >= self._give_up_at

    def _fail(self, reason: str) -> None:
        place = f" (in line {self._number + 1})" if self.position else ""
        self._failure = InputError(self._name, f"{reason}{place}")
        self._ended = True

    def _take(self, data: bytes | None) -> None:
        if data is None:
            return
        self._ended = self._ended or not data
        if self._start is not None:
            self._start += data
            if len(self._start) < 4 and not self._ended and not self._start.endswith(b"\n"):
                return
            data, self._start = _without_mark(self._start, self._name), None
        *whole, self._pending = (self._pending + data).split(b"\n")
        if self._ended:
            whole, self._pending = [*whole, self._pending], b""
        for text in whole:
            self._add(text)
        if self._skipped is not None:
            self._skip()
        elif len(self._pending) > LONGEST_TEXT:
            # The beginning of such a line is enough to refuse it. It counts as a line even if it is
            # blank so far, or a comment.
            self._yield(self._number + 1, self._pending[: LONGEST_TEXT + 1])
            self._skipped = 0
            self._skip()

    def _skip(self) -> None:
        """Drop more of a line that is too long, and give up if it does not end."""
        self._skipped = (self._skipped or 0) + len(self._pending)
        self._pending = b""
        if self._skipped > _LONGEST_SKIPPED:
            self._fail(f"a line of more than {format_size(_LONGEST_SKIPPED)}")

    def _add(self, text: bytes) -> None:
        self._number += 1
        if self._skipped is not None:  # the end of a line whose beginning was yielded
            self._skipped = None
            return
        if len(text) > LONGEST_TEXT:
            self._yield(self._number, text[: LONGEST_TEXT + 1])
            return
        stripped = text.strip()
        if not stripped or stripped.startswith(b"#"):
            return
        if stripped.startswith(b"[") and not self.count and not self._ready:
            self._ended = True
            raise UsageError(
                f"{self._name} is a JSON array: give one transaction per line, without quotes "
                f"(`jq -r '.[]'` does that)",
                example=_EXAMPLE,
            )
        self._yield(self._number, stripped)

    def _yield(self, number: int, text: bytes) -> None:
        self._ready.append(Line(number, text.decode(errors="replace")))


def _without_mark(start: bytes, name: str) -> bytes:
    """Return the first bytes of an input without UTF-8's byte order mark.

    Raises:
        UsageError: the input is in another encoding.

    """
    encoding = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if encoding is None and _UTF16_WITHOUT_MARK.match(start):
        encoding = "UTF-16"
    if encoding is not None:
        raise UsageError(
            f"{name} is {encoding} text: convert it to UTF-8 "
            f"(`iconv -f {encoding} -t UTF-8` does that)",
            example=_EXAMPLE,
        )
    return start.removeprefix(codecs.BOM_UTF8)
