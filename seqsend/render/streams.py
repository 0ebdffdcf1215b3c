"""Writing to stdout and stderr, in colour or not, and with answers that cannot be written."""

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
"""``closed``: the reader has closed it, or nobody reads and a second signal has ended the wait.
``failed``: the answer is lost."""


def has_colour(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Return whether ``stream`` is an open terminal that wants colour.

    See https://no-color.org.
    """
    wanted = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return wanted and stream is not None and stream.isatty()


def write_stderr(line: str, style: str) -> None:
    """Write one line to stderr, in the colour of :data:`STYLES` if it shows colour.

    If stderr is closed or full, the line is dropped. If nobody reads it, this waits until the
    second signal.
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


_AT_ONCE = 4096  # bytes that a pipe takes without waiting once it is ready (PIPE_BUF, pipe(7))


def write_stdout(text: str) -> Written:
    """Write the answer and a newline to stdout, as UTF-8; if it is lost, write it to stderr."""
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
    """Return the descriptor of a stream; None if it has none, as in a notebook."""
    try:
        return stream.fileno()
    except io.UnsupportedOperation:
        return None


def print_version() -> int:
    """Answer `--version`; return the exit code."""
    return int(write_stdout(f"seqsend {__version__}") == "failed")


def _drop_stdout() -> None:
    # Python flushes stdout once more when it ends, and would report the error then.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
