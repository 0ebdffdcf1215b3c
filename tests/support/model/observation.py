"""What a run reported, in one form for the library and the program, and what was true."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, takewhile
from typing import Any

from seqsend import Answer, Attempt, SeqsendError
from tests.support.model.chain import Record, Treatment
from tests.support.model.scenario import DIAL_TIMEOUT, REQUEST_TIMEOUT, InputLine, Scenario

LOOK_UPS = ("found", "not_found", "lookup_failed")


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt, as the run reported it."""

    endpoint: int
    outcome: str
    phase: str
    delivered: str
    http_status: int | None
    reason: str
    reason_code: str | None = None
    round: int = 1
    """The round over the endpoints; the program does not report it."""
    method: str | None = None
    """The JSON-RPC method; the program does not report it."""

    @property
    def is_look_up(self) -> bool:
        """Whether it looked up the transaction by its hash."""
        return self.outcome in LOOK_UPS or self.method == "eth_getTransactionByHash"

    @property
    def timed_out(self) -> bool:
        """Whether the client gave up waiting."""
        return "time" in self.reason or "deadline" in self.reason


def _hedged_sends_of_round(attempts: Iterable[Tried]) -> list[Tried]:
    """Return the attempts before the first look-up.

    The program does not report the method. So an interrupted second request to an endpoint counts
    as a look-up.
    """
    sends = list(takewhile(lambda attempt: not attempt.is_look_up, attempts))
    before = {attempt.endpoint for attempt in sends[:-1]}
    if sends and sends[-1].outcome == "interrupted" and sends[-1].endpoint in before:
        sends.pop()
    return sends


def _sends_of_round(attempts: Iterable[Tried]) -> Iterator[Tried]:
    for attempt in attempts:
        if attempt.is_look_up:
            return
        yield attempt
        if attempt.outcome in ("answered", "verdict", "outage", "interrupted"):
            return


@dataclass(frozen=True, slots=True)
class End:
    """How one transaction ended, as the run reported it."""

    status: str
    hash: str | None
    endpoint: int | None
    attempts: tuple[Tried, ...]
    line: int | None = None
    exit_code: int | None = None
    code: int | None = None
    message: str | None = None
    document: Mapping[str, Any] | None = None
    """The JSON object that the program printed."""
    is_hedged: bool = False
    """Whether several endpoints may have been asked at the same time."""

    @property
    def sent(self) -> tuple[Tried, ...]:
        """The attempts that are not look-ups.

        In each round, sends come first. All later attempts are look-ups, even if they have the
        outcome of a send: a batch of look-ups may be refused like a batch of sends.
        """
        rounds = groupby(self.attempts, key=lambda attempt: attempt.round)
        sends_of = _hedged_sends_of_round if self.is_hedged else _sends_of_round
        return tuple(attempt for _, attempts in rounds for attempt in sends_of(attempts))


@dataclass(slots=True)
class Observation:
    """What a run reported and what really happened, once everything has ended."""

    scenario: Scenario
    ends: list[End]
    log: list[Record]
    taken: frozenset[str]
    """The transactions that the node has in the end."""
    elapsed: float
    """Seconds."""
    exit_code: int | None = None
    """None for a run of the library."""
    stderr: str = ""
    raised: BaseException | None = None
    """The exception that ended a run of the library, if any."""
    answer: Answer | SeqsendError | None = None
    """How a call that sends no transaction ended."""
    signalled: list[float] = field(default_factory=list)
    """When each signal was sent, by `time.monotonic`."""
    after_signal: float | None = None
    """Seconds from the first signal to the end."""
    ran_again: Sequence[str] = ()
    """How the same transactions ended at a healthy endpoint afterwards."""
    garbage: str = ""
    """The lines on stdout that are not JSON."""

    def records_of(self, transaction_hash: str) -> list[Record]:
        """Return the requests in which a transaction reached an endpoint, in order."""
        return [record for record in self.log if transaction_hash in record.sends]

    def look_ups_of(self, transaction_hash: str) -> list[Record]:
        """Return the requests that looked up a transaction, in order."""
        return [record for record in self.log if transaction_hash in record.look_ups]

    def pairs(self) -> list[tuple[InputLine, End]]:
        """Return each input line with its end, without lines or ends that have no counterpart."""
        return list(zip(self.scenario.lines, self.ends, strict=False))

    @property
    def listening(self) -> set[int]:
        """The positions of the endpoints that run a server."""
        kinds = enumerate(self.scenario.endpoints, start=1)
        return {index for index, kind in kinds if not isinstance(kind, str)}

    @property
    def seconds_allowed(self) -> float:
        """How long the run may take, given its attempts and the deadline of each group."""
        most = max(DIAL_TIMEOUT, REQUEST_TIMEOUT) + 0.25
        dials = sum(
            attempt.endpoint not in self.listening for end in self.ends for attempt in end.attempts
        )
        allowed = (len(self.log) + dials + 1) * most
        # For each transaction the pauses, which last no longer than its retries.
        allowed += (self.scenario.retry_for or 0.0) * max(1, len(self.ends))
        deadline = self.scenario.deadline
        if deadline is not None:
            size = self.scenario.batch_size if self.scenario.in_flight == 1 else 1
            groups = max(1, -(-len(self.ends) // size))
            bad = sum(line.tx is None for line in self.scenario.lines)
            allowed = min(allowed, (groups + bad) * (deadline + 0.25))
        return allowed + (0.2 if self.exit_code is None else 1.5)


def treatment_of(record: Record, transaction_hash: str) -> Treatment:
    """Return how an endpoint treated a transaction."""
    return record.treatments.get(transaction_hash) or Treatment("nothing", "nothing", None)


def end_of_library(
    status: str, result: Any, transaction_hash: str | None, line: int | None = None
) -> End:
    """Return the end that the library reports with a result or an error."""
    endpoint = getattr(result, "endpoint", None)
    return End(
        status=status,
        hash=getattr(result, "hash", None) or transaction_hash,
        endpoint=endpoint.index if endpoint is not None else None,
        attempts=tuple(_tried(a) for a in getattr(result, "attempts", ())),
        line=line,
        code=getattr(result, "code", None),
        message=getattr(result, "message", None),
    )


def _tried(attempt: Attempt) -> Tried:
    return Tried(
        endpoint=attempt.endpoint.index,
        outcome=attempt.outcome,
        phase=attempt.phase,
        delivered=attempt.delivered,
        http_status=attempt.http_status,
        reason=attempt.reason or "",
        reason_code=attempt.reason_code,
        round=attempt.round,
        method=attempt.method,
    )


def end_of_document(document: Mapping[str, Any]) -> End:
    """Return the end that the program reports with a JSON object."""
    error = document.get("error") or {}
    endpoint = document.get("endpoint") or {}
    return End(
        status=document.get("status", ""),
        hash=document.get("hash"),
        endpoint=endpoint.get("index"),
        attempts=tuple(
            Tried(
                endpoint=each["endpoint"]["index"],
                outcome=each["outcome"],
                phase=each["phase"],
                delivered=each["delivered"],
                http_status=each["http_status"],
                reason=each["reason"] or "",
                reason_code=each.get("reason_code"),
            )
            for each in document.get("attempts", ())
        ),
        line=document.get("line"),
        exit_code=document.get("exit_code"),
        code=error.get("code"),
        message=error.get("message"),
        document=document,
    )
