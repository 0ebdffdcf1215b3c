"""Runs the program on a terminal, and records what a person sees."""

import copy
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import pyte

_TALLEST = 200  # lines: more than any test writes


@dataclass(frozen=True)
class Seen:
    """What the terminal showed."""

    raw: str
    """The output as written, with its escape sequences."""
    screen: tuple[str, ...]
    """The lines on the screen at the end, without trailing empty ones."""
    code: int
    """The program's exit code."""
    scrollback: tuple[str, ...] = ()
    """The lines that have scrolled off the screen."""
    alternate: tuple[str, ...] | None = None
    """What was on the alternate screen when Ctrl-C was pressed, if the program was using it."""
    lost: int = 0
    """How many lines have scrolled off the alternate screen: they are gone for good."""


@dataclass(frozen=True)
class Resized:
    """A new size that the terminal gets while the program runs."""

    when: Callable[[str], bool]
    """Called with the output so far; true resizes the terminal."""
    columns: int
    lines: int


class _Screen(pyte.HistoryScreen):
    """pyte's screen with xterm's alternate screen (private mode 1049)."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__(columns, lines, history=10_000)
        self.lost = 0
        self._main: tuple[Any, int, int] | None = None

    @property
    def shown(self) -> tuple[str, ...]:
        lines = [line.rstrip() for line in self.display]
        while lines and not lines[-1]:
            lines.pop()
        return tuple(lines)

    @property
    def alternate(self) -> tuple[str, ...] | None:
        return None if self._main is None else self.shown

    @property
    def scrollback(self) -> tuple[str, ...]:
        columns = range(self.columns)
        return tuple("".join(row[x].data for x in columns).rstrip() for row in self.history.top)

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        super().set_mode(*modes, **kwargs)
        if kwargs.get("private") and 1049 in modes:
            self._main = (copy.deepcopy(self.buffer), self.cursor.x, self.cursor.y)
            self.erase_in_display(2)
            self.cursor_position()

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        super().reset_mode(*modes, **kwargs)
        if kwargs.get("private") and 1049 in modes and self._main is not None:
            self.buffer, self.cursor.x, self.cursor.y = self._main
            self.cursor.y = min(self.cursor.y, self.lines - 1)
            self._main = None

    def index(self) -> None:
        if self._main is None:
            super().index()
            return
        self.lost += self.cursor.y == self.lines - 1
        pyte.Screen.index(self)


def on_a_terminal(
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    columns: int = 80,
    lines: int = _TALLEST,
    resized: Resized | None = None,
    interrupt_when: Callable[[str], bool] = lambda _raw: False,
    stdout: IO[bytes] | None = None,
    timeout: float = 30,
) -> Seen:
    """Run `seqsend` with stdout and stderr on a terminal of this size, and return what it shows.

    If ``stdout`` is given, the program's stdout goes there instead of to the terminal. Ctrl-C is
    pressed as soon as ``interrupt_when`` returns true for the output so far.
    """
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    screen = _Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    alternate = None
    with subprocess.Popen(
        [sys.executable, "-m", "seqsend", *words],
        stdin=subprocess.DEVNULL,
        stdout=stdout or side,
        stderr=side,
        env=environment,
    ) as running:
        os.close(side)
        raw = b""
        deadline = time.monotonic() + timeout
        pressed = False
        try:
            while part := _read(main, deadline):
                raw += part
                stream.feed(part)
                if resized is not None and resized.when(raw.decode(errors="replace")):
                    _resize(main, screen, resized)
                    resized = None
                if not pressed and interrupt_when(raw.decode(errors="replace")):
                    alternate = screen.alternate
                    running.send_signal(signal.SIGINT)
                    pressed = True
        except TimeoutError:
            running.kill()
            raise
        code = running.wait(timeout=10)
    os.close(main)
    return Seen(raw.decode(), screen.shown, code, screen.scrollback, alternate, screen.lost)


def _resize(terminal: int, screen: _Screen, to: Resized) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", to.lines, to.columns, 0, 0))
    screen.resize(to.lines, to.columns)


def _read(terminal: int, deadline: float) -> bytes:
    if not select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise TimeoutError("the program neither writes nor ends")
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other side of the terminal is closed
        return b""
