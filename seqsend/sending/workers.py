"""Threads that send groups and report how each ended."""

import time
from collections.abc import Sequence
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

from seqsend import threads, waiting
from seqsend.sending.stream import GroupEnd, Send
from seqsend.sending.transaction import RawTransaction
from seqsend.threads import Mailbox

K = TypeVar("K")

_GRACE = 0.25  # seconds after a second signal by which a promised time may be exceeded


_Jobs = SimpleQueue[tuple[K, Sequence[RawTransaction]] | None]
_Result = tuple[K, GroupEnd | BaseException]


class Workers(Generic[K]):
    """A limited number of threads, started on demand; a single other thread calls all methods."""

    def __init__(self, send: Send, most: int) -> None:
        """``send`` is called in up to ``most`` threads at once."""
        self._send = send
        self._most = most
        self._threads = 0
        self._jobs: _Jobs[K] = SimpleQueue()
        self._ended: Mailbox[_Result[K]] = Mailbox()
        self._give_up_at: float | None = None
        self.under_way = 0
        """How many groups were begun, and not yet returned by `take_ended`."""

    @property
    def are_free(self) -> bool:
        """Whether another group can be begun."""
        return self.under_way < self._most

    @property
    def descriptor(self) -> int:
        """The file descriptor that becomes readable when a group has ended."""
        return self._ended.descriptor

    def begin(self, key: K, transactions: Sequence[RawTransaction]) -> None:
        """Have ``transactions`` sent; `take_ended` returns ``key`` with how they ended."""
        if self.under_way == self._threads:
            self._add_thread()
        self.under_way += 1
        self._jobs.put((key, transactions))
        if not self._threads:  # then in this thread, one group after another
            _work_once(self._send, self._jobs, self._ended)

    def _add_thread(self) -> None:
        """Start another thread; if this machine has none left, make do with those running."""
        work = partial(_work, self._send, self._jobs, self._ended)
        try:
            threads.start(work, "seqsend-send")
        except RuntimeError:
            self._most = max(1, self._threads)
        else:
            self._threads += 1

    def take_ended(self) -> "list[_Result[K]]":
        """Return what has ended since the last call; an exception in it is a defect."""
        ended = self._ended.take_all()
        self.under_way -= len(ended)
        return ended

    def wait_past_signal(self) -> bool:
        """Wait until another group has ended; return False if a second signal ends the wait.

        That signal also ends all waits of the threads: they get a moment to report it.
        """
        if waiting.wait_past_signal(self.descriptor, waiting.READ):
            return True
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + _GRACE
        left = self._give_up_at - time.monotonic()
        return waiting.wait_regardless(self.descriptor, waiting.READ, left)

    def close(self) -> None:
        """Let the threads end, without a wait for what is under way, whose ends are lost."""
        for _ in range(self._threads):
            self._jobs.put(None)
        self._threads = self.under_way = 0
        self._ended.close()

    def __del__(self) -> None:
        """Let the threads end if the stream was dropped midway: they hold no reference to this."""
        self.close()


def _work(send: Send, jobs: "_Jobs[K]", ended: "Mailbox[_Result[K]]") -> None:
    while _work_once(send, jobs, ended):
        pass


def _work_once(send: Send, jobs: "_Jobs[K]", ended: "Mailbox[_Result[K]]") -> bool:
    """Do the next job; return False if it was None, which ends the thread."""
    job = jobs.get()
    if job is None:
        return False
    key, transactions = job
    end: GroupEnd | BaseException
    try:
        end = send(transactions)
    except BaseException as error:  # noqa: BLE001 - the calling thread raises it
        end = error
    ended.put((key, end))
    return True
