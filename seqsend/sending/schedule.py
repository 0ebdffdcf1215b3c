"""Which transactions go next if several requests are under way at once. Pure.

Transactions of one sender keep their order: two of them are never under way in two requests, and
within one they follow each other. Otherwise those that came first go first.
"""

import heapq
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Group(Generic[T]):
    """What goes in one request; its senders send nothing else meanwhile."""

    __slots__ = ("items", "senders")

    def __init__(self) -> None:
        self.items: list[T] = []
        """In an order that keeps each sender's."""
        self.senders: list[Hashable] = []


class Schedule(Generic[T]):
    """Keeps what waits to be sent, in a queue for each sender, and makes groups of it."""

    def __init__(self, size: int, most: int) -> None:
        """``size`` is how many go in a group at most; ``most``, how many groups at once."""
        self._size = size
        # How far from the first that is free a group reaches for more of the same sender. Without
        # it one group would take the whole queue of a sender, while the output, which is in the
        # order of the input, waits for what other senders have before that.
        self._reach = size * most
        self._queues: dict[Hashable, deque[tuple[int, T]]] = {}
        """Sender → what waits, with its place in the input; also if empty while it is busy."""
        self._busy: set[Hashable] = set()
        self._free: list[tuple[int, Hashable]] = []
        """A heap of the senders that are not busy and have something, by the place of its first."""
        self._free_count = 0
        """How many items these senders have together."""
        self._added = 0

    def add(self, item: T, sender: Hashable) -> None:
        """Take in the next item of the input."""
        queue = self._queues.get(sender)
        if queue is None:
            queue = self._queues[sender] = deque()
        queue.append((self._added, item))
        if sender not in self._busy:
            self._free_count += 1
            if len(queue) == 1:
                heapq.heappush(self._free, (self._added, sender))
        self._added += 1

    def take(self, *, partial: bool) -> Group[T] | None:
        """Return the next group; None if nothing can go, or not enough for a whole group.

        ``partial``: fewer are enough, because no more will come in time.
        """
        if not self._free_count or (self._free_count < self._size and not partial):
            return None
        group: Group[T] = Group()
        end = self._free[0][0] + self._reach
        while self._free and self._free[0][0] < end and len(group.items) < self._size:
            _, sender = heapq.heappop(self._free)
            queue = self._queues[sender]
            self._free_count -= len(queue)
            self._busy.add(sender)
            group.senders.append(sender)
            while queue and queue[0][0] < end and len(group.items) < self._size:
                group.items.append(queue.popleft()[1])
        return group

    def release(self, group: Group[T]) -> None:
        """Let the senders of a group that has ended send what they have next."""
        for sender in group.senders:
            self._busy.discard(sender)
            queue = self._queues[sender]
            if queue:
                self._free_count += len(queue)
                heapq.heappush(self._free, (queue[0][0], sender))
            else:
                del self._queues[sender]
