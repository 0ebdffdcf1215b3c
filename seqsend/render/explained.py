"""Why a transaction was rejected, as lines below the error and as JSON."""

from collections.abc import Iterator
from typing import Any

from eth_utils.address import to_checksum_address

from seqsend.explanation import ChainState, Content, Explanation
from seqsend.render.decoded import decoded_document
from seqsend.sending.comparison import most_it_can_cost
from seqsend.units import format_ether, format_gwei

_NOT_SAID = "not said"

_Row = tuple[str, str, str]


def explanation_document(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation's JSON object. Amounts are in wei, as decimal strings."""
    chain = explanation.chain
    return {
        "sentence": explanation.sentence,
        "transaction": decoded_document(explanation.transaction),
        "chain": None if chain is None else _chain_document(chain),
    }


def explanation_rows(explanation: Explanation) -> list[str]:
    """Return what was compared, in columns."""
    content, chain = explanation.transaction.content, explanation.chain
    if content is None:
        return []
    rows: list[_Row] = [("", "transaction", "chain" if chain else ""), *_rows(content, chain)]
    first = max(len(name) for name, _, _ in rows) + 2
    second = max(len(ours) for _, ours, _ in rows) + 2
    return [f"  {name:<{first}}{ours:<{second}}{theirs}".rstrip() for name, ours, theirs in rows]


def _rows(content: Content, chain: ChainState | None) -> Iterator[_Row]:
    yield (
        "chain id",
        _text(content.chain_id, "every chain"),
        "" if chain is None else _text(chain.chain_id),
    )
    yield "nonce", str(content.nonce), "" if chain is None else _describe_nonces(chain)
    has = "" if chain is None else _ether(chain.balance)
    yield "funds", f"needs {format_ether(most_it_can_cost(content))}", has
    base = (
        "" if chain is None or chain.base_fee is None else f"base fee {format_gwei(chain.base_fee)}"
    )
    yield "max fee", format_gwei(content.fee_cap), base
    limit = "" if chain is None else f"block limit {_text(chain.block_gas_limit)}"
    yield "gas limit", str(content.gas_limit), limit
    yield "value", format_ether(content.value), ""
    yield "sender", to_checksum_address(content.sender) if content.sender else "nobody", ""
    to = "creates a contract" if content.to is None else to_checksum_address(content.to)
    yield "to", to, ""


def _describe_nonces(chain: ChainState) -> str:
    said = f"next {_text(chain.next_nonce)}"
    if chain.pending_nonce in (None, chain.next_nonce):
        return said
    return f"{said}, with the pool {chain.pending_nonce}"


def _ether(balance: int | None) -> str:
    return _NOT_SAID if balance is None else f"sender has {format_ether(balance)}"


def _text(number: int | None, missing: str = _NOT_SAID) -> str:
    return missing if number is None else str(number)


def _chain_document(chain: ChainState) -> dict[str, Any]:
    return {
        "endpoint": {"index": chain.endpoint.index, "url": chain.endpoint.redacted},
        "chain_id": chain.chain_id,
        "next_nonce": chain.next_nonce,
        "pending_nonce": chain.pending_nonce,
        "balance": None if chain.balance is None else str(chain.balance),
        "base_fee": None if chain.base_fee is None else str(chain.base_fee),
        "block_gas_limit": chain.block_gas_limit,
        "same_nonce": chain.same_nonce,
    }
