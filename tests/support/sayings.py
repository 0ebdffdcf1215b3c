"""What nodes and proxies say in an error, in their own words, and the row that it falls into."""

from seqsend.verdicts import failure_table as table

GETH_MISSING = "the method eth_sendRawTransaction does not exist/is not available"
SENDING, READING = "eth_sendRawTransaction", "eth_chainId"
SAID: list[tuple[str, int, str, table.Row]] = [
    # method, code, the node's own words, row
    (SENDING, -32601, GETH_MISSING, table.NOT_FROM_ME),  # geth, op-node
    (SENDING, -32601, "rpc method is not whitelisted", table.NOT_FROM_ME),  # proxyd
    ("eth_sendRawTransactionConditional", -32601, "Method not found", table.NOT_FROM_ME),
    (READING, -32601, "Method not found", table.VERDICT),
    (SENDING, 429, "Your app has exceeded its compute units per second", table.NOT_FROM_ME),
    (READING, -32016, "over rate limit", table.NOT_FROM_ME),  # proxyd
    (
        READING,
        -32005,
        "daily request count exceeded, request rate limited",
        table.NOT_FROM_ME,
    ),
    (READING, -32005, "project ID request rate exceeded", table.NOT_FROM_ME),  # Infura
    (
        SENDING,
        -32005,
        "Transaction gas limit exceeds block gas limit",
        table.VERDICT,
    ),  # besu
    (SENDING, -32016, "Timeout", table.VERDICT),  # nethermind's code for another thing
    (SENDING, -32010, "backend offline", table.NOT_FROM_ME),  # proxyd
    (SENDING, -32010, "Transaction gas price is too low.", table.VERDICT),  # openethereum
    (SENDING, -32011, "no backend is currently healthy to serve traffic", table.PASSED_ON),
    (SENDING, -32011, "no backends available for method", table.PASSED_ON),  # proxyd, older
    (SENDING, -32011, "No hashes being generated", table.VERDICT),  # besu's code
    (SENDING, -32002, "request timed out", table.PASSED_ON),  # geth
    (SENDING, -32002, "Invalid signature", table.VERDICT),  # besu
    (SENDING, -32000, "node is syncing", table.NOT_FROM_ME),  # nethermind
    (
        SENDING,
        -32002,
        "Transaction pool not enabled. (… explicitly disabled, or node not yet in sync).",
        table.NOT_FROM_ME,
    ),  # besu
    (READING, -32008, "Initial sync is still in progress", table.NOT_FROM_ME),  # besu
    (SENDING, -32603, "failed to forward tx to sequencer", table.PASSED_ON),  # op-reth
    (
        SENDING,
        -32000,
        "failed to publish transaction to any of the forwarding targets",
        table.PASSED_ON,
    ),  # nitro
    (SENDING, -32000, "sequencer transaction forwarding not configured", table.NOT_FROM_ME),
    (SENDING, -32000, "sequencer temporarily not available", table.NOT_FROM_ME),  # nitro
    (
        SENDING,
        -32000,
        "publishing transactions not supported by this endpoint",
        table.NOT_FROM_ME,
    ),  # nitro
    (SENDING, -32000, "insufficient funds for gas * price + value", table.VERDICT),
    (SENDING, -32003, "rate limited", table.VERDICT),
]
