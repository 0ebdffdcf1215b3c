"""One transaction on its way, where it was looked for, and how it ended."""

from collections.abc import Mapping
from typing import Any, Literal

from seqsend.errors import CallError, DeliveryUnknown, Interrupted, Rejected, Unreachable
from seqsend.failover.submission import Submission
from seqsend.jsonrpc import Call
from seqsend.models import Endpoint, NotSent, Phase, Sent
from seqsend.sending.transaction import RawTransaction
from seqsend.verdicts.methods import SYNC

End = Sent | CallError | Interrupted | NotSent
"""How a transaction ended. (`Interrupted` is a value here, not raised: it holds what a signal
interrupted.)"""

Sighting = Literal["absent", "failed"]
"""A look-up that did not find the transaction: ``absent`` if the endpoint said ``null``, which is
the only way to say "not there"; ``failed`` for everything else."""

_NOT_REACHED: tuple[Phase, ...] = ("dns", "dial", "proxy", "tls", "upgrade")


def call_for(transaction: RawTransaction, conditions: Mapping[str, Any] | None = None) -> Call:
    """Return the call that sends ``transaction``, under ``conditions`` if given."""
    params: list[Any] = [transaction.hex]
    if conditions is not None:
        params.append(dict(conditions))
    return Call(send_method(conditions), params, expected=transaction.hash)


def sync_call_for(transaction: RawTransaction) -> Call:
    """Return the call that sends ``transaction`` and returns its receipt (EIP-7966).

    Its second parameter, a timeout, is left out: nodes differ in whether it is a number.
    """
    return Call(SYNC, [transaction.hex], expected=transaction.hash)


def send_method(conditions: Mapping[str, Any] | None) -> str:
    """Return the method that sends a transaction; with ``conditions``, that of EIP-7796."""
    return f"eth_sendRawTransaction{'' if conditions is None else 'Conditional'}"


class Outgoing:
    """A transaction, the submission that carries it, and where it was looked for by its hash."""

    __slots__ = (
        "found_at",
        "looked_up_in",
        "readers_failed",
        "sightings",
        "submission",
        "transaction",
    )

    def __init__(self, transaction: RawTransaction, submission: Submission) -> None:
        self.transaction = transaction
        self.submission = submission
        self.found_at: Endpoint | None = None
        """The endpoint that showed it."""
        self.sightings: dict[int, Sighting] = {}
        """Endpoint's index → how its look-up failed to show the transaction."""
        self.readers_failed = False
        """A reader did not say whether it has the transaction."""
        self.looked_up_in = 0
        """The last round whose look-ups, if any were needed, are complete."""

    @property
    def needs_look_up(self) -> bool:
        """Whether the endpoints' answers leave open if the sequencer has the transaction.

        A verdict does, unless its words are known to be final and no earlier endpoint may have
        taken the transaction: if one did, the next refuses it for that very reason ("nonce too
        low").
        """
        submission = self.submission
        if submission.decided is None or submission.may_be_delivered:
            return submission.may_be_delivered and not self._is_accepted
        error = submission.decided.error
        if error is None:
            return False
        from seqsend.verdicts.node_errors import excuse_for, is_final  # not for a result

        if is_final(error, submission.call.method):
            return False
        # With strict errors, "not from me" is a verdict that itself says that nothing was taken.
        excuse = excuse_for(error)
        return excuse is None or excuse.delivered != "no"

    def places_to_look(self, order: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        """Return the endpoints to ask for the transaction, the best informed first.

        First come those that may have taken it, then the one that answered, then the others in
        ``order``. An endpoint that may have taken it but stayed silent, until a timeout or until it
        was abandoned, is asked after the one that answered, because it may cost another timeout. An
        endpoint that could not be reached a moment ago is not asked.
        """
        attempts = self.submission.attempts
        recent = self.submission.attempts_of_round
        takers = [a.endpoint for a in attempts if a.delivered == "unknown"]
        silent = {a.endpoint.index for a in recent if a.reason_code in ("timeout", "abandoned")}
        quick = [taker for taker in takers if taker.index not in silent]
        answered = self.submission.answered_by
        places = [*quick, *([] if answered is None else [answered]), *takers, *order]
        not_reached = {
            a.endpoint.index
            for a in recent
            # One that was abandoned might have been reached with more time.
            if a.delivered == "no" and a.phase in _NOT_REACHED and a.outcome != "abandoned"
        } - {taker.index for taker in takers}
        return tuple(dict.fromkeys(p for p in places if p.index not in not_reached))

    def end(self) -> End:
        """Return how the transaction has ended, by what is known now.

        What was decided stays decided, even if a signal has ended the run.
        """
        submission = self.submission
        attempts = tuple(submission.attempts)
        if self.found_at is not None:
            return Sent(self.transaction.hash, "known", self.found_at, attempts, submission.elapsed)
        if self._is_accepted and submission.answered_by is not None:
            by = submission.answered_by
            return Sent(
                self.transaction.hash,
                "accepted",
                by,
                attempts,
                submission.elapsed,
                receipt=self._receipt,
            )
        if self._is_settled:
            return self._failure()
        left_here = any(a.delivered != "no" or a.outcome == "interrupted" for a in attempts)
        return Interrupted(*attempts) if left_here else NotSent(attempts)

    @property
    def _receipt(self) -> dict[str, Any] | None:
        """The receipt that the endpoint answered with, if it was asked for one."""
        result = None if self.submission.decided is None else self.submission.decided.result
        return result if isinstance(result, dict) else None

    @property
    def _is_accepted(self) -> bool:
        decided = self.submission.decided
        return decided is not None and decided.error is None

    @property
    def _is_settled(self) -> bool:
        if any(attempt.outcome == "interrupted" for attempt in self.submission.attempts):
            return False
        looked_up = self.looked_up_in == self.submission.round
        return self.submission.over and (looked_up or not self.needs_look_up)

    def _failure(self) -> CallError:
        submission = self.submission
        method, attempts = submission.call.method, tuple(submission.attempts)
        elapsed, known = submission.elapsed, self.transaction.hash
        if submission.decided is None or submission.answered_by is None:
            failure = DeliveryUnknown if submission.may_be_delivered else Unreachable
            return failure(method, attempts, elapsed, note=submission.note, hash=known)
        note = self._doubt()
        end = Rejected if note is None else DeliveryUnknown
        return end(
            method,
            attempts,
            elapsed,
            note=note or None,
            error=submission.decided.error,
            endpoint=submission.answered_by,
            hash=known,
        )

    def _doubt(self) -> str | None:
        """Return why the verdict is doubtful, "" for no words to add; None if it is final."""
        submission = self.submission
        decided, answered = submission.decided, submission.answered_by
        if decided is None or decided.error is None or answered is None or not self.needs_look_up:
            return None
        from seqsend.verdicts.node_errors import excuse_for, says_already_known  # as above

        excuse = excuse_for(decided.error)
        if submission.may_be_delivered or (excuse is not None and excuse.delivered == "unknown"):
            return ""
        if says_already_known(decided.error):
            return "no look-up by hash showed it"
        absent = self.sightings.get(answered.index) == "absent" and not self.readers_failed
        return None if absent else "the look-up by hash failed"
