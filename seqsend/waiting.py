"""The one place that waits: for a descriptor, for a moment, or for a signal.

A program that handles signals by exceptions loses what it knows when one comes between an answer
and its report, or inside a library's lock. Here the handlers only note a signal and wake what
waits: `SignalReceived` is raised by the functions of this module, and by nothing else.

Without a `Signals` in force (a program that uses the library), signals are that program's own
affair, and these functions wait for descriptors and moments.
"""

import math
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Self

READ, WRITE = select.POLLIN, select.POLLOUT

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalReceived(KeyboardInterrupt):
    """One of the signals that the program handles has ended a wait."""


class Cancelled(BaseException):
    """Another thread has ended this one's waits. The thread that was cancelled catches it.

    It is not an `Exception`: what treats failures must not take it for one.
    """


class Cancellation:
    """Lets one thread end the waits of another.

    A context manager for the thread that may be cancelled: it has effect until that is left.
    """

    def __init__(self) -> None:
        """Raise `OSError` if there are no descriptors left."""
        self._reader, self._writer = socket_pair()
        self.is_cancelled = False

    def cancel(self) -> None:
        """End the wait that the other thread is in, and each one that it begins from now on."""
        self.is_cancelled = True
        with suppress(OSError):  # closed: it has ended by itself
            self._writer.send(b"\0")

    def descriptor(self) -> int:
        """Return what becomes readable when the thread is cancelled."""
        return self._reader.fileno()

    def close(self) -> None:
        """Give the descriptors back."""
        self._reader.close()
        self._writer.close()

    def __enter__(self) -> Self:
        _of_thread.cancellation = self
        return self

    def __exit__(self, *_exception: object) -> None:
        _of_thread.cancellation = None
        self.close()


class _OfThread(threading.local):
    cancellation: Cancellation | None = None
    work: Callable[[], bool] | None = None


_of_thread = _OfThread()


@contextmanager
def meanwhile(work: Callable[[], bool]) -> Iterator[None]:
    """Have this thread do ``work`` while it would only wait.

    Args:
        work: is called again and again, as long as nothing has come; returns False once nothing is
            left to do. Each call takes far less than a millisecond, waits for nothing, and raises
            nothing.

    """
    _of_thread.work = work
    try:
        yield
    finally:
        _of_thread.work = None


class Signals:
    """Notes signals and wakes what waits; a context manager for the main thread.

    Signals that were ignored when the process started stay so: a shell does that for what a script
    puts into the background (POSIX, XCU 2.11), and so does `nohup`.
    """

    def __init__(self, handled: Sequence[signal.Signals] = HANDLED) -> None:
        """Nothing is handled until the context is entered."""
        self._handled = handled
        self.received: list[int] = []
        """The numbers of the signals that have come, in order."""
        self._acknowledged = 0
        self._before: dict[int, Any] = {}
        self._wakeup_before = -1
        self._main = threading.get_ident()

    @property
    def pending(self) -> bool:
        """Whether a signal has come that was not acknowledged."""
        return len(self.received) > self._acknowledged

    def acknowledge(self) -> None:
        """Let waits go on after the signals that have come; the next one ends them again."""
        known = len(self.received)
        empty(self._seen)
        self._acknowledged = known
        if self.pending:  # one more came meanwhile, and the wake-up for it may be lost
            self._wake()

    def descriptor(self) -> int:
        """Return what becomes readable when a signal has come, for the current thread.

        Python writes to the first at once; the second is written by the handler, which runs in the
        main thread. Only that thread reads the first: another one would take its wake-up away.
        """
        main = threading.get_ident() == self._main
        return (self._wakeup if main else self._seen).fileno()

    def drain(self) -> None:
        """Take in wake-ups that have been noticed; only the main thread's are taken in."""
        if threading.get_ident() == self._main:
            empty(self._wakeup)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received.append(number)
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):  # full: then there are wake-ups enough
            self._seen_writer.send(b"\0")

    def __enter__(self) -> Self:
        global _current  # noqa: PLW0603 - signals are the process's, and so is this
        self._main = threading.get_ident()
        self._wakeup, self._wakeup_writer = socket_pair()
        self._seen, self._seen_writer = socket_pair()
        self._wakeup_before = signal.set_wakeup_fd(
            self._wakeup_writer.fileno(), warn_on_full_buffer=False
        )
        for number in self._handled:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        _current = self
        return self

    def retire(self) -> None:
        """Ignore these signals from now on: the answer is out, and the process about to end.

        Its exit code is no longer theirs to change, and a handler at that time can only do harm.
        """
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)
        self._before.clear()

    def __exit__(self, *_exception: object) -> None:
        global _current  # noqa: PLW0603
        _current = None
        while self._before:
            signal.signal(*self._before.popitem())
        signal.set_wakeup_fd(self._wakeup_before)
        for each in (self._wakeup, self._wakeup_writer, self._seen, self._seen_writer):
            each.close()


