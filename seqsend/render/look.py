"""A diagnosis on stdout: as JSON, as plain lines, or on a terminal as a table."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import Progress
from rich.text import Text

from seqsend.diagnosis.report import Diagnosis
from seqsend.models import Attempt, Event
from seqsend.render.diagnosis import document, lines
from seqsend.render.document import to_json
from seqsend.render.report import Style
from seqsend.render.streams import Written, has_colour, write_stderr, write_stdout
from seqsend.render.table import picture
from seqsend.render.text import detail_line

_REDRAWN_EVERY = 0.1  # seconds


class CheckView:
    """Shows diagnoses on stdout, and on stderr what `-v` adds and how far a long run is."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._in_colour = has_colour(sys.stdout, os.environ)
        system: Any = "auto" if self._in_colour else None
        self._console = Console(file=sys.stdout, color_system=system, highlight=False)

    @property
    def redraws(self) -> bool:
        """Whether a new look takes the place of the last one."""
        return self._in_colour and not self._style.json

    def show(self, diagnosis: Diagnosis, *, dated: bool = False) -> Written:
        """Write a diagnosis, with the time above it if it is to be ``dated``."""
        if self._style.json:
            return write_stdout(to_json(document(diagnosis)))
        if self._console.is_terminal:
            with self._console.capture() as captured:
                self._console.print(picture(diagnosis, self._console))
            text = captured.get().rstrip("\n")
        else:
            text = "\n".join(lines(diagnosis))
        return write_stdout(f"== {_now()}\n{text}" if dated else text)

    @contextmanager
    def redrawing(self, every: float) -> Iterator[Callable[[Diagnosis], None]]:
        """Yield what draws a diagnosis in place of the last; ``every`` is in seconds."""
        with Live(console=self._console, auto_refresh=False, vertical_overflow="visible") as live:

            def draw(diagnosis: Diagnosis) -> None:
                seen = Text(f"every {every:g} s, last at {_now()}; Ctrl-C ends it", style="dim")
                live.update(Group(picture(diagnosis, self._console), seen), refresh=True)

            yield draw

    def observe(self, event: Event) -> None:
        """Write the line that `-v` adds for an attempt."""
        if self._style.verbose and isinstance(event, Attempt):
            write_stderr(detail_line(event), "detail")

    @contextmanager
    def progress(self, endpoints: int, count: int) -> Iterator[Callable[[Event], None]]:
        """Yield an observer; on a terminal it shows how far a measurement is."""
        if count == 1 or self._style.quiet or not has_colour(sys.stderr, os.environ):
            yield self.observe
            return
        # Not refreshed by its own thread, which can write once more after it was cleared away.
        console = Console(stderr=True)
        with Progress(console=console, transient=True, auto_refresh=False) as progress:
            task = progress.add_task("measuring", total=count * endpoints)
            drawn = 0.0

            def advance(event: Event) -> None:
                nonlocal drawn
                self.observe(event)
                if not isinstance(event, Attempt) or event.method != "eth_chainId":
                    return
                progress.advance(task)
                if time.monotonic() - drawn >= _REDRAWN_EVERY:
                    drawn = time.monotonic()
                    progress.refresh()

            yield advance


def _now() -> str:
    return time.strftime("%H:%M:%S")
