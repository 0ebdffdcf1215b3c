"""What `send` is asked for beyond its transactions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SendOptions:
    """The options of `send`, checked."""

    batch_size: int
    keep_going: bool
    allow_empty: bool
    wait: float | None
    """Seconds to wait for a receipt; None to wait for none."""
    conditions: Mapping[str, Any] | None
    explain: bool
    """Whether the chain is asked why a transaction was rejected."""
    dry_run: bool
    """Compare with the chain, and send nothing."""
    chain_id: int | None
    """The chain that transactions must be for; None for any."""
