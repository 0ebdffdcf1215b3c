"""Reports several transactions of `send`: one line each, and a summary at the end."""

import os
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any, Self

from seqsend.errors import SeqsendError
from seqsend.models import Attempt, Event, RolesAsked, WaitProgress
from seqsend.render.outcome import Outcome
from seqsend.render.report import Style
from seqsend.render.roles import RoleLines
from seqsend.render.status_line import CLEAR, StatusLine
from seqsend.render.streams import (
    Written,
    has_colour,
    write_raw_stderr,
    write_stderr,
    write_stdout,
)
from seqsend.render.text import (
    AttemptFilter,
    answer_text,
    attempt_line,
    detail_line,
    explanation_text,
    hint_line,
    standby_line,
)
from seqsend.render.waits import receipt_text, status_text
from seqsend.sending.stream import Ended
from seqsend.units import format_count

_SCREENFUL = 24  # lines; a shorter run needs no progress
_REDRAWN_EVERY = 0.1  # seconds


class RunReport:
    """Reports each line as it ends; an observer of the client and a context manager."""

    def __init__(self, style: Style, size: int | None) -> None:
        """``size`` is that of the input, in the units of a position, if it is known."""
        self._style = style
        self._size = size
        # Several threads report attempts: this keeps lines whole, and the progress in its place.
        self._writing = threading.Lock()
        self._started = time.monotonic()
        self._statuses: Counter[str] = Counter()
        self._answered: Counter[int] = Counter()
        self._failovers = 0
        self._endpoint: int | None = None
        self._polled = AttemptFilter()
        self._roles = RoleLines(quiet=style.quiet, verbose=style.verbose)
        self._by_standby = 0
        self._held: list[tuple[Outcome, str]] = []
        """Outcomes whose lines are written together with the next one."""
        self._hinted: set[str] = set()
        self._stack = ExitStack()
        self._status = StatusLine(quiet=style.quiet)
        self._progress: Any = None
        self._task: Any = None
        self._drawn = 0.0
        self._last: int | None = 0
        self._attempts_reported: tuple[Attempt, ...] = ()
        self.written: Written = "written"
        """Whether the last line was written; if not, stdout takes no more."""
        self.lines = 0
        """How many lines have ended."""
        self.exit_code = 0
        """The first exit code of a line that is not 0."""

    def __call__(self, event: Event) -> None:
        """Write a line for an attempt that failed; with `-v` for every one."""
        if isinstance(event, Attempt | WaitProgress | RolesAsked):
            with self._writing:
                self._note(event)

    def _note(self, event: Attempt | WaitProgress | RolesAsked) -> None:
        if isinstance(event, WaitProgress):
            if self._progress is None and not event.ended:
                self._status.draw(status_text(event))
            return
        if isinstance(event, RolesAsked):
            self._make_way()
            self._roles.report(event)
            return
        # The summary says how many are known; a line for each would drown the rest.
        is_new = event.outcome != "found" and self._polled.is_new(event)
        line = attempt_line(event) if is_new else None
        if line is not None and not self._style.quiet:
            self._say(line, "trouble")
        if self._style.verbose:
            self._say(detail_line(event), "detail")

    def _say(self, line: str, style: str) -> None:
        self._make_way()
        write_stderr(line, style)

    def _make_way(self) -> None:
        """Remove status and progress from the line that is written next; they are drawn again."""
        self._status.clear()
        if self._progress is not None and self._drawn:
            self._drawn = 0.0
            write_raw_stderr(CLEAR)

    def add(self, outcome: Outcome, position: int, *, more: bool = False) -> None:
        """Report ``outcome``; ``position`` says how far the input was read.

        Its line is written at once or, if ``more`` lines have ended already, together with them: a
        batch needs no write for each of its transactions.
        """
        with self._writing:
            self._add(outcome, position, more=more)

    def _add(self, outcome: Outcome, position: int, *, more: bool) -> None:
        self._status.clear()
        self._held.append((outcome, str(answer_text(outcome, as_json=self._style.json))))
        if not more or outcome.error is not None:
            self._write_held()
        self._last = outcome.line
        self.lines += 1
        self._statuses[outcome.status] += 1
        self._failovers += outcome.failovers
        if outcome.endpoint is not None:
            self._endpoint = outcome.endpoint.index
            self._answered[self._endpoint] += 1
        self._note_standby(outcome)
        self.exit_code = self.exit_code or outcome.exit_code or 0
        if outcome.error is not None and outcome.status != "not_sent":
            self._report_failure(outcome, outcome.error["message"])
        elif self._style.verbose and (mined := _mined(outcome)):
            self._say(f"line {outcome.line}: {mined}", "detail")
        self._draw(position)

    def _note_standby(self, outcome: Outcome) -> None:
        """Warn of the first transaction that a standby took; the summary counts them."""
        if not outcome.is_by_standby:
            return
        standby = standby_line(outcome)
        if standby is not None and not self._by_standby and not self._style.quiet:
            self._say(standby, "trouble")
        self._by_standby += 1

    def _write_held(self) -> None:
        held, self._held = self._held, []
        self.written = write_stdout("\n".join(text for _, text in held))
        if self.written == "failed":
            self.exit_code = self.exit_code or 1
        elif self.written == "closed" and not self._style.quiet:
            for outcome, _ in held:
                ended = f"line {outcome.line}: {outcome.status} {outcome.hash}"
                self._say(f"stdout is closed; {ended}", "note")

    def _report_failure(self, outcome: Outcome, said: str) -> None:
        mined = _mined(outcome)
        self._say(f"error: line {outcome.line}: {said}{f' ({mined})' if mined else ''}", "error")
        # Lines of one batch may share their attempts.
        if self._style.quiet and outcome.attempts != self._attempts_reported:
            self._attempts_reported = outcome.attempts
            for line in filter(None, map(attempt_line, outcome.attempts)):
                self._say(f"  {line}", "trouble")
        why = explanation_text(outcome, brief=False) if self._style.verbose else None
        if why is not None:
            self._say(why, "detail")
        hint = hint_line(outcome)
        if hint is not None and outcome.status not in self._hinted:
            self._hinted.add(outcome.status)
            self._say(hint, "note")

    def note_unwritten(self, ended: Ended) -> None:
        """Report on stderr how a line ended that stdout no longer takes."""
        if not self._style.quiet:
            self._say(f"line {ended.line}: {ended.status} {ended.hash or ''}", "note")

    def note_unsent_rest(self, first: Ended) -> None:
        """Report on stderr that ``first`` and all lines after it were not sent."""
        why = "is closed" if self.written == "closed" else "cannot be written"
        rest = f"line {first.line} and all after it were not sent"
        self._say(f"error: {rest}: stdout {why}", "error")
        self.exit_code = self.exit_code or 1

    def note_input_error(self, error: SeqsendError) -> None:
        """Report on stderr that the input failed; every line before that has been reported."""
        self._say(f"error: {error}; nothing after line {self._last} was read", "error")
        self.exit_code = self.exit_code or 1

    def give_up(self) -> None:
        """Report that a second signal left lines unreported; nothing was sent after the first."""
        self._say(
            f"error: interrupted again: the lines after line {self._last} are not reported; "
            "sending all of them again is safe",
            "error",
        )

    def finish(self) -> None:
        """Write the summary."""
        self._status.clear()
        self._stack.close()
        self._progress = None
        if self._style.quiet or self.written == "closed":
            return
        good = self.exit_code == 0
        self._say(self._summary(), "success" if good else "note")

    def _summary(self) -> str:
        seconds = time.monotonic() - self._started
        total = self.lines
        ends = ", ".join(f"{n} {status}" for status, n in self._statuses.most_common())
        by = ", ".join(f"endpoint {i}: {n}" for i, n in sorted(self._answered.items()))
        if self._by_standby:
            by += f", {self._by_standby} of them by a standby"
        failovers = format_count(self._failovers, "failover")
        said = f"{format_count(total, 'transaction')}: {ends or 'none'}"
        parts = [said, f"answered by {by}" if by else ""]
        rate = f"{seconds:.1f} s, {total / max(seconds, 0.001):.0f}/s"
        return "; ".join(part for part in (*parts, failovers, rate) if part)

    def _draw(self, position: int) -> None:
        done = self.lines
        if self._progress is None:
            if done != _SCREENFUL or not self._wants_progress():
                return
            self._begin()
        if time.monotonic() - self._drawn < _REDRAWN_EVERY:
            return
        self._drawn = time.monotonic()
        rate = done / (self._drawn - self._started)
        failovers = format_count(self._failovers, "failover")
        said = f"{done} done, {rate:.0f}/s, {failovers}, endpoint {self._endpoint}"
        self._progress.update(self._task, completed=position, description=said)
        self._progress.refresh()

    def _wants_progress(self) -> bool:
        # If the lines themselves are on the screen, they show the progress.
        on_screen = sys.stdout is not None and sys.stdout.isatty()
        return not self._style.quiet and not on_screen and has_colour(sys.stderr, os.environ)

    def _begin(self) -> None:
        from rich.console import Console  # on a terminal only
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = [TextColumn("{task.description}")]
        if self._size is not None:
            columns += [BarColumn(), TimeRemainingColumn()]  # type: ignore[list-item]
        self._progress = self._stack.enter_context(
            Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
        )
        self._task = self._progress.add_task("", total=self._size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._status.clear()
        self._stack.close()
        self._progress = None


def _mined(outcome: Outcome) -> str | None:
    return receipt_text(outcome.receipt, outcome.level)
