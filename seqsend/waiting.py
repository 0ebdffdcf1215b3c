"""The one module that waits: for a descriptor, for a time, or for a signal.

A signal handler that raises an exception can do so between an answer and its report, or inside a
library's lock, and what is known is lost. Here the handlers only note a signal and wake the waiting
threads: only the functions of this module raise `SignalReceived`.

If no `Signals` is active (in a program that uses the library), signals are left to that program,
and these functions wait only for descriptors and times.
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
    """Another thread has ended this one's waits. The cancelled thread catches it.

    It is not an `Exception`: code that handles failures must not catch it.
    """


class Cancellation:
    """Lets one thread end the waits of another.

    A context manager for the thread that may be cancelled; it has no effect after its end.
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
        """Return a descriptor that becomes readable when the thread is cancelled."""
        return self._reader.fileno()

    def close(self) -> None:
        """Close the descriptors."""
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
    """Let this thread do ``work`` during its waits.

    Args:
        work: called repeatedly until the wait ends; returns False once nothing is left to do. Each
            call takes far less than a millisecond, does not wait, and raises nothing.

    """
    _of_thread.work = work
    try:
        yield
    finally:
        _of_thread.work = None


class Signals:
    """Notes signals and wakes waiting threads; a context manager for the main thread.

    Signals that were ignored when the process started stay ignored: a shell ignores them for the
    background jobs of a script (POSIX, XCU 2.11), and so does `nohup`.
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
        """Whether a signal has come that is not acknowledged yet."""
        return len(self.received) > self._acknowledged

    def acknowledge(self) -> None:
        """Let waits go on despite the signals that have come; the next one ends them again."""
        known = len(self.received)
        empty(self._seen)
        self._acknowledged = known
        if self.pending:  # one more came meanwhile, and the wake-up for it may be lost
            self._wake()

    def descriptor(self) -> int:
        """Return a descriptor for the current thread that is readable when a signal has come.

        Python writes to the main thread's at once. The handler, which runs in the main thread,
        writes to the one for all other threads: if one of them read the first, it would take the
        main thread's wake-up.
        """
        main = threading.get_ident() == self._main
        return (self._wakeup if main else self._seen).fileno()

    def drain(self) -> None:
        """Drop wake-ups that have been noticed; in other threads than the main one, do nothing."""
        if threading.get_ident() == self._main:
            empty(self._wakeup)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received.append(number)
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):  # full: there are enough wake-ups
            self._seen_writer.send(b"\0")

    def __enter__(self) -> Self:
        global _current  # noqa: PLW0603 - signals belong to the process, and so does this
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
        """Ignore these signals from now on: the answer is written, and the process about to end.

        They must not change its exit code any more, and a handler that late can only do harm.
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
    """Return a reader and a writer; neither blocks."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    return reader, writer


def empty(reader: socket.socket) -> None:
    """Drop all wake-ups in ``reader``."""
    with suppress(BlockingIOError):
        while reader.recv(4096):
            pass


def check() -> None:
    """Raise if a signal has come; for a caller about to begin what a signal should prevent.

    Raises:
        SignalReceived: a signal has come that is not acknowledged yet.
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
        descriptor: of a socket or pipe; None to wait only for the time.
        event: `READ` or `WRITE`. A descriptor that is closed or broken counts as ready.
        seconds: after which the wait ends with False; None to wait for ever.

    Raises:
        SignalReceived: a signal came, now or before.
        Cancelled: this thread was cancelled, now or before.

    """
    return bool(wait_any(() if descriptor is None else (descriptor,), event, seconds))


def wait_any(descriptors: Iterable[int], event: int, seconds: float | None) -> list[int]:
    """Wait until any of ``descriptors`` is ready for ``event``; return all that are.

    The rest is as for `wait`; after ``seconds`` the list is empty.

    Raises:
        SignalReceived: a signal came, now or before.
        Cancelled: this thread was cancelled, now or before.

    """
    cancellation = _of_thread.cancellation
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        # Read in each iteration: outside the main thread, the context can end during the wait.
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
    """Return what ``poller`` finds by the time ``until``; meanwhile, do this thread's work."""
    work = _of_thread.work
    while work is not None and (until is None or time.monotonic() < until):
        found = poller.poll(0)
        if found:
            return found
        if not work():
            break
    left = None if until is None else max(0.0, until - time.monotonic())
    # Rounded up: poll counts milliseconds, and must not return too early again and again.
    return poller.poll(None if left is None else math.ceil(left * 1000))


def wait_for_output(descriptor: int) -> bool:
    """Wait until ``descriptor`` takes output; return False if the caller should give up.

    The first signal does not end this wait: what is known must be written.
    """
    return wait_past_signal(descriptor, WRITE)


def wait_past_signal(descriptor: int, event: int) -> bool:
    """Wait until ``descriptor`` is ready for ``event``; return False if the caller should give up.

    The first signal does not end this wait. The second one does, and ends all later ones at once:
    perhaps nobody reads, or nothing comes.
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

    For something that comes soon and must be known. With ``seconds`` None it waits for ever.
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
