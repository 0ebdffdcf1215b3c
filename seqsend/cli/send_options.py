"""The options of `send`, as a record."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from seqsend.models import Level


class SendOptions(NamedTuple):
    """The options of `send`, checked."""

    batch_size: int
    in_flight: int
    """Requests under way at once."""
    keep_going: bool
    allow_empty: bool
    wait: float | None
    """Seconds to wait for a receipt; None not to wait."""
    wait_for: Level
    """How deep in the chain its block must be."""
    sync: bool
    """Send by ``eth_sendRawTransactionSync`` (EIP-7966), which returns the receipt."""
    conditions: Mapping[str, Any] | None
    explain: bool
    """Whether the chain is asked why a transaction was rejected."""
    dry_run: bool
    """Compare with the chain, and send nothing."""
    chain_id: int | None
    """The chain that transactions must be for; None for any."""
