"""Reports what `decode` has found, one transaction after another."""

from typing import Any

from seqsend.errors import InputError, UsageError
from seqsend.explanation import Decoded
from seqsend.render.decoded import aligned, decoded_document, decoded_text
from seqsend.render.document import document, to_json
from seqsend.render.outcome import outcome_of_usage
from seqsend.render.report import Style
from seqsend.render.streams import Written, write_stderr, write_stdout


class DecodedReport:
    """Writes a block of lines, or a JSON object, for each transaction."""

    def __init__(self, style: Style, *, is_single: bool) -> None:
        """``is_single``: no line numbers are needed to tell transactions apart."""
        self._style = style
        self._is_single = is_single
        self._last: int | None = None
        self._shown = False
        self.written: Written = "written"
        """Whether the last transaction was written; if not, stdout takes no more."""
        self.exit_code = 0
        """The first exit code of a transaction that is not 0."""

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to report, not even a failure."""
        return self._last is None and self.exit_code == 0

    def add(self, decoded: Decoded, line: int) -> None:
        """Show a decoded transaction."""
        if self._style.json:
            head: dict[str, Any] = {"status": "ok", "exit_code": 0}
            if not self._is_single:
                head["line"] = line
            self._write(to_json(head | decoded_document(decoded)), line)
        else:
            place = "" if self._is_single else aligned([("line", str(line))]) + "\n"
            blank = "\n" if self._shown else ""
            self._write(f"{blank}{place}{decoded_text(decoded)}", line)
            self._shown = True

    def refuse(self, error: UsageError, line: int) -> None:
        """Report what is wrong with an input that is not a transaction."""
        outcome = outcome_of_usage("decode", str(error))
        if not self._is_single:
            outcome = outcome._replace(line=line)
        if self._style.json:
            self._write(to_json(document(outcome)), line)
        place = "" if self._is_single else f"line {line}: "
        write_stderr(f"error: {place}{error}", "error")
        self._last = line
        self.exit_code = self.exit_code or outcome.exit_code or 0

    def note_input_error(self, error: InputError) -> None:
        """Report that the input failed; everything before that has been reported."""
        write_stderr(f"error: {error}; nothing after line {self._last or 0} was read", "error")
        self.exit_code = self.exit_code or 1

    def _write(self, text: str, line: int) -> None:
        self.written = write_stdout(text)
        self._last = line
        self.exit_code = self.exit_code or int(self.written == "failed")
