"""Parses blocks and numbers in the answers of nodes, which may hold anything. Pure."""

import re
from typing import Any

from seqsend.diagnosis.report import Head

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")  # of the execution API: at most 256 bits
_LARGEST = 2**64
"""No block number or timestamp reaches it: go-ethereum core/types/block.go has both in 64 bits."""


def parse_quantity(value: Any) -> int | None:
    """Return the number in a quantity of the execution API; None if ``value`` is not one."""
    is_quantity = isinstance(value, str) and _QUANTITY.fullmatch(value)
    return int(value, 16) if is_quantity else None


def parse_head(block: Any, now: float) -> Head | None:
    """Return what a block says, or None if it is not one; ``now`` is in seconds since 1970."""
    if not isinstance(block, dict):
        return None
    number, timestamp = (parse_quantity(block.get(name)) for name in ("number", "timestamp"))
    if number is None or number >= _LARGEST:
        return None
    if timestamp is None or timestamp >= _LARGEST:
        return Head(number)
    return Head(number, timestamp, now - timestamp)
