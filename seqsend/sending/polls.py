"""Asks endpoints for receipts, and for the blocks that say how much a receipt is worth."""

from collections.abc import Iterable, Sequence

from seqsend.failover.loop import Failover
from seqsend.failover.submission import Submission
from seqsend.jsonrpc import Call
from seqsend.models import Level
from seqsend.sending.landing import TAGS, Landing, block_of
from seqsend.transports.base import Deadline

RECEIPT = "eth_getTransactionReceipt"
BLOCK = "eth_getBlockByNumber"


def poll(failover: Failover, landings: Sequence[Landing], by: Deadline) -> bool:
    """Find out how deep ``landings`` are; return whether any endpoint gave an answer.

    As a rule this is one JSON-RPC batch: receipts that are missed, and for those at hand the
    blocks of their numbers, with the safe or finalized head if that is waited for. Blocks of new
    receipts take a second one.

    Raises:
        KeyboardInterrupt: a signal came.

    """
    missed = [landing for landing in landings if landing.needs_receipt]
    at_hand = [landing for landing in landings if not landing.needs_receipt]
    receipts = [failover.submission(Call(RECEIPT, [landing.hash])) for landing in missed]
    answered = _ask(failover, receipts, at_hand, by)
    for landing, asked in zip(missed, receipts, strict=True):
        if _is_answered(asked):
            landing.take_receipt(_result(asked))
    # For `preconfirmed` the receipt is all that is wanted, and every request would cost time.
    new = [each for each in missed if each.block is not None and not each.has_landed]
    if new:
        answered = _ask(failover, (), new, by) or answered
    return answered


def _ask(
    failover: Failover, others: Sequence[Submission], landings: Sequence[Landing], by: Deadline
) -> bool:
    """Ask for ``others`` and compare ``landings`` with the chain; return if anybody answered."""
    numbers = {landing.block.number for landing in landings if landing.block is not None}
    wanted: list[Level] = [tag for tag in TAGS if any(each.wanted == tag for each in landings)]
    by_number = {number: _block(failover, hex(number)) for number in sorted(numbers)}
    by_tag = {tag: _block(failover, tag) for tag in wanted}
    everything = [*others, *by_number.values(), *by_tag.values()]
    if everything:
        order = failover.reading_order(everything[0].call.method)
        failover.run(everything, by, order=order)
    heads = _heads(by_tag.items())
    for landing in landings:
        block = landing.block
        if block is not None and _is_answered(by_number[block.number]):
            landing.compare(_result(by_number[block.number]), heads)
    return any(asked.decided is not None for asked in everything)


def _heads(asked: Iterable[tuple[Level, Submission]]) -> dict[Level, int]:
    shown = ((tag, block_of(_result(submission))) for tag, submission in asked)
    return {tag: block.number for tag, block in shown if block is not None}


def _block(failover: Failover, which: str) -> Submission:
    return failover.submission(Call(BLOCK, [which, False]))


def _is_answered(asked: Submission) -> bool:
    return asked.decided is not None and asked.decided.error is None


def _result(asked: Submission) -> object:
    return asked.decided.result if asked.decided is not None else None
