"""The words of nodes that a transaction may have landed. Excuses are in test_policy.py."""

import pytest

from seqsend.models import JsonRpcError
from seqsend.verdicts.node_errors import may_have_landed

LANDED = [
    "already known",  # geth, op-geth, reth, coreth, nethermind
    "ALREADY_EXISTS: already known",  # erigon
    "INTERNAL_ERROR: existing txn with same hash",  # erigon
    "AlreadyKnown",  # nethermind, older
    "Known transaction",  # besu
    "transaction already imported",  # anvil
    "Known transaction: 0xabcd",  # hardhat
    "Transaction with the same hash was already imported.",  # openethereum
    "known transaction. transaction with hash 0xab is already in the system",  # zksync-era
    "nonce too low: next nonce 5, tx nonce 3",  # geth, op-geth, reth
    "nonce too low",  # anvil, nethermind, older geth
    "INTERNAL_ERROR: nonce too low",  # erigon
    "Nonce too low",  # besu
    "Transaction nonce too low. Expected nonce to be at least 4 but got 3.",  # hardhat
    "Transaction nonce is too low. Try incrementing the nonce.",  # openethereum
    "nonce too low. allowed nonce range: 1 - 2, actual: 0",  # zksync-era
    "nonce too low: address 0xab, tx: 1 state: 2",  # nitro
    "OldNonce, Current nonce: 2, nonce of rejected tx: 1",  # nethermind, older
]
NOT_LANDED = [
    "insufficient funds for gas * price + value",
    "nonce too high",
    "unknown transaction",
    "authority nonce too low",  # geth, of an EIP-7702 authorization
    "replacement transaction underpriced",
    "insertion of another transaction with the same nonce is in progress",  # zksync-era
]


@pytest.mark.parametrize("message", LANDED)
def test_knows_what_each_node_says_to_a_transaction_it_has(message: str) -> None:
    assert may_have_landed(JsonRpcError(-32000, message))


@pytest.mark.parametrize("message", NOT_LANDED)
def test_takes_other_words_for_a_plain_rejection(message: str) -> None:
    assert not may_have_landed(JsonRpcError(-32000, message))
