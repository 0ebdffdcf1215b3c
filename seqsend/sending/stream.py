"""Many transactions, line by line: all are accounted for, in their order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seqsend.errors import CallError, Interrupted, UsageError
from seqsend.models import Attempt, Sent
from seqsend.sending.transaction import RawTransaction, parse_raw_transaction


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the input that is to hold a transaction."""

    number: int
    """Counted from 1, blank lines and comments included."""
    text: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """The run had stopped before this line."""

    because: int
    """The number of the line at which it stopped."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Ctrl-C came while this line was being sent."""

    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """How one line ended."""

    line: int
    hash: str | None
    """The transaction's; None where the line holds none."""
    end: Sent | CallError | UsageError | NotSent | Broken
    receipt: dict[str, Any] | None = None
    waited: bool = False
    """A receipt was waited for, as long as there was time."""

    @property
    def status(self) -> str:
        """The word for it (contract, section 3)."""
        if isinstance(self.end, CallError):
            return self.end.status
        if not isinstance(self.end, Sent):
            return _WORDS[type(self.end)]
        if not self.waited:
            return self.end.status
        if self.receipt is None:
            return "pending"
        return "reverted" if self.receipt.get("status") == "0x0" else self.end.status


_WORDS: dict[type, str] = {UsageError: "usage", NotSent: "not_sent", Broken: "interrupted"}

Submit = Callable[[Sequence[RawTransaction]], Sequence[Sent | CallError]]
"""Sends some transactions and returns how each ended."""


class Stream:
    """Sends the transactions of an input in groups, one after the other."""

    def __init__(
        self,
        submit: Submit,
        *,
        size: int = 1,
        keep_going: bool = False,
        run: Callable[[Callable[[], Any]], Any] = lambda send: send(),
    ) -> None:
        """``size`` is how many go into one group; the first bad end stops the run or does not.

        ``run`` runs what takes time: whoever handles signals lets them through there.
        """
        self._submit = submit
        self._run = run
        self._size = size
        self._keep_going = keep_going
        self._last = 0
        self.stopped_at: int | None = None
        """The line at which the run has stopped, if it has."""

    def run(self, lines: Iterable[Line]) -> Iterator[Ended]:
        """Yield how each of ``lines`` ended, in their order.

        Raises:
            KeyboardInterrupt: by Ctrl-C, after the lines that were being sent; the rest of
                ``lines`` is left to the caller.

        """
        group: list[tuple[Line, RawTransaction]] = []
        try:
            for line in lines:
                self._last = line.number
                wrong = None
                try:
                    group.append((line, parse_raw_transaction(line.text)))
                except UsageError as error:
                    wrong = error
                if wrong is not None or len(group) >= self._size or self.stopped_at is not None:
                    full, group = group, []
                    yield from self._send(full)
                if wrong is not None:
                    yield self._end(Ended(line.number, None, wrong))
        except KeyboardInterrupt:
            self.stop()
            yield from self._send(group)
            raise
        yield from self._send(group)

    def stop(self) -> None:
        """Send no more; what comes is reported as not sent."""
        if self.stopped_at is None:
            self.stopped_at = self._last

    def note(self, ended: Ended) -> None:
        """Stop the run if ``ended`` is a reason to: also what is found out later, by a receipt."""
        good = ended.status in ("accepted", "known")
        if not good and not self._keep_going and self.stopped_at is None:
            self.stopped_at = ended.line

    def not_sent(self, line: Line) -> Ended:
        """Return the end of a line that comes after the run has stopped."""
        try:
            known = parse_raw_transaction(line.text).hash
        except UsageError:
            known = None
        return Ended(line.number, known, NotSent(self.stopped_at or line.number))

    def _send(self, group: list[tuple[Line, RawTransaction]]) -> Iterator[Ended]:
        if not group:
            return
        if self.stopped_at is not None:
            for line, transaction in group:
                yield Ended(line.number, transaction.hash, NotSent(self.stopped_at))
            return
        try:
            raw = [transaction for _, transaction in group]
            ends = self._run(lambda: self._submit(raw))
        except KeyboardInterrupt as error:
            self.stopped_at = group[0][0].number
            tried = error.attempts if isinstance(error, Interrupted) else ()
            for line, transaction in group:
                yield Ended(line.number, transaction.hash, Broken(tried))
            raise
        for (line, transaction), end in zip(group, ends, strict=True):
            yield self._end(Ended(line.number, transaction.hash, end))

    def _end(self, ended: Ended) -> Ended:
        if isinstance(ended.end, UsageError) and self.stopped_at is not None:
            return Ended(ended.line, None, NotSent(self.stopped_at))
        self.note(ended)
        return ended
