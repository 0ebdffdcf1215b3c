"""Daemon threads, and the mailbox in which one thread waits for their results.

Not by `concurrent.futures`: a thread that hangs must not delay the exit of the process.
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
    """Run ``job`` in a thread; if there is no thread left, here, before this returns."""
    try:
        start(job, name)
    except RuntimeError:
        job()


def begin_all(jobs: Sequence[Callable[[], T]], done: "Mailbox[Delivery[T]]", name: str) -> None:
    """Run all ``jobs`` at once; what each returns or raises is put into ``done``.

    If there is no thread left, they run one after another.
    """
    for position, job in enumerate(jobs):
        start_or_run(_delivering(position, job, done), name)


def _delivering(
    position: int, job: Callable[[], T], done: "Mailbox[Delivery[T]]"
) -> Callable[[], None]:
    def run() -> None:
        try:
            done.put((position, job()))
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            done.put((position, error))

    return run


class Mailbox(Generic[T]):
    """Hands items from threads to one thread, which waits for them, for a time or for a signal.

    A context manager; an item that is put into it after its end is dropped.
    """

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._reader, self._writer = waiting.socket_pair()

    def put(self, item: T) -> None:
        """Hand over ``item``."""
        self._items.put(item)
        with suppress(OSError):  # full: there are enough wake-ups; closed: nobody waits
            self._writer.send(b"\0")

    def take(self, seconds: float | None, *, heeds_signals: bool = True) -> T:
        """Return the next item.

        Without ``heeds_signals`` no signal ends the wait: for an item that comes soon and must be
        known. With ``seconds`` None it waits for ever.

        Raises:
            TimeoutError: no item came within ``seconds``.
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
        """A descriptor that is readable when an item is there, for a wait for several."""
        return self._reader.fileno()

    def take_all(self) -> list[T]:
        """Return all items that are there, without waiting."""
        waiting.empty(self._reader)  # first: an item that is put from now on wakes again
        found = []
        with suppress(Empty):
            while True:
                found.append(self._items.get_nowait())
        return found

    def close(self) -> None:
        """Close the descriptors; from now on, items are dropped."""
        self._reader.close()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