_current: Signals | None = None


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return a reader and a writer, neither of which blocks."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    return reader, writer


def empty(reader: socket.socket) -> None:
    """Take out of ``reader`` what has woken it."""
    with suppress(BlockingIOError):
        while reader.recv(4096):
            pass


def check() -> None:
    """Raise if a signal has come: before something is begun that should then not be.

    Raises:
        SignalReceived: one has, and was not acknowledged.
        Cancelled: this thread was cancelled.

    """
    if _current is not None and _current.pending:
        raise SignalReceived
    cancellation = _of_thread.cancellation
    if cancellation is not None and cancellation.is_cancelled:
        raise Cancelled


def wait(descriptor: int | None, event: int, seconds: float | None) -> bool:
    """Wait until ``descriptor`` is ready for ``event``; return whether it is.

    Args:
        descriptor: of a socket or pipe; None to wait for the time alone.
        event: `READ` or `WRITE`. A descriptor that is closed or broken counts as ready.
        seconds: after which the wait ends with False; None to wait for ever.

    Raises:
        SignalReceived: a signal came, now or before.
        Cancelled: this thread was cancelled, now or before.

    """
    return bool(wait_any(() if descriptor is None else (descriptor,), event, seconds))


def wait_any(descriptors: Iterable[int], event: int, seconds: float | None) -> list[int]:
    """Wait until one of ``descriptors`` is ready for ``event``; return those that are.

    The rest is as for `wait`: after ``seconds`` the list is empty.

    Raises:
        SignalReceived: a signal came, now or before.
        Cancelled: this thread was cancelled, now or before.

    """
    cancellation = _of_thread.cancellation
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        # Looked up each time round: in another thread the context can end during the wait.
        signals = _current
        poller = select.poll()
        for descriptor in descriptors:
            poller.register(descriptor, event)
        woken = None
        if signals is not None:
            if signals.pending:
                raise SignalReceived
            woken = signals.descriptor()
            poller.register(woken, READ)
        stopped = None
        if cancellation is not None:
            if cancellation.is_cancelled:
                raise Cancelled
            stopped = cancellation.descriptor()
            poller.register(stopped, READ)
        found = _poll(poller, until)
        ready = [descriptor for descriptor, _ in found if descriptor not in (woken, stopped)]
        if ready:
            return ready
        if found and signals is not None:
            signals.drain()
        elif until is not None and time.monotonic() >= until:
            return []


def _poll(poller: select.poll, until: float | None) -> list[tuple[int, int]]:
    """Return what ``poller`` finds until that time; as long as that is nothing, work meanwhile."""
    work = _of_thread.work
    while work is not None and (until is None or time.monotonic() < until):
        found = poller.poll(0)
        if found:
            return found
        if not work():
            break
    left = None if until is None else max(0.0, until - time.monotonic())
    # Rounded up: poll counts milliseconds, and must not come back a moment too early for ever.
    return poller.poll(None if left is None else math.ceil(left * 1000))


def wait_for_output(descriptor: int) -> bool:
    """Wait until ``descriptor`` takes output; return False if it is to be given up.

    What is known must be said, so that the first signal does not end this wait.
    """
    return wait_past_signal(descriptor, WRITE)


def wait_past_signal(descriptor: int, event: int) -> bool:
    """Wait until ``descriptor`` is ready for ``event``; return False if that is to be given up.

    The first signal does not end this wait. The second one does, and from then on nothing is
    waited for: it may be that nobody reads, or that nothing comes.
    """
    signals = _current
    poller = select.poll()
    poller.register(descriptor, event)
    ready = poller.poll(0)
    if signals is not None:
        poller.register(signals.descriptor(), READ)
    while not any(found == descriptor for found, _ in ready):
        if signals is not None:
            signals.drain()
            if len(signals.received) > 1:  # also if both were acknowledged
                return False
        ready = poller.poll()
    return True


def wait_regardless(descriptor: int, event: int, seconds: float | None) -> bool:
    """Wait until ``descriptor`` is ready for ``event``; return whether it is. No signal ends it.

    For what takes a moment and must be known.
    """
    poller = select.poll()
    poller.register(descriptor, event)
    return bool(poller.poll(None if seconds is None else max(0, math.ceil(seconds * 1000))))


def sleep(seconds: float) -> None:
    """Wait for ``seconds``.

    Raises:
        SignalReceived: a signal came, now or before.

    """
    wait(None, READ, seconds)
