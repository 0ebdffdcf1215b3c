"""What `send` is asked for beyond its transactions."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from seqsend.models import Level


class SendOptions(NamedTuple):
    """The options of `send`, checked."""

    batch_size: int
    in_flight: int
    """Requests that are under way at once."""
    keep_going: bool
    allow_empty: bool
    wait: float | None
    """Seconds to wait for a receipt; None to wait for none."""
    wait_for: Level
    """How deep in the chain it is to be then."""
    sync: bool
    """By a call that is answered by the receipt."""
    conditions: Mapping[str, Any] | None
    explain: bool
    """Whether the chain is asked why a transaction was rejected."""
    dry_run: bool
    """Compare with the chain, and send nothing."""
    chain_id: int | None
    """The chain that transactions must be for; None for any."""
