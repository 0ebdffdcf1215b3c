"""What `check` writes: on stdout JSON, plain lines or a table; on stderr its progress."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from seqsend.diagnosis.report import Diagnosis
from seqsend.models import Attempt
from seqsend.render.changes import changes, dated
from seqsend.render.diagnosis import document
from seqsend.render.document import to_json
from seqsend.render.report import Style
from seqsend.render.status_line import StatusLine
from seqsend.render.streams import Written, has_colour, write_stderr, write_stdout
from seqsend.render.summary import lines
from seqsend.render.table import picture, rendered
from seqsend.render.text import detail_line


class CheckView:
    """Shows diagnoses on stdout, and on stderr what `-v` adds and the progress of a long run."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._in_colour = has_colour(sys.stdout, os.environ)
        system: Any = "auto" if self._in_colour else None
        self._console = Console(file=sys.stdout, color_system=system, highlight=False)
        self._status = StatusLine(quiet=style.quiet)
        self.draws_in_place = False
        """Whether a picture fills the terminal now."""

    @property
    def console(self) -> Console:
        """The console that draws on stdout."""
        return self._console

    @property
    def redraws(self) -> bool:
        """Whether a new look replaces the last one on the screen."""
        return self._in_colour and not self._style.json

    @property
    def is_json(self) -> bool:
        """Whether each look is one JSON object."""
        return self._style.json

    def show(self, diagnosis: Diagnosis, exit_code: int) -> Written:
        """Write a diagnosis; ``exit_code`` is written in JSON only."""
        self._status.clear()
        if self._style.json:
            return write_stdout(to_json(document(diagnosis) | {"exit_code": exit_code}))
        if not self._console.is_terminal:
            return write_stdout("\n".join(lines(diagnosis)))
        # One line is left for what the shell writes next.
        height = self._console.height - 1
        return write_stdout(
            "\n".join(rendered(picture(diagnosis, self._console, height), self._console))
        )

    def write_changes(self, before: Diagnosis, after: Diagnosis) -> Written:
        """Write changes to stdout, each on a line with the time."""
        found = changes(before, after)
        return write_stdout("\n".join(map(dated, found))) if found else "written"

    def report_changes(self, found: Sequence[str]) -> None:
        """Write changes to stderr, all on one line with the time."""
        if not self._style.quiet:
            self._status.clear()
            write_stderr(dated("; ".join(found)), "note")

    def observe(self, attempt: Attempt) -> None:
        """Write the line that `-v` adds for an attempt, but not into a picture on the terminal."""
        if self._style.verbose and not (self.draws_in_place and has_colour(sys.stderr, os.environ)):
            self._status.clear()
            write_stderr(detail_line(attempt), "detail")

    def show_status(self, text: str | None) -> None:
        """Show on a terminal what the command waits for, until something else is written."""
        if text is not None:
            self._status.draw(text)

    def clear_status(self) -> None:
        """Remove that line."""
        self._status.clear()
