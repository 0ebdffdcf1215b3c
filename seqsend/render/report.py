"""Reports what a command does while it runs, and how it ends."""

from typing import NamedTuple

from seqsend.errors import CallError
from seqsend.models import Attempt, Event, RolesAsked, WaitProgress
from seqsend.render.outcome import Outcome
from seqsend.render.status_line import StatusLine
from seqsend.render.streams import write_stderr, write_stdout
from seqsend.render.text import (
    AttemptFilter,
    answer_text,
    attempt_line,
    detail_line,
    explanation_text,
    hint_line,
    standby_line,
    success_line,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Few runs have roles, or wait.
    from seqsend.render.roles import RoleLines
    from seqsend.render.waits import WaitLines


class Style(NamedTuple):
    """How much is reported, and in what form."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False


class Report:
    """Reports attempts as they end, then the outcome; an observer of the client."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self._polled = AttemptFilter()
        self._waits: WaitLines | None = None
        self._roles: RoleLines | None = None
        self._status = StatusLine(quiet=style.quiet)

    def __call__(self, event: Event) -> None:
        """Write lines for attempts, roles and waits; other events are for other observers."""
        if isinstance(event, WaitProgress):
            self._report_wait(event)
        elif isinstance(event, RolesAsked):
            self._status.clear()
            self._report_roles(event)
        if not isinstance(event, Attempt):
            return
        line = attempt_line(event) if self._polled.is_new(event) else None
        if line is not None and not self.style.quiet:
            self._status.clear()
            write_stderr(line, "note" if event.outcome == "found" else "trouble")
        if self.style.verbose:
            self._status.clear()
            write_stderr(detail_line(event), "detail")

    def _report_roles(self, asked: RolesAsked) -> None:
        from seqsend.render.roles import RoleLines

        if self._roles is None:
            self._roles = RoleLines(quiet=self.style.quiet, verbose=self.style.verbose)
        self._roles.report(asked)

    def _report_wait(self, progress: WaitProgress) -> None:
        """Report a wait at its beginning, then each change; a terminal also shows the time left."""
        from seqsend.render.waits import WaitLines, status_text

        self._waits = self._waits or WaitLines()
        line = self._waits.line(progress)
        if line is not None and not self.style.quiet:
            self._status.clear()
            write_stderr(line, "note")
        if progress.ended:
            self._status.clear()
        else:
            self._status.draw(status_text(progress))

    def finish(self, outcome: Outcome, error: CallError | None = None) -> int:
        """Write the answer, say how it ended, and return the exit code.

        ``error`` adds the attempts that `--quiet` has left out so far.
        """
        self._status.clear()
        text = answer_text(outcome, as_json=self.style.json)
        written = text is None or write_stdout(text) != "failed"
        standby = standby_line(outcome)
        if standby is not None and not self.style.quiet:
            write_stderr(standby, "trouble")
        if outcome.error is None:
            if not self.style.quiet:
                write_stderr(success_line(outcome), "success")
            why = explanation_text(outcome, brief=False) if self.style.verbose else None
            if why is not None:
                write_stderr(why, "detail")
        else:
            if outcome.waited and not self.style.quiet:
                write_stderr(success_line(outcome), "note")  # it was answered, and perhaps mined
            whole = str(error) if error is not None and self.style.quiet else None
            write_stderr(f"error: {whole or _headline(outcome, error)}", "error")
            if outcome.interrupted:
                write_stderr("interrupted: why it was rejected is not known", "note")
            why = explanation_text(outcome, brief=self.style.quiet)
            if why is not None:
                write_stderr(why, "note")
            hint = hint_line(outcome)
            if hint is not None:
                write_stderr(hint, "note")
        return outcome.exit_code or int(not written)


def _headline(outcome: Outcome, error: CallError | None) -> str:
    return error.headline if error is not None else str((outcome.error or {}).get("message"))
