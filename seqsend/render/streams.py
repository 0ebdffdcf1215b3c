"""stdout and stderr: who gets colour, and what becomes of an answer that cannot be written."""

import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TextIO

from seqsend.redaction import escape
from seqsend.version import __version__

STYLES: Mapping[str, str] = MappingProxyType(
    {"note": "", "detail": "dim", "trouble": "yellow", "success": "green", "error": "bold red"}
)


def has_colour(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Tell whether ``stream``, if it is open, is a terminal that wants escapes.

    See https://no-color.org.
    """
    wanted = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return wanted and stream is not None and stream.isatty()


def tell(line: str, style: str) -> None:
    """Write one line to stderr, in the colour of :data:`STYLES` where that shows colour.

    A stderr that is closed or full is no reason to stop: the line is dropped.
    """
    if sys.stderr is None:
        return
    line = "\n".join(escape(part) for part in line.split("\n"))
    try:
        if STYLES[style] and has_colour(sys.stderr, os.environ):
            _tell_in_colour(line, STYLES[style])
        else:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
    except (OSError, ValueError):
        pass


def _tell_in_colour(line: str, style: str) -> None:
    from rich.console import Console  # on a terminal only: it costs 60 ms
    from rich.text import Text

    # A Text is not read as markup, and soft_wrap leaves long hex whole for the terminal to wrap.
    Console(file=sys.stderr).print(Text(line, style=style), soft_wrap=True)


Written = Literal["written", "closed", "failed"]
"""``closed`` by a reader that has what it wanted; ``failed`` where the answer is lost."""


def write_answer(text: str) -> Written:
    """Write the answer and a newline to stdout, as UTF-8; else say on stderr what it was."""
    written = _write(f"{text}\n".encode())
    if written == "failed":
        tell(f"error: the answer could not be written to stdout; it was: {text}", "error")
    return written


def _write(data: bytes) -> Written:
    if sys.stdout is None:
        return "failed"
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _drop_stdout()
        return "closed"
    except (OSError, ValueError):
        _drop_stdout()
        return "failed"
    return "written"


def print_version() -> int:
    """Answer `--version`; return the exit code."""
    return int(write_answer(f"seqsend {__version__}") == "failed")


def _drop_stdout() -> None:
    # Python flushes stdout once more at its end, and would complain of it there.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
