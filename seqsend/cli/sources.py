"""Where transactions come from: arguments, a file or stdin."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from seqsend.cli.input_files import open_to_read
from seqsend.cli.line_reader import LineReader
from seqsend.cli.shared_options import parse_path
from seqsend.errors import UsageError
from seqsend.redaction import redact_value
from seqsend.sending.stream import Line

_EXAMPLE = "0x02f86c…, or --file transactions.txt"


class Words:
    """The transactions of a command line, with the attributes of `LineReader`."""

    def __init__(self, words: list[str]) -> None:
        self._lines = (Line(number, text) for number, text in enumerate(words, start=1))
        self.patience: float | None = None
        self.position = 0
        self.count = 0

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        line = next(self._lines)
        self.position = self.count = line.number
        return line


Lines = LineReader | Words


@dataclass(frozen=True, slots=True)
class Source:
    """Where the transactions come from."""

    open: Callable[[], Lines]
    """Begins to read, and returns the lines."""
    size: int | None
    """That of the whole input, in the units of ``position``; None if it is not known."""


def find_source(words: list[str], file: str | None) -> Source:
    """Return where the transactions come from.

    Raises:
        UsageError: there is no source, there are two, or the file cannot be read.

    """
    if file == "-" and not words:
        file, words = None, ["-"]  # as in other programs
    if file is not None:
        if words:
            raise UsageError("--file and RAWTX cannot be combined", example=_EXAMPLE)
        return _open_file(file)
    if words == ["-"]:
        if sys.stdin is None:
            raise UsageError("-: stdin is closed", example=_EXAMPLE)
        return Source(lambda: LineReader(sys.stdin.fileno(), "stdin"), None)
    if not words:
        raise UsageError("no transaction given", example=_EXAMPLE)
    if "-" in words:
        raise UsageError("- means stdin and must be the only argument", example=_EXAMPLE)
    return Source(lambda: Words(words), len(words))


def _open_file(path: str) -> Source:
    try:
        parse_path(path)
        descriptor = open_to_read(path)
        size = os.fstat(descriptor).st_size
        os.read(descriptor, 0)  # fails for a directory
    except UsageError as error:
        raise error.within("--file") from None
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise UsageError(f"--file: {redact_value(path)}: {why}", example=_EXAMPLE) from None
    return Source(lambda: LineReader(descriptor, f"--file {redact_value(path)}"), size or None)
