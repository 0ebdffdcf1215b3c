"""The node behind all endpoints of a scenario, and the true log of what reached each of them."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from tests.support.model.transactions import Tx

Said = Literal["hash", "error", "nothing", "nonsense", "found", "null"]
"""What the answer says about one transaction: its own hash, an error, nothing, or something that
proves nothing; for a look-up: the transaction itself, or null."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What an endpoint did with one item of a request."""

    name: str
    said: Said
    delivered: str | None
    """The failure table's verdict; None if several are right."""
    code: int | None = None
    message: str | None = None
    final: bool = True
    """For an error: a node never says this about a transaction that it has."""
    landed: bool = False
    """For an error: its message is "already known"."""


@dataclass(slots=True)
class Record:
    """One request that an endpoint has read completely."""

    number: int
    """Position in the order of arrival over all endpoints, from 1."""
    endpoint: int
    """Position in the list, from 1."""
    at: float
    """When it was read, by `time.monotonic`."""
    method: str
    sends: tuple[str, ...]
    """The hashes of the transactions in it."""
    look_ups: tuple[str, ...]
    batch: bool
    reaction: str = ""
    """How the endpoint treated the request as a whole."""
    treatments: dict[str, Treatment] = field(default_factory=dict)
    """Hash → treatment."""
    taken: set[str] = field(default_factory=set)
    """The transactions that the node took because of this request, immediately or later."""
    status: int | None = None
    """HTTP status of the answer; None without a complete answer."""
    answered_at: float | None = None
    """When the last byte of a complete answer was handed to the system."""


class Chain:
    """The node's transactions, shared by all endpoints; thread-safe."""

    def __init__(self, transactions: Iterable[Tx]) -> None:
        self._known = {tx.hash: tx for tx in transactions}
        self._spent: dict[tuple[int, int], str] = {}
        self._taken: set[str] = set()
        self._changed = threading.Condition()
        self.log: list[Record] = []
        """Every request that was read completely, in order of arrival."""
        self.answers = 0
        """How many requests were answered completely."""

    @property
    def taken(self) -> frozenset[str]:
        """The hashes of the transactions that the node has."""
        with self._changed:
            return frozenset(self._taken)

    def has(self, transaction_hash: str) -> bool:
        """Return whether the node has a transaction."""
        with self._changed:
            return transaction_hash in self._taken

    def may_take(self, transaction_hash: str) -> bool:
        """Return whether the node has a transaction, or no other has spent its nonce."""
        tx = self._known[transaction_hash]
        with self._changed:
            return self._spent.get((tx.sender, tx.nonce), tx.hash) == tx.hash

    def take(self, transaction_hash: str) -> bool:
        """Take a transaction into the pool; return whether the node has it now."""
        tx = self._known[transaction_hash]
        with self._changed:
            if self._spent.setdefault((tx.sender, tx.nonce), tx.hash) != tx.hash:
                return False
            self._taken.add(tx.hash)
            return True

    def note(
        self,
        endpoint: int,
        method: str,
        *,
        sends: tuple[str, ...],
        look_ups: tuple[str, ...],
        batch: bool,
    ) -> Record:
        """Record that a request was read completely."""
        with self._changed:
            record = Record(
                len(self.log) + 1, endpoint, time.monotonic(), method, sends, look_ups, batch
            )
            self.log.append(record)
            self._changed.notify_all()
            return record

    def answered(self, record: Record, status: int) -> None:
        """Record that a request was answered completely."""
        with self._changed:
            record.status, record.answered_at = status, time.monotonic()
            self.answers += 1
            self._changed.notify_all()

    def wait_for(self, event: Literal["request", "answer"], count: int, seconds: float) -> bool:
        """Wait for the ``count``-th event of a kind; return whether it came."""
        with self._changed:
            return self._changed.wait_for(
                lambda: (len(self.log) if event == "request" else self.answers) >= count, seconds
            )
