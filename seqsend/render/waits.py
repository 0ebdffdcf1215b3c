"""Lines about a wait for a transaction that the sequencer took."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from seqsend.models import Level, WaitProgress
from seqsend.sending.landing import has_succeeded, parse_quantity
from seqsend.units import format_duration

_UNTIL: Mapping[Level, str] = MappingProxyType(
    {
        "preconfirmed": "it is preconfirmed",
        "latest": "it is mined",
        "safe": "its block is safe",
        "finalized": "its block is finalized",
    }
)


def receipt_text(receipt: Mapping[str, Any] | None, level: Level | None = None) -> str | None:
    """Return where a transaction was mined, and how it went; None without a receipt."""
    if receipt is None:
        return None
    block = parse_quantity(receipt.get("blockNumber"))
    how = "success" if has_succeeded(receipt) else "reverted"
    mined = "preconfirmed" if level == "preconfirmed" else "mined"
    deeper = f", {level}" if level in ("safe", "finalized") else ""
    return f"{mined} in block {'?' if block is None else block}, {how}{deeper}"


def status_text(progress: WaitProgress) -> str:
    """Return the line that a terminal shows during a wait."""
    reached = receipt_text(progress.receipt, progress.level) or "not mined yet"
    others = f" and {progress.others} more" if progress.others else ""
    left = format_duration(round(progress.remaining)) if progress.remaining >= 1 else "0s"
    return (
        f"waiting until {_UNTIL[progress.wanted]}: {reached}, {left} left ({progress.hash}{others})"
    )


class WaitLines:
    """The lines for one transaction: one at the beginning of the wait, and one for each change."""

    def __init__(self) -> None:
        self._last: WaitProgress | None = None

    def line(self, progress: WaitProgress) -> str | None:
        """Return what is new in ``progress``; None if nothing is, or if the wait has ended."""
        last, self._last = self._last, progress
        if last is None:
            within = format_duration(round(progress.remaining, 1))
            until = _UNTIL[progress.wanted]
            return f"{progress.hash} is with the sequencer; waiting up to {within} until {until}"
        if progress.ended or _reached(progress) == _reached(last):
            return None
        if progress.receipt is None:
            return "its block was reorganised away; waiting until it is in another block"
        return receipt_text(progress.receipt, progress.level)


def _reached(progress: WaitProgress) -> tuple[object, Level | None]:
    block = None if progress.receipt is None else progress.receipt.get("blockHash")
    return block, progress.level
