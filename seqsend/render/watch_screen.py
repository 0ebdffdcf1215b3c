"""The screen of `check --watch`: each look replaces the one before."""

import time
from typing import Self

from rich.console import Console
from rich.text import Text

from seqsend.diagnosis.report import Diagnosis
from seqsend.render.progress import Progress
from seqsend.render.screen import AlternateScreen
from seqsend.render.streams import Written
from seqsend.render.table import picture, picture_of_endpoints, rendered, wrapped
from seqsend.units import format_duration


class WatchScreen:
    """A context manager that takes over the terminal, and gives it back as it was."""

    def __init__(self, console: Console, every: float) -> None:
        """``every`` is the time between looks, in seconds."""
        self._console = console
        self._screen = AlternateScreen()
        self._every = every
        self._last: Diagnosis | None = None
        self._looked_at = ""
        self._drawn: object = None

    def keep(self, diagnosis: Diagnosis) -> None:
        """Show ``diagnosis`` from now on."""
        self._last = diagnosis
        self._looked_at = time.strftime("%H:%M:%S")

    def draw(self, progress: Progress | None = None) -> Written:
        """Draw what is known, if that or the size of the terminal has changed.

        ``progress`` is that of the look under way; until the first look has ended, its reports so
        far are shown.
        """
        said = None if progress is None else progress.text
        answered = len(progress.reports) if progress is not None and self._last is None else 0
        state = (self._console.size, self._last, self._looked_at, said, answered)
        if state == self._drawn:
            return "written"
        self._drawn = state
        return self._screen.draw(rendered(self._lines(said, progress), self._console))

    def _lines(self, said: str | None, progress: Progress | None) -> list[Text]:
        height = self._console.height
        now = said or f"every {format_duration(self._every)}, last at {self._looked_at}"
        if self._last is None and said is None:
            now = "waiting for the first answers"
        note = wrapped(self._console, Text(f"{now}; Ctrl-C ends it", style="dim"))
        left = max(0, height - len(note))
        if self._last is not None:
            shown = picture(self._last, self._console, left, crop=True)
        else:
            reports = {} if progress is None else progress.reports
            ordered = [reports[index] for index in sorted(reports)]
            shown = picture_of_endpoints(ordered, self._console, left, crop=True)
        # On a screen of a few lines, the last ones matter.
        return [*shown, *note][-height:]

    def __enter__(self) -> Self:
        self._screen.__enter__()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._screen.__exit__()
