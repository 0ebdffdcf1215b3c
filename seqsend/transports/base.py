"""The interface of a transport, and the record of one request while it is under way."""

import time
from collections.abc import Mapping
from copy import copy
from typing import NamedTuple, Protocol, runtime_checkable

from seqsend.models import Endpoint, Phase, Reply
from seqsend.units import format_duration

LONGEST_IDLE = 4.0
"""Idle seconds after which a kept connection is not used again. Servers close idle connections, and
a request that crosses the close may or may not have been delivered: a new dial is better. The
shortest limit in common use is the 5 s of Node's servers, for which Node's own client (undici) uses
4 s."""


class Deadline(NamedTuple):
    """A moment by which work must end, and its name for messages."""

    at: float
    """On the clock of `time.monotonic`, in seconds."""
    name: str
    """Which limit it is, with its length: ``dial timeout 5s``."""

    @classmethod
    def after(cls, seconds: float, name: str) -> "Deadline":
        """Return the deadline that is ``seconds`` away."""
        return cls(time.monotonic() + seconds, f"{name} {format_duration(seconds)}")

    @property
    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - time.monotonic())

    def or_sooner(self, other: "Deadline | None") -> "Deadline":
        """Return the earlier of the two."""
        return other if other is not None and other.at < self.at else self


class Exchange:
    """One request to one endpoint while it is under way.

    The transport updates it, so that the caller knows how far the request came even if an exception
    (such as Ctrl-C) ended it.
    """

    __slots__ = (
        "_entered",
        "answer_by",
        "dial_by",
        "longest_answer",
        "phase",
        "started",
        "timings",
        "tls_expires",
        "written",
    )

    def __init__(
        self, dial_by: Deadline, answer_by: Deadline, *, longest_answer: int | None = None
    ) -> None:
        self.dial_by = dial_by
        """When DNS, TCP and TLS must be done."""
        self.answer_by = answer_by
        """When the last byte of the answer must be there."""
        self.phase: Phase = "dial"
        self.written = False
        """The whole request was handed to the network, so that it may have been delivered."""
        self.longest_answer = longest_answer
        """In bytes; None if only the transport's own limit applies."""
        self.timings: dict[Phase, float] = {}
        """Seconds each finished phase took."""
        self.tls_expires: float | None = None
        """When the peer's certificate expires, in seconds since 1970; set by a TLS dial."""
        self.started = time.monotonic()
        """On the clock of `time.monotonic`."""
        self._entered: float | None = None

    def snapshot(self) -> "Exchange":
        """Return a copy of what is recorded so far, which no other thread changes."""
        now = copy(self)
        now.timings = dict(self.timings)
        return now

    def enter(self, phase: Phase) -> None:
        """End the phase that is running and begin ``phase``."""
        self.leave()
        self.phase = phase
        self._entered = time.monotonic()

    def leave(self) -> None:
        """End the phase that is running, if one was entered."""
        if self._entered is not None:
            self.timings[self.phase] = time.monotonic() - self._entered
            self._entered = None

    def bound(self, limit: int) -> int:
        """Return how many bytes of an answer are read, given the transport's ``limit``."""
        return limit if self.longest_answer is None else min(limit, self.longest_answer)

    @property
    def deadline(self) -> Deadline:
        """The deadline of the phase that is running."""
        return self.answer_by if self.phase in ("send", "answer") else self.dial_by


class Transport(Protocol):
    """Carries one request to one endpoint."""

    def exchange(self, endpoint: Endpoint, body: bytes, exchange: Exchange) -> Reply:
        """Send ``body`` to ``endpoint`` once and return what came back.

        Keeps ``exchange`` up to date meanwhile, and its deadlines to within 250 ms.

        Raises:
            EndpointFailure: no reply could be had.

        """
        ...

    def close(self) -> None:
        """Close every connection that was kept alive."""
        ...


class Routed:
    """Several transports behind one interface, each for its own endpoints."""

    def __init__(self, routes: Mapping[int, Transport]) -> None:
        """``routes`` maps each endpoint's index to its transport."""
        self._routes = routes

    def exchange(self, endpoint: Endpoint, body: bytes, exchange: Exchange) -> Reply:
        """Send ``body`` once. See `Transport.exchange`."""
        return self._routes[endpoint.index].exchange(endpoint, body, exchange)

    def close(self) -> None:
        """Close every connection that was kept alive."""
        for transport in set(self._routes.values()):
            transport.close()


@runtime_checkable
class Fetching(Protocol):
    """A transport that can also fetch pages that are not JSON-RPC."""

    def fetch(self, endpoint: Endpoint, path: str, exchange: Exchange) -> Reply:
        """Fetch ``path``, below the endpoint's own path, by HTTP GET.

        Raises:
            EndpointFailure: no reply could be had.

        """
        ...
