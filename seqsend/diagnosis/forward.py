"""A transaction that no chain can accept, to see whether an endpoint forwards what it is sent.

A replica of op-geth or op-reth forwards a transaction to its sequencer before it looks at the
sender's balance (op-geth eth/api_backend.go SendTx; op-reth crates/optimism/rpc/src/eth/
transaction.rs), so that "insufficient funds" comes from the sequencer itself. nitro checks the
balance before it forwards (execution/gethexec/tx_pre_checker.go): there the answer proves less.
"""

import secrets

_P = 2**256 - 2**32 - 977
"""The field of secp256k1 (SEC 2, section 2.4.1)."""
_N = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""The order of its group."""
_GAS = 21_000  # of a transfer, go-ethereum params/protocol_params.go TxGas
_TIP = 10**9  # wei; not below the minimum of pools (geth: 1 wei, nethermind: 1 gwei)
_VALUE = 1  # wei
_LARGEST = 2**256 - 1

_Item = int | bytes | list["_Item"]


def probe_transaction(chain_id: int, base_fee: int | None) -> str:
    """Return a well-formed transfer of 1 wei that nobody signed, as ``0x`` and hex digits.

    r and s are random. A sender can be recovered from them, as from every signature whose r is the
    x of a point, but nobody knows its key: that address has no funds and never will, so the
    transaction is not valid on any chain. ``base_fee`` is the head's, in wei; the max fee is
    twice that, plus a tip. It is None for a chain without base fees (EIP-1559), which gets type 0.
    """
    r, s = _random_r(), 1 + secrets.randbelow(_N // 2)  # the lower half: EIP-2
    parity, to = secrets.randbelow(2), secrets.token_bytes(20)
    if base_fee is None:
        # EIP-155: v holds chain id and parity
        v = 35 + 2 * chain_id + parity
        return "0x" + _encode([0, _TIP, _GAS, to, _VALUE, b"", v, r, s]).hex()
    fee = min(2 * base_fee + _TIP, _LARGEST)
    fields: list[_Item] = [chain_id, 0, _TIP, fee, _GAS, to, _VALUE, b"", [], parity, r, s]
    return "0x02" + _encode(fields).hex()


def _random_r() -> int:
    """Return an r for which a sender can be recovered; about every second number is fit."""
    while True:
        r = 1 + secrets.randbelow(_N - 1)
        # y² = x³ + 7 has a solution (Euler's criterion)
        if pow(pow(r, 3, _P) + 7, (_P - 1) // 2, _P) == 1:
            return r


def _encode(item: _Item) -> bytes:
    """Return ``item`` in RLP (Yellow Paper, appendix B)."""
    if isinstance(item, list):
        return _with_length(b"".join(map(_encode, item)), 0xC0)
    if isinstance(item, int):
        item = item.to_bytes(-(-item.bit_length() // 8), "big")
    if len(item) == 1 and item[0] < 0x80:
        return item
    return _with_length(item, 0x80)


def _with_length(payload: bytes, offset: int) -> bytes:
    if len(payload) < 56:
        return bytes([offset + len(payload)]) + payload
    size = len(payload).to_bytes(-(-len(payload).bit_length() // 8), "big")
    return bytes([offset + 55 + len(size)]) + size + payload
