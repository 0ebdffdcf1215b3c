"""Frozen records of a transaction, the state of its chain, and how the two differ. Pure.

Hex is lower case throughout, addresses included; amounts are in wei.
"""

from dataclasses import dataclass

from seqsend.models import Attempt, Endpoint


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of an access list (EIP-2930)."""

    address: str
    storage_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Authorization:
    """One entry of an authorization list (EIP-7702): code that an account delegates to."""

    chain_id: int
    """0 stands for every chain."""
    address: str
    nonce: int
    authority: str | None
    """The account that signed it, recovered from the signature; None if that is not valid."""
    problem: str | None = None
    """Why there is no authority."""


@dataclass(frozen=True, slots=True)
class Content:
    """The fields of a transaction of type 0 to 4. A field that its type does not have is None."""

    chain_id: int | None
    """None if it is valid on every chain: a legacy transaction from before EIP-155."""
    nonce: int
    to: str | None
    """None if it creates a contract."""
    value: int
    gas_limit: int
    data: bytes
    sender: str | None
    """The account that signed it, recovered from the signature; None if that is not valid."""
    problem: str | None = None
    """Why there is no sender."""
    gas_price: int | None = None
    max_fee_per_gas: int | None = None
    max_priority_fee_per_gas: int | None = None
    max_fee_per_blob_gas: int | None = None
    access_list: tuple[Access, ...] | None = None
    blob_hashes: tuple[str, ...] | None = None
    has_sidecar: bool = False
    """It carries its blobs: the network form (EIP-4844)."""
    authorizations: tuple[Authorization, ...] | None = None

    @property
    def fee_cap(self) -> int:
        """The most that it pays for a unit of gas, in wei."""
        return (self.gas_price if self.max_fee_per_gas is None else self.max_fee_per_gas) or 0


@dataclass(frozen=True, slots=True)
class Decoded:
    """A raw transaction, decoded as far as possible."""

    hash: str
    type: int
    """EIP-2718 transaction type; 0 for a legacy transaction."""
    size: int
    """Bytes, in the form that was given."""
    content: Content | None
    problem: str | None = None
    """Why it could not be decoded."""
    is_known_type: bool = True
    """Transactions of its type can be decoded; if this one could not, it is malformed."""


@dataclass(frozen=True, slots=True)
class ChainState:
    """What one endpoint says of the chain and of a sender; None if it did not say."""

    endpoint: Endpoint
    chain_id: int | None = None
    next_nonce: int | None = None
    """Of the sender, in the latest block."""
    pending_nonce: int | None = None
    """Of the sender, counting transactions in the pool."""
    balance: int | None = None
    base_fee: int | None = None
    """Of the latest block."""
    block_gas_limit: int | None = None
    has_data_floor: bool = False
    """The fork of the latest block has the minimum price of data of EIP-7623."""
    same_nonce: str | None = None
    """The hash of the sender's transaction with this nonce, on the chain or in the pool."""
    is_there: bool = False
    """The endpoint has this very transaction."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a transaction was rejected, or would be."""

    sentence: str
    """The one difference that explains it best, or that none was found."""
    transaction: Decoded
    chain: ChainState | None
    """None if no endpoint answered, or there was nothing to compare."""
    speaks_against: bool = False
    """A difference was found, or the transaction itself is wrong."""
    failures: tuple[Attempt, ...] = ()
    """The endpoints that were asked and did not answer."""
