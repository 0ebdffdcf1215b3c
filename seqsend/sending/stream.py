"""Many transactions, line by line: each input line gets exactly one end, in input order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from seqsend import waiting
from seqsend.errors import CallError, Interrupted, SeqsendError, UsageError
from seqsend.models import Level, NotSent, Sent, is_at
from seqsend.sending.outgoing import End
from seqsend.sending.transaction import RawTransaction, parse_raw_transaction
from seqsend.transports.base import Deadline

MOST_IN_FLIGHT = 256
"""The maximum of requests under way at once: each has a thread, and a kept connection."""


class GroupEnd(NamedTuple):
    """How the transactions of one group ended."""

    ends: Sequence[End]
    """In the order of the transactions."""
    interrupted: bool = False
    """A signal ended the group."""
    by: Deadline | None = None
    """The deadline for everything that is done for them, if there is one."""


Send = Callable[[Sequence[RawTransaction]], GroupEnd]
"""Sends a group."""

Parse = Callable[[str], RawTransaction]
"""Parses a transaction; raises UsageError for one that must not be sent."""


class Line(NamedTuple):
    """One line of the input, which should hold a transaction."""

    number: int
    """Counted from 1, blank lines and comments included."""
    text: str


class Ended(NamedTuple):
    """How one line ended."""

    line: int
    hash: str | None
    """The transaction's hash; None if the line does not hold a transaction."""
    end: End | UsageError
    receipt: Mapping[str, Any] | None = None
    level: Level | None = None
    """How deep in the chain it was at the end of the wait."""
    waited: Level | None = None
    """The level that was waited for; None if there was no wait."""

    @property
    def status(self) -> str:
        """The status of the line in one word (examples/REFERENCE.md, "Exit codes")."""
        if isinstance(self.end, CallError):
            return self.end.status
        if not isinstance(self.end, Sent):
            return _WORDS[type(self.end)]
        if self.waited is None:
            return self.end.status
        if self.receipt is None or not is_at(self.level, self.waited):
            return "pending"
        from seqsend.sending.landing import has_succeeded  # most do not wait

        return self.end.status if has_succeeded(self.receipt) else "reverted"


_WORDS: dict[type, str] = {UsageError: "usage", NotSent: "not_sent", Interrupted: "interrupted"}


@runtime_checkable
class ReadAhead(Protocol):
    """Lines, some of which are read before they are asked for."""

    @property
    def upcoming(self) -> Sequence[Line]:
        """The next lines, as far as they have already been read."""
        ...


class Awaiting(Protocol):
    """Holds ends back, in order, until there is nothing more to wait for."""

    def add(self, ended: Ended, transaction: RawTransaction | None, by: Deadline | None) -> None:
        """Add the end of the next line, and the transaction in it.

        ``by`` is the deadline for all that is done for it.
        """
        ...

    def ready(self, *, patient: bool) -> Iterator[Ended]:
        """Yield, in order, the ends that need no wait; with ``patient``, wait for all."""
        ...

    def left(self) -> Iterator[Ended]:
        """Yield everything that is left, as it is now."""
        ...

    @property
    def has_ready(self) -> bool:
        """Whether another end follows without any wait."""
        ...

    @property
    def pause(self) -> float | None:
        """Seconds until it is worth calling `ready`; None until something is added."""
        ...


class NothingAwaited:
    """Hands ends on as they come."""

    def __init__(self) -> None:
        self._queue: deque[Ended] = deque()

    def add(self, ended: Ended, transaction: RawTransaction | None, by: Deadline | None) -> None:
        """Add the end of the next line."""
        del transaction, by
        self._queue.append(ended)

    def ready(self, *, patient: bool) -> Iterator[Ended]:
        """Yield all that was taken in."""
        del patient
        yield from self.left()

    def left(self) -> Iterator[Ended]:
        """Yield all that was taken in."""
        while self._queue:
            yield self._queue.popleft()

    @property
    def has_ready(self) -> bool:
        """Whether anything was added."""
        return bool(self._queue)

    @property
    def pause(self) -> None:
        """None: it waits for nothing."""


