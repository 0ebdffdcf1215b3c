"""One transaction, and what became of it."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seqsend.errors import DeliveryUnknown, Interrupted, Rejected, Unreachable
from seqsend.failover.loop import Failover
from seqsend.jsonrpc import Call
from seqsend.models import Attempt, AttemptOutcome, Endpoint, Sent
from seqsend.sending.transaction import RawTransaction
from seqsend.transports.base import Deadline
from seqsend.verdicts.node_errors import may_have_landed

End = Rejected | Unreachable | DeliveryUnknown
"""How a call ends that brings no result."""


def call_for(transaction: RawTransaction, conditions: Mapping[str, Any] | None = None) -> Call:
    """Return the call that sends ``transaction``, under ``conditions`` where there are some."""
    params: list[Any] = [transaction.hex]
    if conditions is not None:
        params.append(dict(conditions))
    return Call(send_method(conditions), params, expected=transaction.hash)


def send_method(conditions: Mapping[str, Any] | None) -> str:
    """Return the method that sends a transaction under ``conditions``, or without any."""
    return f"eth_sendRawTransaction{'' if conditions is None else 'Conditional'}"


def submit(
    failover: Failover,
    transaction: RawTransaction,
    conditions: Mapping[str, Any] | None = None,
) -> Sent:
    """Send ``transaction`` and return what is known of it to be true.

    Raises:
        Rejected: an endpoint refused it, and it is not there.
        Unreachable: every endpoint failed and none can have received it.
        DeliveryUnknown: it may have been delivered, and no look-up found it.

    """
    started = time.monotonic()
    by = failover.requester.start_deadline()
    try:
        answer = failover.call(call_for(transaction, conditions), by=by)
    except (Rejected, Unreachable, DeliveryUnknown) as error:
        return settle(failover, transaction, error, by, started)
    return Sent(transaction.hash, "accepted", answer.endpoint, answer.attempts, answer.elapsed)


def settle(
    failover: Failover,
    transaction: RawTransaction,
    end: End,
    by: Deadline | None,
    started: float,
) -> Sent:
    """Return or raise what is true of ``transaction`` after a call that ended with ``end``.

    An end that leaves open whether the sequencer has the transaction is followed by a look-up of
    its hash: at the endpoint that refused it in words that may mean "I have it", or, where no
    endpoint gave an answer, at each of them once.
    """
    end.hash = transaction.hash
    look_ups: list[Attempt] = []
    for endpoint in _where_to_look(end, failover, by):
        try:
            look_ups.append(_look_up(failover, endpoint, transaction.hash, by))
        except Interrupted as interrupted:
            raise Interrupted(*end.attempts, *look_ups, *interrupted.attempts) from None
        if look_ups[-1].outcome == "found":
            tried = (*end.attempts, *look_ups)
            return Sent(transaction.hash, "known", endpoint, tried, time.monotonic() - started)
    raise _settled(end, look_ups, time.monotonic() - started) from None


def _where_to_look(end: End, failover: Failover, by: Deadline | None) -> tuple[Endpoint, ...]:
    if end.error is None:
        has_time = by is None or by.remaining > 0
        return failover.in_order() if isinstance(end, DeliveryUnknown) and has_time else ()
    asked = isinstance(end, DeliveryUnknown) or may_have_landed(end.error)
    return (end.endpoint,) if asked and end.endpoint is not None else ()


def _look_up(
    failover: Failover, endpoint: Endpoint, transaction_hash: str, by: Deadline | None
) -> Attempt:
    """Ask ``endpoint`` for the transaction; the outcome tells what it said."""
    requester = failover.requester
    request = requester.prepare(Call("eth_getTransactionByHash", [transaction_hash]))
    judgement, attempt = requester.ask(endpoint, request, by)
    # A look-up delivers nothing, whatever became of it.
    if judgement.row.kind != "result":
        return requester.tell(replace(attempt, outcome="lookup_failed", delivered="no"))
    transaction = judgement.result
    found = isinstance(transaction, dict) and transaction.get("hash") == transaction_hash
    outcome: AttemptOutcome = "found" if found else "not_found"
    return requester.tell(replace(attempt, outcome=outcome, delivered="no"))


def _settled(end: End, look_ups: list[Attempt], elapsed: float) -> End:
    """Return how a call ended whose transaction no look-up has found."""
    end.attempts = (*end.attempts, *look_ups)
    end.elapsed = elapsed
    if not isinstance(end, Rejected) or all(a.outcome == "not_found" for a in look_ups):
        return end
    # It was refused in words that may mean "I have it", and the look-up that tells brought nothing.
    return DeliveryUnknown(
        end.method,
        end.attempts,
        elapsed,
        note="the look-up by hash failed",
        error=end.error,
        endpoint=end.endpoint,
        hash=end.hash,
    )
