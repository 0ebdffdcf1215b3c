"""Signed transactions of every type, from anvil's funded accounts."""

import hashlib
from dataclasses import dataclass
from typing import Any, Self

import rlp  # type: ignore[import-untyped]
from eth_account import Account
from eth_account.signers.local import LocalAccount

# Not secret: anvil derives these keys from its well-known mnemonic ("test test … junk").
_KEYS = (
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
)
CHAIN_ID = 31337
_GWEI = 10**9
_FEES = {"maxFeePerGas": 100 * _GWEI, "maxPriorityFeePerGas": _GWEI}

# A blob of zeros: its commitment and proofs are the point at infinity, which needs no KZG library
# (eth-account's takes 7 s per blob).
_BLOB = bytes(131_072)
_INFINITY = b"\xc0" + bytes(47)
_BLOB_HASH = "0x01" + hashlib.sha256(_INFINITY).hexdigest()[2:]
_SIDECARS: dict[str, list[Any]] = {
    "blob proofs": [[_BLOB], [_INFINITY], [_INFINITY]],  # EIP-4844
    "cell proofs": [b"\x01", [_BLOB], [_INFINITY], [_INFINITY] * 128],  # EIP-7594
}


@dataclass(frozen=True)
class Signed:
    """A signed transaction as a wallet hands it out."""

    raw: str
    hash: str


class Wallet:
    """Signs with one of anvil's accounts."""

    def __init__(self, index: int) -> None:
        """Use anvil's account number ``index``."""
        self._account: LocalAccount = Account.from_key(_KEYS[index])

    @classmethod
    def of_key(cls, key: str) -> Self:
        """Return the wallet of another private key, which has no funds on anvil."""
        wallet = cls(0)
        wallet._account = Account.from_key(key)
        return wallet

    @property
    def address(self) -> str:
        """The account's address, with its checksum."""
        return str(self._account.address)

    def sign(
        self, kind: int = 2, *, nonce: int, value: int = 1, chain_id: int = CHAIN_ID
    ) -> Signed:
        """Return a transfer of ``value`` wei to itself, of type ``kind``, in canonical form."""
        common: dict[str, Any] = {
            "nonce": nonce,
            "to": self.address,
            "value": value,
            "chainId": chain_id,
        }
        signed = self._account.sign_transaction(common | self._fields(kind, nonce, chain_id))
        return Signed(signed.raw_transaction.to_0x_hex(), signed.hash.to_0x_hex())

    def sign_blob(self, sidecar: str = "cell proofs", *, nonce: int) -> Signed:
        """Return a blob transaction in its network form, the only form that a node accepts.

        It has 275 kB of hex, too much for an argument on Linux's command line.
        """
        canonical = self.sign(3, nonce=nonce)
        fields = rlp.decode(bytes.fromhex(canonical.raw[4:]))
        raw = b"\x03" + rlp.encode([fields, *_SIDECARS[sidecar]])
        return Signed("0x" + raw.hex(), canonical.hash)

    def _fields(self, kind: int, nonce: int, chain_id: int) -> dict[str, Any]:
        if kind == 0:
            return {"gas": 21_000, "gasPrice": 100 * _GWEI}
        if kind == 1:
            return {"type": 1, "gas": 21_000, "gasPrice": 100 * _GWEI, "accessList": []}
        if kind == 2:
            return {"type": 2, "gas": 21_000} | _FEES
        if kind == 3:
            blobs = {"maxFeePerBlobGas": _GWEI, "blobVersionedHashes": [_BLOB_HASH]}
            return {"type": 3, "gas": 21_000} | _FEES | blobs
        delegation = {"chainId": chain_id, "address": "0x" + "00" * 20, "nonce": nonce + 1}
        authorized = self._account.sign_authorization(delegation)
        return {"type": 4, "gas": 100_000, "authorizationList": [authorized]} | _FEES
