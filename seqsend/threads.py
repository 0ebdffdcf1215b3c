"""Threads, and what they hand to the one that waits for them.

They are daemons, and not of `concurrent.futures`: one that hangs must not delay the exit of the
process, whatever is still waited for.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, Self, TypeVar

from seqsend import waiting

T = TypeVar("T")

Delivery = tuple[int, T | BaseException]
"""The position of a job, and what it returned or raised."""


def start(job: Callable[[], object], name: str) -> None:
    """Run ``job`` in a thread.

    Raises:
        RuntimeError: this machine has no thread left.

    """
    threading.Thread(target=job, name=name, daemon=True).start()


def start_or_run(job: Callable[[], object], name: str) -> None:
    """Run ``job`` in a thread; here, before this returns, if there is no thread left."""
    try:
        start(job, name)
    except RuntimeError:
        job()


def begin_all(jobs: Sequence[Callable[[], T]], done: "Mailbox[Delivery[T]]", name: str) -> None:
    """Do all ``jobs`` side by side; what each returns or raises is put into ``done``.

    If there is no thread left, one after the other.
    """
    for position, job in enumerate(jobs):
        start_or_run(_delivering(position, job, done), name)


def _delivering(
    position: int, job: Callable[[], T], done: "Mailbox[Delivery[T]]"
) -> Callable[[], None]:
    def run() -> None:
        try:
            done.put((position, job()))
        except BaseException as error:  # noqa: BLE001 - for the thread that waits to raise
            done.put((position, error))

    return run


class Mailbox(Generic[T]):
    """Hands things from threads to one that waits for them, for a moment, or for a signal.

    A context manager; what is put into it after its end is dropped.
    """

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._reader, self._writer = waiting.socket_pair()

    def put(self, item: T) -> None:
        """Hand over ``item``."""
        self._items.put(item)
        with suppress(OSError):  # full: then there are wake-ups enough; closed: nobody waits
            self._writer.send(b"\0")

    def take(self, seconds: float | None, *, heeds_signals: bool = True) -> T:
        """Return the next item.

        With ``heeds_signals`` off it goes on waiting when a signal comes: for what takes a moment
        and must be known.

        Raises:
            TimeoutError: none came within ``seconds``.
            SignalReceived: a signal came, now or before.

        """
        waits = waiting.wait if heeds_signals else waiting.wait_regardless
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            with suppress(Empty):
                return self._items.get_nowait()
            waiting.empty(self._reader)
            with suppress(Empty):  # put between the two lines above
                return self._items.get_nowait()
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            waits(self._reader.fileno(), waiting.READ, left)

    @property
    def descriptor(self) -> int:
        """What becomes readable when something is there, to be waited for beside others."""
        return self._reader.fileno()

    def take_all(self) -> list[T]:
        """Return everything that is there; waits for nothing."""
        waiting.empty(self._reader)  # first: what is put from now on wakes again
        found = []
        with suppress(Empty):
            while True:
                found.append(self._items.get_nowait())
        return found

    def close(self) -> None:
        """Stop taking things in."""
        self._reader.close()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
