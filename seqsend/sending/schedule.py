"""Which transactions go next when several requests are under way at once. Pure.

Transactions of one sender keep their order: they are never in two requests at the same time, and
within one request they follow each other. Otherwise the first to come is the first to go.
"""

import heapq
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Group(Generic[T]):
    """The items of one request; their senders send nothing else meanwhile."""

    __slots__ = ("items", "senders")

    def __init__(self) -> None:
        self.items: list[T] = []
        """In an order that keeps the order of each sender."""
        self.senders: list[Hashable] = []


class Schedule(Generic[T]):
    """Keeps the items to send in a queue per sender, and forms groups from them."""

    def __init__(self, size: int, most: int) -> None:
        """``size`` is the maximum of items per group, ``most`` that of groups at once."""
        self._size = size
        # How far a group may reach into the input, from the first free item on. Without this limit
        # one group could take a sender's whole queue, while the output, which is in input order,
        # waits for earlier items of other senders.
        self._reach = size * most
        self._queues: dict[Hashable, deque[tuple[int, T]]] = {}
        """Sender → its waiting items, each with its place in the input; a busy sender's may be
        empty."""
        self._busy: set[Hashable] = set()
        self._free: list[tuple[int, Hashable]] = []
        """A heap of the senders that are not busy and have items, by the place of the first."""
        self._free_count = 0
        """How many items these senders have together."""
        self._added = 0

    def add(self, item: T, sender: Hashable) -> None:
        """Add the next item of the input."""
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
        """Return the next group; None if no item is free, or too few for a whole group.

        With ``partial``, fewer items are enough, because no more will come in time.
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
