"""stdout and stderr: who gets colour, and what becomes of an answer that cannot be written."""

import io
import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TextIO

from seqsend import waiting
from seqsend.redaction import escape
from seqsend.version import __version__

STYLES: Mapping[str, str] = MappingProxyType(
    {"note": "", "detail": "dim", "trouble": "yellow", "success": "green", "error": "bold red"}
)


Written = Literal["written", "closed", "failed"]
"""``closed`` by a reader that has what it wanted, or given up at a second signal because nobody
reads; ``failed`` if the answer is lost."""


def has_colour(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Tell whether ``stream``, if it is open, is a terminal that wants escapes.

    See https://no-color.org.
    """
    wanted = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return wanted and stream is not None and stream.isatty()


def write_stderr(line: str, style: str) -> None:
    """Write one line to stderr, in the colour of :data:`STYLES` if it shows colour.

    A stderr that is closed or full is no reason to stop: the line is dropped. One that nobody reads
    is waited for until the second signal.
    """
    if sys.stderr is None:
        return
    line = "\n".join(escape(part) for part in line.split("\n"))
    if STYLES[style] and has_colour(sys.stderr, os.environ):
        line = _coloured(line, STYLES[style])
    _write(sys.stderr, f"{line}\n")


def write_raw_stderr(text: str) -> None:
    """Write ``text`` to stderr, escapes included."""
    if sys.stderr is not None:
        _write(sys.stderr, text)


def write_raw_stdout(text: str) -> Written:
    """Write ``text`` to stdout, escapes included; what cannot be written is dropped."""
    return _write(sys.stdout, text)


def _coloured(line: str, style: str) -> str:
    from rich.console import Console  # on a terminal only: it costs 60 ms
    from rich.text import Text

    # A Text is not read as markup, and soft_wrap leaves long hex whole for the terminal to wrap.
    console = Console(file=sys.stderr)
    with console.capture() as captured:
        console.print(Text(line, style=style), soft_wrap=True, end="")
    return captured.get()


_AT_ONCE = 4096  # bytes; what a pipe that is ready takes without waiting (PIPE_BUF, pipe(7))


def write_stdout(text: str) -> Written:
    """Write the answer and a newline to stdout, as UTF-8; else say on stderr what it was."""
    written = _write(sys.stdout, f"{text}\n")
    if written != "written" and sys.stdout is not None:
        _drop_stdout()
    if written == "failed":
        write_stderr(f"error: the answer could not be written to stdout; it was: {text}", "error")
    return written


def _write(stream: TextIO | None, text: str) -> Written:
    if stream is None:
        return "failed"
    try:
        descriptor = _descriptor_of(stream)
        if descriptor is None:
            stream.write(text)
            return "written"
        stream.flush()
        rest = memoryview(text.encode(errors="backslashreplace"))
        while rest:
            if not waiting.wait_for_output(descriptor):
                return "closed"
            rest = rest[os.write(descriptor, rest[:_AT_ONCE]) :]
    except BrokenPipeError:
        return "closed"
    except (OSError, ValueError):
        return "failed"
    return "written"


def _descriptor_of(stream: TextIO) -> int | None:
    """Return the descriptor of a stream, or None if it is not a file: in a notebook, say."""
    try:
        return stream.fileno()
    except io.UnsupportedOperation:
        return None


def print_version() -> int:
    """Answer `--version`; return the exit code."""
    return int(write_stdout(f"seqsend {__version__}") == "failed")


def _drop_stdout() -> None:
    # Python flushes stdout once more at its end, and would complain of it there.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