class Stream:
    """Sends the transactions of an input in groups, one group after the other.

    It alone decides when the run stops: at the first end that is not good, unless ``keep_going``;
    when a signal comes; and when `stop` is called.
    """

    def __init__(
        self,
        send: Send,
        *,
        size: int = 1,
        keep_going: bool = False,
        awaiting: Awaiting | None = None,
        parse: Parse = parse_raw_transaction,
    ) -> None:
        """``size`` is the number of transactions in a group.

        Without ``keep_going`` the run stops at the first end that is not good. ``awaiting`` holds
        ends back until their receipts are there; by default it holds none back.
        """
        self._send = send
        self._parse = parse
        self._size = size
        self._keep_going = keep_going
        self._awaiting = awaiting or NothingAwaited()
        self._group: list[tuple[Line, RawTransaction]] = []
        self._upcoming: Sequence[Line] = ()
        self._parsed: dict[int, RawTransaction | None] = {}
        """Line number → its transaction, for lines that were parsed while an answer was awaited;
        None if the line does not hold a transaction."""
        self._last = 0
        self.last_sent = 0
        """The last line, in input order, that was sent; no line after it was."""
        self.stopped_at: int | None = None
        """The line at which the run has stopped, if it has."""

    def run(self, lines: Iterable[Line]) -> Iterator[Ended]:
        """Yield how each of ``lines`` ended, in their order.

        Raises:
            KeyboardInterrupt: a signal came; then `rest` yields what is left.
            SeqsendError: the input failed; every line before that has been yielded.

        """
        if isinstance(lines, ReadAhead):
            self._upcoming = lines.upcoming
        try:
            failure = yield from self._send_all(_iterate(lines))
            yield from self._ready(patient=True)
        except KeyboardInterrupt:
            self.stop()
            raise
        if failure is not None:
            raise failure

    def _send_all(self, lines: Iterator[object]) -> Generator[Ended, None, SeqsendError | None]:
        """Send the transactions, and yield the ends; return how the input failed, if it did."""
        source, failure = checked(lines), None
        while True:
            try:
                line = next(source)
            except StopIteration:
                break
            except SeqsendError as error:
                failure = error
                break
            self._take(line)
            if not self._group:  # else nothing has ended since
                yield from self._ready(patient=False)
        self._send_group()
        return failure

    def rest(self, lines: Iterable[Line]) -> Iterator[Ended]:
        """Yield what is left after a signal, or after the run was stopped, sending nothing more.

        ``lines`` are those not yet read. It may be called again if another signal comes.
        """
        self.stop()
        yield from self._awaiting.left()
        while self._group:
            line, transaction = self._group.pop(0)
            yield self._not_sent(line, transaction.hash)
        for line in lines:
            yield self._not_sent(line, _hash_of(line))

    @property
    def has_more(self) -> bool:
        """Whether another line has already ended and is yielded next."""
        return self._awaiting.has_ready

    def stop(self) -> None:
        """Send nothing more; later lines are reported as not sent."""
        if self.stopped_at is None:
            self.stopped_at = self._last

    def _take(self, line: Line) -> None:
        self._last = line.number
        parsed = self._parsed.pop(line.number, None)
        if self.stopped_at is not None:
            self._awaiting.add(self._not_sent(line, _hash_of(line)), None, None)
            return
        try:
            self._group.append((line, parsed or self._parse(line.text)))
        except UsageError as wrong:
            try:
                self._send_group()
            finally:  # even if a signal ends that: this line was read, too
                stopped = self.stopped_at is not None
                wrong_end = Ended(line.number, None, wrong)
                self._end(self._not_sent(line, None) if stopped else wrong_end)
            return
        if len(self._group) >= self._size:
            self._send_group()

    def _send_group(self) -> None:
        if not self._group:
            return
        self.last_sent = self._group[-1][0].number
        with waiting.meanwhile(self._parse_ahead):
            ends, interrupted, by = self._send([transaction for _, transaction in self._group])
        group, self._group = self._group, []
        for (line, transaction), end in zip(group, ends, strict=True):
            if isinstance(end, NotSent):
                end = end._replace(because=self.stopped_at or line.number)  # noqa: PLW2901
            self._end(Ended(line.number, transaction.hash, end), transaction, by)
        if interrupted:
            raise KeyboardInterrupt

    def _parse_ahead(self) -> bool:
        """Parse one line of the next group; return False if no line is left that was read."""
        at = len(self._parsed)
        if at >= min(self._size, len(self._upcoming)):
            return False
        line = self._upcoming[at]
        try:
            self._parsed[line.number] = self._parse(line.text)
        except UsageError:  # raised when the line's turn comes
            self._parsed[line.number] = None
        return True

    def _end(
        self, ended: Ended, transaction: RawTransaction | None = None, by: Deadline | None = None
    ) -> None:
        self._note(ended)
        self._awaiting.add(ended, transaction, by)

    def _ready(self, *, patient: bool) -> Iterator[Ended]:
        for ended in self._awaiting.ready(patient=patient):
            self._note(ended)  # a receipt, or the lack of one, may have made it a bad end
            yield ended

    def _note(self, ended: Ended) -> None:
        good = ended.status in ("accepted", "known")
        if not good and not self._keep_going and self.stopped_at is None:
            self.stopped_at = ended.line

    def _not_sent(self, line: Line, known: str | None) -> Ended:
        return Ended(line.number, known, NotSent(because=self.stopped_at))


def _iterate(lines: object) -> Iterator[object]:
    return iter(lines if isinstance(lines, Iterable) else [lines])


def checked(lines: Iterator[object]) -> Iterator[Line]:
    """Yield ``lines``, each checked to be a `Line`.

    Raises:
        UsageError: one is not a `Line`, such as a text that a program passed.

    """
    for line in lines:
        if not isinstance(line, Line):
            raise UsageError(
                f"a line is of type {type(line).__name__}, not Line", example="Line(1, '0x02f86c…')"
            )
        yield line


def _hash_of(line: Line) -> str | None:
    try:
        return parse_raw_transaction(line.text).hash
    except UsageError:
        return None
