"""How deep a transaction is in the chain, judged by the answers of endpoints. Pure."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from seqsend.models import Level, is_at
from seqsend.verdicts.failure_table import same_hash

_QUANTITY = re.compile(r"0[xX][0-9a-fA-F]{1,16}")

TAGS: tuple[Level, ...] = ("safe", "finalized")
"""The levels that a block tag stands for (execution-apis, ``BlockTag``)."""


class BlockId(NamedTuple):
    """A block, identified by its hash as well as its number."""

    number: int
    hash: str


def parse_quantity(text: Any) -> int | None:
    """Return the number in a JSON-RPC quantity, padded or not; None if ``text`` is not one."""
    is_quantity = isinstance(text, str) and _QUANTITY.fullmatch(text)
    return int(text, 16) if is_quantity else None


def has_succeeded(receipt: Mapping[str, Any]) -> bool:
    """Return whether a receipt reports success: any status but 0, however that is written.

    A receipt from before Byzantium has no status (EIP-658).
    """
    status = receipt.get("status")
    if isinstance(status, str):
        try:
            return int(status, 16) != 0
        except ValueError:
            return True
    return status not in (0, False)


def block_of(shown: Any) -> BlockId | None:
    """Return the block in an answer to ``eth_getBlockByNumber``, or None."""
    return _block(shown, "number", "hash")


def block_of_receipt(receipt: Any, transaction_hash: str) -> BlockId | None:
    """Return the block of a receipt; None without one, or if it is another transaction's."""
    if not isinstance(receipt, dict):
        return None
    if not same_hash(receipt.get("transactionHash"), transaction_hash):
        return None
    return _block(receipt, "blockNumber", "blockHash")


def _block(shown: Any, number: str, block_hash: str) -> BlockId | None:
    if not isinstance(shown, dict):
        return None
    at, known = parse_quantity(shown.get(number)), shown.get(block_hash)
    return BlockId(at, known) if at is not None and isinstance(known, str) else None


class Landing:
    """A transaction on its way into the chain: its receipt, and the level it has reached."""

    __slots__ = ("block", "hash", "level", "receipt", "wanted")

    def __init__(self, transaction_hash: str, wanted: Level) -> None:
        """``wanted`` is the level to wait for."""
        self.hash = transaction_hash
        self.wanted = wanted
        self.receipt: dict[str, Any] | None = None
        self.block: BlockId | None = None
        """The block of the receipt."""
        self.level: Level | None = None
        """The deepest level known to be reached; None without a valid receipt."""

    @property
    def has_landed(self) -> bool:
        """Whether it has reached the level to wait for."""
        return is_at(self.level, self.wanted)

    @property
    def needs_receipt(self) -> bool:
        """Whether it still needs a receipt whose block is in the chain.

        A block that is still being built (flashblocks) gets another hash once it is complete.
        """
        return self.level in (None, "preconfirmed")

    def take_receipt(self, shown: Any) -> None:
        """Store what an endpoint returned as the receipt; None if it is not this transaction's."""
        self.block = block_of_receipt(shown, self.hash)
        self.receipt = shown if self.block is not None else None
        # Until its block is compared with the chain, a receipt proves no more than that.
        self.level = "preconfirmed" if self.receipt is not None else None

    def compare(self, shown: Any, heads: Mapping[Level, int]) -> None:
        """Compare the receipt's block with the chain's block of that number.

        ``shown`` is an endpoint's answer to ``eth_getBlockByNumber``; ``heads`` holds the numbers
        of the safe and finalized blocks, if they are known.
        """
        if self.block is None:
            return
        canonical = block_of(shown)
        if canonical is None:  # no block of that number yet, or not any more
            self.level = "preconfirmed"
        elif not same_hash(canonical.hash, self.block.hash):  # reorganised away
            self.receipt = self.block = self.level = None
        else:
            reached: list[Level] = [t for t in TAGS if heads.get(t, -1) >= self.block.number]
            self.level = reached[-1] if reached else "latest"
