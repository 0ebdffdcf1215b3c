"""The program on a terminal, and what a person sees there."""

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
from typing import IO

import pyte

_TALLEST = 200  # lines: more than any test writes


@dataclass(frozen=True)
class Seen:
    """What came onto the terminal."""

    raw: str
    """As it was written, escapes included."""
    screen: tuple[str, ...]
    """The lines that are on the screen at the end, without the empty ones below."""
    code: int
    """The program's exit code."""


def on_a_terminal(
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    columns: int = 80,
    interrupt_when: Callable[[str], bool] = lambda _raw: False,
    stdout: IO[bytes] | None = None,
    timeout: float = 30,
) -> Seen:
    """Run `seqsend` with stdout and stderr on a terminal of so many columns, and read it.

    ``stdout`` takes what is written there instead.

    Ctrl-C is pressed as soon as ``interrupt_when`` is true of what was written so far.
    """
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", _TALLEST, columns, 0, 0))
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
                if not pressed and interrupt_when(raw.decode(errors="replace")):
                    running.send_signal(signal.SIGINT)
                    pressed = True
        except TimeoutError:
            running.kill()
            raise
        code = running.wait(timeout=10)
    os.close(main)
    screen = pyte.Screen(columns, _TALLEST)
    pyte.ByteStream(screen).feed(raw)
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    return Seen(raw.decode(), tuple(lines), code)


def _read(terminal: int, deadline: float) -> bytes:
    if not select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise TimeoutError("the program neither writes nor ends")
    try:
        return os.read(terminal, 65_536)
    except OSError:  # what a terminal says when the other side is gone
        return b""
