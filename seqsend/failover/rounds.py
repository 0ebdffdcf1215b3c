"""When to ask the endpoints again, and which of them (`--retry-for`)."""

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from seqsend.models import Attempt, Endpoint
from seqsend.transports.base import Deadline
from seqsend.units import format_duration

_FIRST_PAUSE = 0.25  # seconds, doubling to
_LONGEST_PAUSE = 5.0
_JITTER = 0.2  # of a pause, either way: programs that lost a sequencer must not all return at once
_LAST_ROUND = 0.1  # seconds before the end, when a last round begins, however long the pause
_GRACE = 0.1  # seconds after the end that the dials of the last round may take


class NextRound(NamedTuple):
    """The next round."""

    pause: float
    """Seconds until it begins."""
    held_back: frozenset[int]
    """The indexes of endpoints that asked (`Retry-After`) not to be tried that early."""


class Rounds:
    """Plans the rounds of one call, or of several that travel together.

    The first round is complete, however long it takes. In later ones no attempt begins once time is
    up, and dials end then. A request written by then may still be answered within the request
    timeout: cutting it off would only turn an answer into "maybe delivered".
    """

    def __init__(self, retry_for: float | None, by: Deadline | None) -> None:
        """``retry_for`` is in seconds from now, None for one round; ``by`` bounds everything."""
        self._next_pause = _FIRST_PAUSE
        self._asked_for: dict[int, float] = {}
        """Endpoint's index → the moment before which it asked not to be tried again."""
        self._ends_at = time.monotonic() + (retry_for or 0.0)
        self.starts_by: Deadline | None = None
        """Bounds the starts of attempts, and their dials; None in the first round."""
        self._name = f"retry-for {format_duration(retry_for)}" if retry_for else ""
        if by is not None:
            self._ends_at = min(self._ends_at, by.at)

    def plan(self, ended: Iterable[Attempt], endpoints: Sequence[Endpoint]) -> NextRound | None:
        """Return the round that follows one with the attempts ``ended``; None if none does.

        ``endpoints`` are those that could be asked.
        """
        now = time.monotonic()
        left = self._ends_at - now
        if not self._name or left <= _LAST_ROUND:
            return None
        self._note(ended, now)
        held = {e.index: self._asked_for.get(e.index, 0.0) - now for e in endpoints}
        pause = self._next_pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        self._next_pause = min(_LONGEST_PAUSE, self._next_pause * 2)
        earliest = min(held.values())
        if earliest > 0:  # all of them said when to come back
            pause = earliest
        pause = min(pause, left - _LAST_ROUND)
        self.starts_by = Deadline(self._ends_at + _GRACE, self._name)
        return NextRound(pause, _later_than(pause, held))

    def _note(self, ended: Iterable[Attempt], now: float) -> None:
        """Note what endpoints asked for, if that fits into the time."""
        for attempt in ended:
            after = attempt.retry_after
            if after is not None and now + after <= self._ends_at - _LAST_ROUND:
                self._asked_for[attempt.endpoint.index] = now + after


def _later_than(pause: float, held: Mapping[int, float]) -> frozenset[int]:
    return frozenset(index for index, seconds in held.items() if seconds > pause)
