"""Look-ups by hash: whether the sequencer has the transactions whose fate is open."""

import time
from collections import deque
from collections.abc import Sequence

from seqsend.failover.loop import Failover
from seqsend.failover.submission import Submission
from seqsend.jsonrpc import Call
from seqsend.models import AttemptOutcome, Endpoint
from seqsend.sending.outgoing import Outgoing
from seqsend.transports.base import Deadline
from seqsend.verdicts.failure_table import Judgement, same_hash

METHOD = "eth_getTransactionByHash"


def look_up(failover: Failover, transactions: Sequence[Outgoing], by: Deadline | None) -> None:
    """Look for ``transactions`` at one endpoint after another, until each is found.

    Several are looked up in batches. An endpoint that failed to answer is not asked again for any
    of them. Each transaction records the outcome and its attempts.

    Raises:
        KeyboardInterrupt: a signal came; what was found out before it is recorded.

    """
    order = failover.reading_order(METHOD)
    places = {id(t): deque(t.places_to_look(order)) for t in transactions}
    silent: set[int] = set()
    left = list(transactions)
    while left:
        endpoint = _next_place(places, left)
        if endpoint is None:
            break
        here = [t for t in left if places[id(t)] and places[id(t)][0] is endpoint]
        for transaction in here:
            places[id(transaction)].popleft()
            transaction.sightings[endpoint.index] = "failed"  # until it has answered
        has_time = by is None or by.remaining > 0
        if endpoint.index not in silent and has_time and _ask(failover, endpoint, here, by):
            silent.add(endpoint.index)
        left = [t for t in left if t.found_at is None]
    for transaction in transactions:
        transaction.looked_up_in = transaction.submission.round
        said = (transaction.sightings.get(reader.index) for reader in failover.readers)
        transaction.readers_failed = "failed" in said


def _next_place(
    places: dict[int, deque[Endpoint]], transactions: Sequence[Outgoing]
) -> Endpoint | None:
    return next((places[id(t)][0] for t in transactions if places[id(t)]), None)


def _ask(
    failover: Failover, endpoint: Endpoint, transactions: Sequence[Outgoing], by: Deadline | None
) -> bool:
    """Ask one endpoint for all of ``transactions``; return whether it failed to answer."""
    asked = [
        failover.submission(Call(METHOD, [t.transaction.hash]), round=t.submission.round)
        for t in transactions
    ]
    try:
        return failover.visit(endpoint, asked, by, _describe)
    finally:
        for transaction, look in zip(transactions, asked, strict=True):
            # All attempts count, whatever ended the look-up, even a signal.
            for attempt in look.attempts:
                transaction.submission.add(attempt, time.monotonic())
            outcome = look.attempts[-1].outcome if look.attempts else None
            if outcome == "found":
                transaction.found_at = endpoint
            elif outcome == "not_found":
                transaction.sightings[endpoint.index] = "absent"


def _describe(look: Submission, judgement: Judgement) -> tuple[AttemptOutcome, Judgement]:
    """Return the outcome of a look-up, which delivers nothing, however it ended."""
    judgement = judgement._replace(row=judgement.row._replace(delivered="no"))
    if judgement.row.kind != "result":
        return "lookup_failed", judgement
    if judgement.result is None:
        return "not_found", judgement
    (wanted,) = look.call.params
    shown = judgement.result.get("hash") if isinstance(judgement.result, dict) else None
    if same_hash(shown, wanted):
        return "found", judgement
    reason = "answered with something that is not this transaction"
    return "lookup_failed", judgement._replace(reason=reason, reason_code="not_an_answer")
