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
    """Find out how deep ``landings`` are; return whether any endpoint answered.

    This usually takes one JSON-RPC batch. It asks for missing receipts, for the blocks of the
    receipts already known, and for the safe or finalized head if that level is waited for. The
    blocks of new receipts take a second batch.

    Raises:
        KeyboardInterrupt: a signal came.

    """
    missing = [landing for landing in landings if landing.needs_receipt]
    known = [landing for landing in landings if not landing.needs_receipt]
    receipts = [failover.submission(Call(RECEIPT, [landing.hash])) for landing in missing]
    answered = _ask(failover, receipts, known, by)
    for landing, asked in zip(missing, receipts, strict=True):
        if _is_answered(asked):
            landing.take_receipt(_result(asked))
    # `preconfirmed` needs only the receipt; further requests would cost time.
    new = [each for each in missing if each.block is not None and not each.has_landed]
    if new:
        answered = _ask(failover, (), new, by) or answered
    return answered


def _ask(
    failover: Failover, others: Sequence[Submission], landings: Sequence[Landing], by: Deadline
) -> bool:
    """Ask for ``others`` and compare ``landings``; return whether any endpoint answered."""
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
