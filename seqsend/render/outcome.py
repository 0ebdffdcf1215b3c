"""How a command ended: the one record from which text, JSON and exit code are made."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from seqsend.errors import CallError, Rejected
from seqsend.models import (
    Answer,
    Attempt,
    Endpoint,
    Level,
    Role,
    Sent,
    count_failovers,
    count_rounds,
    role_in,
)
from seqsend.verdicts.methods import SEND_METHODS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.explanation import Explanation  # few outcomes have one

Command = Literal["send", "rpc", "check", "decode"]

EXIT_CODES: Mapping[str, int] = MappingProxyType(
    {
        "ok": 0,
        "accepted": 0,
        "known": 0,
        "usage": 2,
        "rejected": 3,
        "unfit": 3,
        "unreachable": 4,
        "unknown": 5,
        "pending": 6,
        "reverted": 7,
        "degraded": 8,
        "interrupted": 130,
    }
)
"""Status → exit code. 1 is for input that cannot be read, for answers that
cannot be written, and for defects of seqsend."""


class Outcome(NamedTuple):
    """How a command ended."""

    command: Command
    status: str
    hash: str | None = None
    """The transaction's, for `send`."""
    result: Any = None
    error: Mapping[str, Any] | None = None
    """code, message and data; code is None if the message is ours and not a sequencer's."""
    endpoint: Endpoint | None = None
    attempts: tuple[Attempt, ...] = ()
    elapsed: float = 0.0
    """Seconds."""
    line: int | None = None
    """The line of the input, if there are several."""
    receipt: Mapping[str, Any] | None = None
    level: Level | None = None
    """How deep in the chain it is, up to the level that was waited for."""
    waited: bool = False
    """Whether the command waited for a receipt."""
    explanation: "Explanation | None" = None
    """Why it was rejected, if that was asked for."""
    interrupted: bool = False
    """A signal ended the command after this was decided."""

    @property
    def exit_code(self) -> int | None:
        """The exit code of the process; None for a transaction that was not sent."""
        return EXIT_CODES.get("interrupted" if self.interrupted else self.status)

    @property
    def role(self) -> Role | None:
        """The role of the endpoint when it answered; None if it is not known."""
        return None if self.endpoint is None else role_in(self.attempts, self.endpoint)

    @property
    def is_by_standby(self) -> bool:
        """Whether the endpoint that took the transaction is a standby."""
        took = self.command == "send" and self.status in ("accepted", "pending", "reverted")
        return took and self.role == "standby"

    @property
    def rounds(self) -> int:
        """The number of rounds over the endpoints."""
        return count_rounds(self.attempts)

    @property
    def failovers(self) -> int:
        """How many times the call moved on to another endpoint."""
        return count_failovers(self.attempts)


def outcome_of_answer(answer: Answer) -> Outcome:
    """Return the outcome of an `rpc` call that was answered."""
    return Outcome(
        "rpc",
        "ok",
        result=answer.result,
        endpoint=answer.endpoint,
        attempts=answer.attempts,
        elapsed=answer.elapsed,
    )


def outcome_of_sent(sent: Sent, line: int | None = None) -> Outcome:
    """Return the outcome of a `send` whose transaction the sequencer has."""
    return Outcome(
        "send",
        sent.status,
        hash=sent.hash,
        result=sent.hash if sent.status == "accepted" else None,
        endpoint=sent.endpoint,
        attempts=sent.attempts,
        elapsed=sent.elapsed,
        line=line,
    )


def outcome_of_error(command: Command, error: CallError) -> Outcome:
    """Return the outcome of a call that ended without a result."""
    said = {"code": error.code, "message": error.message, "data": error.data}
    return Outcome(
        command,
        error.status,
        hash=error.hash,
        error=said if error.error is not None else in_our_words(error.headline),
        endpoint=error.endpoint,
        attempts=error.attempts,
        elapsed=error.elapsed,
        explanation=error.explanation if isinstance(error, Rejected) else None,
    )


def outcome_of_dry_run(
    explanation: "Explanation", elapsed: float, line: int | None = None
) -> Outcome:
    """Return the outcome of a `send --dry-run`: what speaks against a transaction, if anything."""
    chain, said = explanation.chain, None
    status = "ok"
    if explanation.speaks_against:
        status, said = "unfit", f"it should not be sent now: {explanation.sentence}"
    elif chain is None or chain.next_nonce is None:
        status, said = "unreachable", "no endpoint returned the state of the chain"
    return Outcome(
        "send",
        status,
        hash=explanation.transaction.hash,
        error=None if said is None else in_our_words(said),
        endpoint=None if chain is None or status == "unreachable" else chain.endpoint,
        attempts=explanation.failures,
        elapsed=elapsed,
        line=line,
        explanation=None if status == "unreachable" else explanation,
    )


def outcome_of_usage(command: Command, message: str) -> Outcome:
    """Return the outcome of a command with wrong input: nothing was sent."""
    return Outcome(command, "usage", error=in_our_words(message))


def outcome_of_interrupt(
    command: Command, attempts: tuple[Attempt, ...], transaction_hash: str | None
) -> Outcome:
    """Return the outcome of a command that Ctrl-C ended after ``attempts``."""
    taken = [a for a in attempts if a.outcome == "answered" and a.method in SEND_METHODS]
    known = [a for a in attempts if a.outcome == "found"]
    if taken:
        said = "it was accepted; no receipt came before the interrupt"
    elif known:
        said = "the sequencer has it; no receipt came before the interrupt"
    elif any(a.delivered != "no" for a in attempts):
        said = "it may have been delivered"
    else:
        said = "nothing was delivered"
    return Outcome(
        command,
        "interrupted",
        hash=transaction_hash,
        error=in_our_words(f"interrupted: {said}"),
        endpoint=next((a.endpoint for a in taken + known), None),
        attempts=attempts,
        elapsed=sum(a.elapsed for a in attempts),
    )


def in_our_words(message: str) -> dict[str, Any]:
    """Return an error whose message is ours."""
    return {"code": None, "message": message, "data": None}
