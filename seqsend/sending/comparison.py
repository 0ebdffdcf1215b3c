"""Why a chain refuses a transaction: its fields compared with the chain's state. Pure.

The rules are in the order in which nodes check them (go-ethereum, core/txpool/validation.go: first
`ValidateTransaction`, then `ValidateTransactionWithState`); the first broken rule is the reason.
"""

from collections.abc import Callable

from seqsend.explanation import ChainState, Content, Decoded, Explanation
from seqsend.units import format_ether, format_gwei

_MAX_INITCODE = 49_152  # bytes (EIP-3860)
_BLOB_GAS = 131_072  # gas per blob (EIP-4844)


def explain(decoded: Decoded, chain: ChainState | None) -> Explanation:
    """Return the first reason against a transaction, or that none was found, in one sentence.

    ``chain`` is None if no endpoint returned the state of the chain.
    """
    against = _wrong_anywhere(decoded)
    if against is None and decoded.content is not None and chain is not None:
        against = _wrong_on_chain(decoded.content, chain)
    said = against or _nothing_found(decoded, chain)
    return Explanation(said, decoded, chain, speaks_against=against is not None)


def _wrong_anywhere(decoded: Decoded) -> str | None:
    """Return what is wrong with a transaction on every chain, or None."""
    if decoded.content is None:
        return f"it is malformed: {decoded.problem}" if decoded.is_known_type else None
    if decoded.content.sender is None:
        return f"no account can have signed it: {decoded.content.problem}"
    return None


def _wrong_on_chain(content: Content, chain: ChainState) -> str | None:
    """Return what is wrong with a transaction on this chain; None if it is there already."""
    if chain.is_there:
        return None
    return next(filter(None, (rule(content, chain) for rule in _RULES)), None)


def most_it_can_cost(content: Content) -> int:
    """Return the wei that the sender needs: the value, plus all gas at the highest price."""
    blobs = len(content.blob_hashes or ()) * _BLOB_GAS * (content.max_fee_per_blob_gas or 0)
    return content.value + content.gas_limit * content.fee_cap + blobs


def least_gas(content: Content, *, has_data_floor: bool) -> int:
    """Return the minimum gas of a transaction, which is charged before anything is executed.

    EIP-2 (creation), EIP-2028 (data), EIP-2930 (access list), EIP-3860 (initcode), EIP-7702
    (authorizations), and with ``has_data_floor`` EIP-7623.
    """
    zeros = content.data.count(0)
    others = len(content.data) - zeros
    access = content.access_list or ()
    intrinsic = (
        21_000
        + 4 * zeros
        + 16 * others
        + 2_400 * len(access)
        + 1_900 * sum(len(entry.storage_keys) for entry in access)
        + 25_000 * len(content.authorizations or ())
    )
    if content.to is None:
        intrinsic += 32_000 + 2 * ((len(content.data) + 31) // 32)
    floor = 21_000 + 10 * (zeros + 4 * others) if has_data_floor else 0
    return max(intrinsic, floor)


# ---- Rules: each returns what is wrong, or None ----


def _chain(content: Content, chain: ChainState) -> str | None:
    if None in (content.chain_id, chain.chain_id) or content.chain_id == chain.chain_id:
        return None
    return f"it is signed for chain {content.chain_id}, but this is chain {chain.chain_id}"


def _initcode(content: Content, _chain: ChainState) -> str | None:
    if content.to is not None or len(content.data) <= _MAX_INITCODE:
        return None
    return f"its initcode has {len(content.data)} bytes, but only {_MAX_INITCODE} are allowed"


def _block_gas(content: Content, chain: ChainState) -> str | None:
    if chain.block_gas_limit is None or content.gas_limit <= chain.block_gas_limit:
        return None
    limit = chain.block_gas_limit
    return f"its gas limit of {content.gas_limit} is above the block gas limit of {limit}"


def _tip(content: Content, _chain: ChainState) -> str | None:
    tip, cap = content.max_priority_fee_per_gas, content.fee_cap
    if tip is None or tip <= cap:
        return None
    return f"its priority fee of {format_gwei(tip)} is above its max fee of {format_gwei(cap)}"


def _intrinsic_gas(content: Content, chain: ChainState) -> str | None:
    least = least_gas(content, has_data_floor=chain.has_data_floor)
    if content.gas_limit >= least:
        return None
    return f"its gas limit of {content.gas_limit} is below the minimum of {least}"


def _spent_nonce(content: Content, chain: ChainState) -> str | None:
    if chain.next_nonce is None or content.nonce >= chain.next_nonce:
        return None
    by = f" by transaction {chain.same_nonce}" if chain.same_nonce else ""
    return f"its nonce {content.nonce} is spent{by}: the sender's next nonce is {chain.next_nonce}"


def _funds(content: Content, chain: ChainState) -> str | None:
    needs = most_it_can_cost(content)
    if chain.balance is None or chain.balance >= needs:
        return None
    return (
        f"it needs {format_ether(needs)} for its value and the most that its gas can cost, "
        f"but the sender has {format_ether(chain.balance)}"
    )


def _base_fee(content: Content, chain: ChainState) -> str | None:
    if chain.base_fee is None or content.fee_cap >= chain.base_fee:
        return None
    name = "gas price" if content.max_fee_per_gas is None else "max fee"
    cap = format_gwei(content.fee_cap)
    return f"its {name} of {cap} is below the base fee of {format_gwei(chain.base_fee)}"


def _pool(content: Content, chain: ChainState) -> str | None:
    waits = chain.pending_nonce is not None and content.nonce < chain.pending_nonce
    if not waits and chain.same_nonce is None:
        return None
    which = f": {chain.same_nonce}" if chain.same_nonce else ""
    return f"another transaction of the sender with nonce {content.nonce} is in the pool{which}"


def _gap(content: Content, chain: ChainState) -> str | None:
    following = max(
        (n for n in (chain.next_nonce, chain.pending_nonce) if n is not None), default=None
    )
    if following is None or content.nonce <= following:
        return None
    last = content.nonce - 1
    missing = f"nonce {last} is" if last == following else f"nonces {following} to {last} are"
    return f"its nonce {content.nonce} leaves a gap: {missing} missing"


_RULES: tuple[Callable[[Content, ChainState], str | None], ...] = (
    *(_chain, _initcode, _block_gas, _tip, _intrinsic_gas),
    *(_spent_nonce, _funds, _base_fee, _pool, _gap),
)


def _nothing_found(decoded: Decoded, chain: ChainState | None) -> str:
    if decoded.content is None:
        return f"it cannot be compared with the chain: {decoded.problem}"
    if chain is None:
        return "not known: no endpoint returned the state of the chain"
    if chain.is_there:
        return "the endpoint has this transaction"
    compared = {
        "chain id": chain.chain_id,
        "nonce": chain.next_nonce,
        "balance": chain.balance,
        "fees": chain.base_fee,
        "gas limit": chain.block_gas_limit,
    }
    unknown = [name for name, value in compared.items() if value is None]
    known = [name for name, value in compared.items() if value is not None]
    rest = f"; unknown: {', '.join(unknown)}" if unknown else ""
    return f"found no reason not to send it ({', '.join(known) or 'nothing'}{rest})"
