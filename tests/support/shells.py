"""A real shell on a terminal, which a test can type into."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Self

import pyte

_COLUMNS, _LINES = 120, 40


class Shell:
    """An interactive shell; a context manager."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the shell with the command ``words``."""
        self._screen = pyte.Screen(_COLUMNS, _LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
        # Without its own session and controlling terminal, the shell has no line editor.
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *words], stdin=side, stdout=side, stderr=side, env=environment
        )
        os.close(side)

    def type(self, text: str) -> None:
        """Type ``text``."""
        os.write(self._main, text.encode())

    def wait_for(self, text: str, *, within: float = 20) -> None:
        """Wait until ``text`` is on the screen; raise AssertionError after ``within`` seconds."""
        deadline = time.monotonic() + within
        while text not in self.screen:
            left = deadline - time.monotonic()
            assert left > 0, self.screen
            if select.select([self._main], [], [], left)[0]:
                self._stream.feed(os.read(self._main, 65_536))

    @property
    def screen(self) -> str:
        """The text on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display).strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._main)
