"""What nodes and proxies say, in their own words, and where they say it. Pure.

Each line has its source: the repository's file and name, as of 2026. A node that changes its words
is found here and nowhere else.
"""

import re
from dataclasses import dataclass

from seqsend.models import Delivered, JsonRpcError, TakesTransactions

METHOD_NOT_FOUND = -32601
"""JSON-RPC 2.0, section 5.1."""

SEND_METHODS = frozenset({"eth_sendRawTransaction", "eth_sendRawTransactionConditional"})


# Characters. No node's words are longer; to search 10 MB of a hostile one's took 2 s.
_LONGEST_WORDS = 4096


def _beginning(error: JsonRpcError) -> str:
    return error.message[:_LONGEST_WORDS]


@dataclass(frozen=True, slots=True)
class Excuse:
    """An error with which an endpoint says that it is no judge of the request.

    Code, text and method must all fit: the codes alone clash between nodes (-32002 is besu's for an
    invalid signature, -32005 for too much gas, -32010 openethereum's for every rejection).
    """

    codes: tuple[int, ...]
    text: str
    """A regular expression, compiled when it is needed: most runs see no error at all."""
    delivered: Delivered
    """Whether the request can have gone on from the endpoint to the sequencer."""
    methods: frozenset[str] | None = None
    """None for every method."""

    def fits(self, error: JsonRpcError, method: str) -> bool:
        """Tell whether ``error`` on ``method`` is this one."""
        return (
            error.code in self.codes
            and (self.methods is None or method in self.methods)
            and re.search(self.text, _beginning(error), re.IGNORECASE) is not None
        )


EXCUSES = (
    # The method is not there: an op-node or a proxy that does not list it (JSON-RPC 2.0, section
    # 5.1; go-ethereum rpc/errors.go methodNotFoundError; proxyd "rpc method is not whitelisted").
    Excuse((METHOD_NOT_FOUND,), "", "no", SEND_METHODS),
    # Rate limits. 429: Alchemy, documentation on rate limits. -32016: proxyd backend.go
    # ErrOverRateLimit "over rate limit". -32005: Infura "… request rate limited", "… exceeded".
    Excuse((429,), "", "no"),
    Excuse(
        (-32005, -32016),
        r"rate.?limit|request rate|too many requests|requests? (count|per \w+)",
        "no",
    ),
    # A proxy without a backend: proxyd backend.go ErrBackendOffline; ErrNoBackends, which it also
    # answers after a backend took the request and ran out of time.
    Excuse((-32010,), "backend offline", "no"),
    Excuse((-32011,), r"\bno backend", "unknown"),
    # go-ethereum rpc/errors.go errMsgTimeout: the server gave up, its handler goes on.
    Excuse((-32002,), "request timed out", "unknown"),
    # Still syncing: nethermind TxPoolErrorMessages.NodeIsSyncing; besu RpcErrorType with
    # TX_POOL_DISABLED (-32002) and "Initial sync is still in progress" (-32008).
    Excuse(
        (-32000, -32002, -32008),
        r"node is syncing|not yet in sync|initial sync is still in progress",
        "no",
    ),
    # The forward to the sequencer failed, perhaps after it arrived: op-reth; nitro forwarder.go.
    Excuse(
        (-32000, -32603),
        "failed to forward tx to sequencer|failed to publish transaction to any of the forwarding",
        "unknown",
    ),
    # There is no forward: l2geth; nitro sequencer.go ErrNoSequencer and forwarder.go txDropperErr.
    Excuse(
        (-32000, -32603),
        "sequencer transaction forwarding not configured|sequencer temporarily not available"
        "|publishing transactions not supported by this endpoint",
        "no",
    ),
)

# What nodes say to a transaction they already have, or whose nonce is spent, perhaps by itself.
# The codes are no help: -32000, -32001, -32003, -32010, -32603 and 3 are all in use for it.
_LANDED_WORDS = (
    # go-ethereum core/txpool/errors.go ErrAlreadyKnown, op-geth and coreth with it; reth
    # rpc-eth-types RpcPoolError; erigon rpc/jsonrpc/send_transaction.go; nethermind
    # TxPoolErrorMessages (before: AlreadyKnown)
    r"already ?known",
    # foundry anvil/src/eth/error.rs; openethereum rpc/src/v1/helpers/errors.rs
    r"already imported",
    # besu RpcErrorType ETH_SEND_TX_ALREADY_KNOWN; hardhat's EDR TransactionAlreadyExists;
    # zksync-era l2/error.rs TxDuplication; geth of old
    r"(?<!un)known transaction",
    # erigon txpoolcfg.go DuplicateHash
    r"existing txn? with same hash",
    # go-ethereum core/txpool/validation.go, and nearly everyone; openethereum has the "is".
    # Not of an EIP-7702 authority (go-ethereum ErrAuthorityNonceTooLow).
    r"(?<!authority )nonce (is )?too low",
    # nethermind, before it took up geth's words
    r"oldnonce",
)
_LANDED = "|".join(_LANDED_WORDS)


# How an empty transaction ("0x") is refused, before the pool, where transactions are taken.
_EMPTY_REFUSED = Excuse(
    (-32000, -32602, -32010),
    # go-ethereum core/types/transaction.go errShortTypedTx (op-geth, nitro, erigon; proxyd with the
    # method listed passes it on as -32602, HTTP 400), and "EOF" before
    r"typed transaction too short|^EOF$"
    # reth rpc-eth-types EthApiError::EmptyRawTransactionData; foundry anvil/src/eth/error.rs
    r"|empty transaction data"
    # besu RpcErrorType INVALID_PARAMS, INVALID_TRANSACTION_PARAMS
    r"|invalid (transaction )?params"
    # nethermind EthRpcModule.cs; hardhat, ganache and others that decode RLP
    r"|invalid rlp|\brlp\b|failed to decode",
    "no",
)


def takes_transactions(error: JsonRpcError | None) -> TakesTransactions:
    """Tell from the answer to an empty transaction whether an endpoint takes transactions.

    "Method not found" is a "no", also with HTTP 403 (proxyd without the method listed). A rate
    limit, a node that is syncing or words that nobody knows leave it open.
    """
    if error is None:
        return "inconclusive"
    if error.code == METHOD_NOT_FOUND:
        return "no"
    return "yes" if _EMPTY_REFUSED.fits(error, "eth_sendRawTransaction") else "inconclusive"


def excuse_in(error: JsonRpcError, method: str) -> Excuse | None:
    """Return the excuse that ``error`` on ``method`` is, or None: then it is a verdict."""
    return next((excuse for excuse in EXCUSES if excuse.fits(error, method)), None)


def may_have_landed(error: JsonRpcError) -> bool:
    """Tell whether ``error`` is what a node says to a transaction that it, or the chain, has."""
    return re.search(_LANDED, _beginning(error), re.IGNORECASE) is not None


def is_final(error: JsonRpcError, method: str) -> bool:
    """Tell whether ``error`` on ``method`` is a verdict that needs no look-up."""
    del method
    return not may_have_landed(error)


def says_already_known(error: JsonRpcError) -> bool:
    """Tell whether ``error`` says that the node has the transaction."""
    return may_have_landed(error) and "nonce" not in error.message.lower()
