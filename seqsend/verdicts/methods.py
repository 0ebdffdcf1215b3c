"""The methods that submit a signed transaction. Pure."""

SYNC = "eth_sendRawTransactionSync"
"""Sends a transaction and returns its receipt (EIP-7966)."""

SEND_METHODS = frozenset(
    {
        "eth_sendRawTransaction",
        "eth_sendRawTransactionConditional",
        SYNC,
        "eth_sendPrivateTransaction",
        "eth_sendPrivateRawTransaction",
    }
)
"""Methods that submit a transaction that is already signed."""
