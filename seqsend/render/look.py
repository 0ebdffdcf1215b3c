"""`check` on the screen: asks, shows, and asks again as long as it is to."""

import gc
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

from seqsend.diagnosis.comparison import check
from seqsend.diagnosis.report import Diagnosis
from seqsend.models import Attempt, Event
from seqsend.render.diagnosis import EXIT_CODES, document, lines
from seqsend.render.document import to_json
from seqsend.render.report import Style
from seqsend.render.streams import Written, has_colour, tell, write_answer
from seqsend.render.table import picture
from seqsend.render.text import detail_line

_INTERRUPTED = 130
_REDRAWN_EVERY = 0.1  # seconds

_Act = Callable[[], Any]


class Look:
    """Shows diagnoses on stdout, as JSON, as plain lines, or on a terminal as a table."""

    def __init__(
        self, style: Style, found: Callable[[Diagnosis], None], run: Callable[[_Act], Any]
    ) -> None:
        """``found`` is told of each diagnosis once shown; ``run`` runs what a signal may end."""
        self._style = style
        self._found = found
        self._run = run
        self._in_colour = has_colour(sys.stdout, os.environ)
        system: Any = "auto" if self._in_colour else None
        self._console = Console(file=sys.stdout, color_system=system, highlight=False)

    def run(self, arguments: Any, *, count: int, every: float | None, **compared: Any) -> int:
        """Diagnose once, or ``every`` so many seconds until Ctrl-C; return the exit code.

        Raises:
            UsageError: an argument is wrong.

        """
        gc.enable()  # which the start of the program has turned off
        if every is not None:
            return self._watch(arguments | compared | {"count": count}, every)
        diagnosis, written = self._run(lambda: self._once(arguments | compared, count))
        self._found(diagnosis)
        return EXIT_CODES[diagnosis.status] or int(written == "failed")

    def _once(self, arguments: Any, count: int) -> tuple[Diagnosis, Written]:
        with self._progress(arguments["endpoints"], count) as observer:
            diagnosis = check(**arguments, count=count, observer=observer)
        return diagnosis, self._show(diagnosis)

    def _watch(self, arguments: Any, every: float) -> int:
        if self._style.json or not self._in_colour:
            return self._watch_in_lines(arguments, every)
        with Live(console=self._console, auto_refresh=False, vertical_overflow="visible") as live:

            def look() -> Diagnosis:
                diagnosis = check(**arguments, observer=self._tell)
                seen = Text(f"every {every:g} s, last at {_now()}; Ctrl-C ends it", style="dim")
                live.update(Group(picture(diagnosis, self._console), seen), refresh=True)
                return diagnosis

            try:
                while True:
                    self._found(self._run(look))
                    self._run(lambda: time.sleep(every))
            except KeyboardInterrupt:
                return _INTERRUPTED

    def _watch_in_lines(self, arguments: Any, every: float) -> int:
        def look() -> tuple[Diagnosis, Written]:
            diagnosis = check(**arguments, observer=self._tell)
            return diagnosis, self._show(diagnosis, f"== {_now()}")

        try:
            while True:
                diagnosis, written = self._run(look)
                self._found(diagnosis)
                if written != "written":
                    return int(written == "failed")
                self._run(lambda: time.sleep(every))
        except KeyboardInterrupt:
            return _INTERRUPTED

    def _show(self, diagnosis: Diagnosis, title: str | None = None) -> Written:
        if self._style.json:
            return write_answer(to_json(document(diagnosis)))
        if self._console.is_terminal:
            with self._console.capture() as captured:
                self._console.print(picture(diagnosis, self._console))
            text = captured.get().rstrip("\n")
        else:
            text = "\n".join(lines(diagnosis))
        return write_answer(f"{title}\n{text}" if title else text)

    def _tell(self, event: Event) -> None:
        if self._style.verbose and isinstance(event, Attempt):
            tell(detail_line(event), "detail")

    @contextmanager
    def _progress(self, endpoints: str, count: int) -> Iterator[Any]:
        """Yield what is to be told of attempts; on a terminal a long run shows how far it is."""
        if count == 1 or self._style.quiet or not has_colour(sys.stderr, os.environ):
            yield self._tell
            return
        total = count * (endpoints.count(",") + 1)
        # Not refreshed by its own thread, which can write once more after it was cleared away.
        console = Console(stderr=True)
        with Progress(console=console, transient=True, auto_refresh=False) as progress:
            task = progress.add_task("measuring", total=total)
            drawn = 0.0

            def advance(event: Event) -> None:
                nonlocal drawn
                self._tell(event)
                if not isinstance(event, Attempt) or event.method != "eth_chainId":
                    return
                progress.advance(task)
                if time.monotonic() - drawn >= _REDRAWN_EVERY:
                    drawn = time.monotonic()
                    progress.refresh()

            yield advance


def _now() -> str:
    return time.strftime("%H:%M:%S")
