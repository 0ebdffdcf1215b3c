"""A line on a terminal, redrawn in place, and removed before anything else is written."""

import os
import sys

from seqsend.redaction import escape
from seqsend.render.streams import has_colour, write_raw_stderr

CLEAR = "\r\x1b[2K"
"""To the first column, and erase the line (ECMA-48, CR and EL)."""


class StatusLine:
    """Shows on stderr what the command waits for; draws nothing if stderr is not a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self.is_shown = not quiet and has_colour(sys.stderr, os.environ)
        """Whether there is a terminal to draw on."""
        self._drawn = False

    def draw(self, text: str) -> None:
        """Show ``text`` in place of the last one, cut to the width of the terminal."""
        if not self.is_shown:
            return
        try:
            columns = os.get_terminal_size(sys.stderr.fileno()).columns
        except (OSError, ValueError):
            columns = 80
        # A line that is wrapped could not be cleared again.
        write_raw_stderr(f"{CLEAR}{escape(text)[: max(1, columns - 1)]}")
        self._drawn = True

    def clear(self) -> None:
        """Remove the line."""
        if self._drawn:
            self._drawn = False
            write_raw_stderr(CLEAR)
