"""Many transactions, several requests under way at once; each sender's order is kept.

Only the thread that runs the stream reads the input, decides and yields; the others just send.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from seqsend import waiting
from seqsend.errors import Interrupted, SeqsendError, UsageError
from seqsend.models import NotSent
from seqsend.sending.decoding import signer_of
from seqsend.sending.outgoing import End
from seqsend.sending.schedule import Group, Schedule
from seqsend.sending.stream import Awaiting, Ended, Line, Parse, Send, Stream, checked
from seqsend.sending.transaction import RawTransaction, parse_raw_transaction
from seqsend.sending.workers import Workers
from seqsend.transports.base import Deadline
from seqsend.waiting import SignalReceived

_WINDOW = 4  # lines read and not yet handed on, as a multiple of what can be under way
_LARGEST_WINDOW = 16 * 2**20  # characters of transactions; a single one may have two million


@runtime_checkable
class Pollable(Protocol):
    """Lines that may not have arrived yet: meanwhile the stream yields what has ended.

    Any other iterator is simply asked for its next line, however long that takes.
    """

    @property
    def descriptor(self) -> int:
        """The file descriptor that becomes readable when more may have arrived."""
        ...

    def poll(self) -> bool:
        """Return whether `next` would return at once, with a line or the end; never waits."""
        ...


@dataclass(slots=True, eq=False)
class _Entry:
    """A line that was read, and whose end was not yet handed on."""

    number: int
    transaction: RawTransaction | None
    end: End | UsageError | None = None
    """None until it is known."""
    by: Deadline | None = None
    is_sent: bool = False


class InFlight(Stream):
    """Sends the transactions of an input in groups, several groups at once.

    Once an end stops the run, no more groups are begun. A line without a transaction stops it only
    after all lines before it were sent, as if they had gone one by one.
    """

    def __init__(
        self,
        send: Send,
        most: int,
        *,
        size: int = 1,
        keep_going: bool = False,
        awaiting: Awaiting | None = None,
        parse: Parse = parse_raw_transaction,
    ) -> None:
        """``most`` is the maximum of groups under way at once; the rest is as for `Stream`."""
        super().__init__(send, size=size, keep_going=keep_going, awaiting=awaiting, parse=parse)
        self._workers: Workers[Group[_Entry]] = Workers(send, most)
        self._schedule: Schedule[_Entry] = Schedule(size, most)
        self._window: deque[_Entry] = deque()
        """The lines that were read and not yet handed on, in input order."""
        self._longest = _WINDOW * most * size
        self._kept = 0
        """Characters of the transactions in the window."""
        self._input_ended = False
        self._bad_line_waits = False
        """A line without a transaction is in the window, and will stop the run."""

    def rest(self, lines: Iterable[Line]) -> Iterator[Ended]:
        """Yield what is left, after waiting, until another signal, for what is under way."""
        self.stop()
        self._finish()
        yield from self._awaiting.left()
        while self._window:
            yield self._ended(self._window.popleft())
        self._workers.close()
        yield from super().rest(lines)

    def stop(self) -> None:
        """Begin nothing more; later lines are reported as not sent."""
        if self.stopped_at is None:
            self.stopped_at = self.last_sent or self._last

    def _send_all(self, lines: Iterator[object]) -> Generator[Ended, None, SeqsendError | None]:
        try:
            failure = yield from self._send_window(lines)
        except SignalReceived:  # the threads have noticed it, too, and end
            self.stop()
            self._finish()
            raise
        self._workers.close()
        if failure is None and not self._input_ended:
            failure = yield from super()._send_all(lines)  # which only reports, by now
        return failure

    def _send_window(self, lines: Iterator[object]) -> Generator[Ended, None, SeqsendError | None]:
        """Send until nothing is under way, and the input has ended or the run has stopped."""
        source, failure = checked(lines), None
        pollable = lines if isinstance(lines, Pollable) else None
        while True:
            self._begin()
            yield from self._hand_on()
            if self.stopped_at is not None and not self._workers.under_way:
                break
            if self._may_read and (pollable is None or pollable.poll()):
                try:
                    self._read(next(source))
                except StopIteration:
                    self._input_ended = True
                except SeqsendError as error:
                    failure, self._input_ended = error, True
            elif self._may_read or self._workers.under_way:
                self._wait(pollable)
            else:
                break
            self._collect()
        for entry in self._window:  # had it been under way, its end would be known
            entry.end = entry.end or NotSent()
        yield from self._hand_on()
        return failure

    @property
    def _may_read(self) -> bool:
        return (
            not self._input_ended
            and not self._bad_line_waits
            and self.stopped_at is None
            and len(self._window) < self._longest
            and self._kept < _LARGEST_WINDOW
        )

    def _read(self, line: Line) -> None:
        self._last = line.number
        try:
            transaction = self._parse(line.text)
        except UsageError as wrong:
            self._window.append(_Entry(line.number, None, wrong))
            self._bad_line_waits = not self._keep_going
            return
        entry = _Entry(line.number, transaction)
        self._window.append(entry)
        self._kept += len(transaction.hex)
        self._schedule.add(entry, signer_of(transaction))

    def _begin(self) -> None:
        """Begin what can begin: whole groups, and smaller ones only if no more can be read now."""
        while self.stopped_at is None and self._workers.are_free:
            group = self._schedule.take(partial=not self._may_read)
            if group is None:
                return
            found = []
            for entry in group.items:
                entry.is_sent = True
                self.last_sent = max(self.last_sent, entry.number)
                if entry.transaction is not None:
                    found.append(entry.transaction)
            self._workers.begin(group, found)

    def _wait(self, source: Pollable | None) -> None:
        """Wait until a group has ended, more can be read, or it is time to ask for receipts.

        Raises:
            SignalReceived: a signal came.

        """
        descriptors = [self._workers.descriptor]
        if source is not None and self._may_read:
            descriptors.append(source.descriptor)
        waiting.wait_any(descriptors, waiting.READ, self._awaiting.pause)

    def _collect(self) -> None:
        """Record the ends of the groups that have ended.

        Raises:
            SignalReceived: a signal has ended one of them.

        """
        interrupted = False
        for group, ended in self._workers.take_ended():
            self._schedule.release(group)
            if isinstance(ended, BaseException):
                raise ended
            for entry, end in zip(group.items, ended.ends, strict=True):
                entry.end, entry.by = end, ended.by
                self._stop_if_bad(entry)
            interrupted = interrupted or ended.interrupted
        if interrupted:
            raise SignalReceived

    def _stop_if_bad(self, entry: _Entry) -> None:
        """Stop at the first line, in input order, that ended badly, whichever end comes first."""
        ended = self._ended(entry)
        if not self._keep_going and ended.status not in ("accepted", "known"):
            self.stopped_at = min(entry.number, self.stopped_at or entry.number)

    def _hand_on(self) -> Iterator[Ended]:
        """Hand on decided lines from the front of the window, and yield what need not wait.

        Lines that were not sent are decided last, when nothing is under way.
        """
        while self._window and self._window[0].end is not None:
            entry = self._window.popleft()
            if entry.transaction is not None:
                self._kept -= len(entry.transaction.hex)
            self._end(self._ended(entry), entry.transaction, entry.by)
        return self._ready(patient=False)

    def _ended(self, entry: _Entry) -> Ended:
        """Return how a line ended, by what is known now."""
        end = entry.end
        if end is None:
            end = Interrupted() if entry.is_sent else NotSent()
        if isinstance(end, NotSent):
            end = end._replace(because=self.stopped_at or entry.number)
        known = None if entry.transaction is None else entry.transaction.hash
        return Ended(entry.number, known, end)

    def _finish(self) -> None:
        """Wait for everything that is under way, until a second signal comes."""
        while self._workers.under_way and self._workers.wait_past_signal():
            try:
                self._collect()
            except SignalReceived:  # the reason for this wait
                continue
