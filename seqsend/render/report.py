"""What a command tells while it runs and when it ends."""

from dataclasses import dataclass, field

from seqsend.errors import CallError
from seqsend.models import Attempt, Event
from seqsend.render.outcome import Outcome
from seqsend.render.streams import tell, write_answer
from seqsend.render.text import (
    answer_text,
    attempt_line,
    detail_line,
    hint_line,
    success_line,
)


@dataclass(frozen=True, slots=True)
class Style:
    """How much is told, and in what form."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False


@dataclass(slots=True)
class Report:
    """Tells of attempts as they end, then of the outcome; an observer of the client."""

    style: Style
    attempts: list[Attempt] = field(default_factory=list)
    """Everything that was tried so far: what is known when Ctrl-C ends it."""

    def __call__(self, event: Event) -> None:
        """Tell of an attempt; the other events are for other observers."""
        if not isinstance(event, Attempt):
            return
        self.attempts.append(event)
        line = attempt_line(event)
        if line is not None and not self.style.quiet:
            tell(line, "note" if event.outcome == "found" else "trouble")
        if self.style.verbose:
            tell(detail_line(event), "detail")

    def finish(self, outcome: Outcome, error: CallError | None = None) -> int:
        """Write the answer, say how it ended, and return the exit code.

        ``error`` adds the attempts that `--quiet` kept silent about until now.
        """
        text = answer_text(outcome, as_json=self.style.json)
        written = text is None or write_answer(text) != "failed"
        if outcome.error is None:
            if not self.style.quiet:
                tell(success_line(outcome), "success")
        else:
            if outcome.waited and not self.style.quiet:
                tell(success_line(outcome), "note")  # it was answered, and perhaps mined
            whole = str(error) if error is not None and self.style.quiet else None
            tell(f"error: {whole or _headline(outcome, error)}", "error")
            hint = hint_line(outcome)
            if hint is not None:
                tell(hint, "note")
        return outcome.exit_code or int(not written)


def _headline(outcome: Outcome, error: CallError | None) -> str:
    return error.headline if error is not None else str((outcome.error or {}).get("message"))
