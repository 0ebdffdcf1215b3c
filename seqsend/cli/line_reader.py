"""The transactions of a file or of stdin, read as a stream: one a line."""

import os
from collections import deque
from typing import Self

from seqsend import waiting
from seqsend.sending.stream import Line
from seqsend.sending.transaction import MAX_SIZE

_CHUNK = 64 * 1024
_LONGEST = 2 * MAX_SIZE + 64  # bytes: more than any transaction that is fit to be sent


class LineReader:
    """Yields the lines of a descriptor, without blank ones and comments (``#``)."""

    def __init__(self, descriptor: int) -> None:
        """Nothing is read yet."""
        self._descriptor = descriptor
        self.patience: float | None = None
        """Seconds after which no more is waited for; None to wait for ever."""
        self.position = 0
        """Bytes read so far."""

        self._number = 0
        self._pending = b""
        self._too_long = False
        self._ended = False
        self._ready: deque[Line] = deque()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Line:
        """Return the next line. A signal while it reads loses nothing: it can be asked again."""
        while not self._ready:
            if self._ended:
                raise StopIteration
            self._take(self._read())
        return self._ready.popleft()

    def _take(self, data: bytes) -> None:
        *whole, self._pending = (self._pending + data).split(b"\n")
        if not data:
            self._ended = True
            whole, self._pending = [*whole, self._pending], b""
        for text in whole:
            self._add(text)
        if len(self._pending) > _LONGEST and not self._too_long:
            # Of a line without end the beginning is enough to refuse it.
            self._add(self._pending[:_LONGEST])
            self._number -= 1
            self._too_long = True
        if self._too_long:
            self._pending = b""

    def _add(self, text: bytes) -> None:
        self._number += 1
        if self._too_long:
            self._too_long = False
            return
        stripped = text.strip()
        if stripped and not stripped.startswith(b"#"):
            self._ready.append(Line(self._number, stripped.decode(errors="replace")))

    def _read(self) -> bytes:
        # Waited for first: a signal while a read succeeds would lose what it has read.
        if not waiting.wait(self._descriptor, waiting.READ, self.patience):
            return b""
        data = os.read(self._descriptor, _CHUNK)
        self.position += len(data)
        return data
