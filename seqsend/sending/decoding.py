"""Decodes signed transactions: their fields, and who signed them. Pure.

Types 0 to 4 are known (EIP-155, EIP-2930, EIP-1559, EIP-4844, EIP-7702). Of other types, only the
hash and the size are returned. A plain `send` needs nothing of this module.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from seqsend.errors import UsageError
from seqsend.explanation import Access, Authorization, Content, Decoded
from seqsend.sending.signatures import Signature, recover, recover_key
from seqsend.sending.transaction import (
    Item,
    RawTransaction,
    parse_raw_transaction,
    read_item,
    read_list,
)

_AUTHORIZATION_MAGIC = b"\x05"  # EIP-7702
_EIP_155 = 35


class _Malformed(Exception):
    """A field does not fit the transaction's type; the message says which field, and why."""


class _UnknownType(_Malformed):
    """The fields of this transaction type are not known."""


# ---- Fields ----


class _Fields:
    """The items of one RLP list, read by name; `_Malformed` is raised if one does not fit."""

    def __init__(self, data: bytes, items: Sequence[Item], names: Sequence[str]) -> None:
        self._data = data
        self._at = dict(zip(names, items, strict=True))
        self.count = len(items)

    def raw(self, name: str) -> bytes:
        """Return a string's payload; only its canonical encoding is accepted (Yellow Paper, B)."""
        item = self._at[name]
        if item.is_list:
            raise _Malformed(f"its field {name} is a list")
        payload = self._data[item.start : item.end]
        if self._data[item.at : item.end] != _encode(payload):
            raise _Malformed(f"its field {name} is not canonical RLP")
        return payload

    def number(self, name: str, size: int = 32) -> int:
        """Return a number of at most ``size`` bytes, without leading zeros."""
        payload = self.raw(name)
        if payload[:1] == b"\0":
            raise _Malformed(f"its field {name} has leading zeros")
        if len(payload) > size:
            raise _Malformed(f"its field {name} is longer than {size} bytes")
        return int.from_bytes(payload, "big")

    def bytes_of(self, name: str, size: int) -> str:
        """Return a string of exactly ``size`` bytes as hex."""
        payload = self.raw(name)
        if len(payload) != size:
            raise _Malformed(f"its field {name} must have {size} bytes, not {len(payload)}")
        return f"0x{payload.hex()}"

    def items(self, name: str) -> list[Item]:
        """Return the items of a list."""
        item = self._at[name]
        if not item.is_list:
            raise _Malformed(f"its field {name} is not a list")
        if self._data[item.at : item.start] != _list_header(item.size):
            raise _Malformed(f"its field {name} is not canonical RLP")
        return read_list(self._data, item)

    def each(self, name: str, names: Sequence[str]) -> "list[_Fields]":
        """Return the entries of a list, each a list with fields of these ``names``."""
        found = []
        for item in self.items(name):
            fields = read_list(self._data, item) if item.is_list else []
            canonical = self._data[item.at : item.start] == _list_header(item.size)
            if not canonical or len(fields) != len(names):
                raise _Malformed(
                    f"its field {name} has an entry that is not a list of {len(names)}"
                )
            found.append(_Fields(self._data, fields, names))
        return found

    def each_hash(self, name: str) -> tuple[str, ...]:
        """Return the 32-byte strings in a list, as hex."""
        items = self.items(name)
        one = f"{name} entry"
        return tuple(_Fields(self._data, [item], [one]).bytes_of(one, 32) for item in items)

    def signed_part(self, count: int, *more: bytes) -> bytes:
        """Return the RLP list of the first ``count`` fields, unchanged, followed by ``more``."""
        items = list(self._at.values())
        body = self._data[items[0].at : items[count - 1].end] + b"".join(more)
        return _list_header(len(body)) + body


def _list_header(size: int) -> bytes:
    return _header(size, 0xC0)


def _header(size: int, offset: int) -> bytes:
    """Return the shortest header of a string (``offset`` 0x80) or a list (0xC0)."""
    if size <= 55:
        return bytes([offset + size])
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([offset + 55 + len(length)]) + length


def _encode(payload: bytes) -> bytes:
    if len(payload) == 1 and payload[0] < 0x80:
        return payload
    return _header(len(payload), 0x80) + payload


def _encode_number(number: int) -> bytes:
    return _encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


# ---- Transactions ----

_FEES = ("max_priority_fee_per_gas", "max_fee_per_gas")
_END_OF_LEGACY = ("nonce", "gas_price", "gas_limit", "to", "value", "data")
_CALL = ("gas_limit", "to", "value", "data", "access_list")
_SIGNATURE = ("y_parity", "r", "s")
_AUTHORIZATION = ("chain_id", "address", "nonce", *_SIGNATURE)

# Transaction type → its fields, in the order that the type's EIP gives.
_NAMES: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        0: (*_END_OF_LEGACY, "v", "r", "s"),
        1: ("chain_id", "nonce", "gas_price", *_CALL, *_SIGNATURE),
        2: ("chain_id", "nonce", *_FEES, *_CALL, *_SIGNATURE),
        3: (
            *("chain_id", "nonce", *_FEES, *_CALL),
            *("max_fee_per_blob_gas", "blob_hashes", *_SIGNATURE),
        ),
        4: ("chain_id", "nonce", *_FEES, *_CALL, "authorizations", *_SIGNATURE),
    }
)
_CREATES_NOTHING = (3, 4)  # types without contract creation (EIP-4844, EIP-7702)


def decode(raw: str | RawTransaction) -> Decoded:
    """Decode a raw transaction.

    If its type is unknown, or a field does not fit the type, the result has no ``content``, and its
    ``problem`` says why.

    Raises:
        UsageError: ``raw`` is not a signed transaction at all, as for `parse_raw_transaction`.

    """
    transaction = parse_raw_transaction(raw)
    data = bytes.fromhex(transaction.hex[2:])
    content, problem, is_known_type = None, None, True
    try:
        content = _read_content(data)
    except _UnknownType as error:
        problem, is_known_type = str(error), False
    except _Malformed as error:
        problem = str(error)
    except UsageError as error:
        problem = error.problem
    return Decoded(transaction.hash, transaction.type, len(data), content, problem, is_known_type)


def chain_id_of(raw: RawTransaction) -> int | None:
    """Return the id of the chain that a transaction is signed for; None if it is valid on any.

    Raises:
        UsageError: its type is unknown, or a field is malformed.

    """
    try:
        kind, fields, _ = _open(bytes.fromhex(raw.hex[2:]))
        return _read_v(fields).chain_id if kind == 0 else fields.number("chain_id")
    except _Malformed as error:
        raise UsageError(
            f"cannot read the chain of the raw transaction: {error}",
            example="0x02f86c…, a transaction of type 0 to 4",
        ) from None


def signer_of(raw: RawTransaction) -> bytes | None:
    """Return the public key, 64 bytes, that signed a transaction; None without a valid signature.

    It identifies the sender, and need not be hashed into an address first.
    """
    try:
        kind, fields, _ = _open(bytes.fromhex(raw.hex[2:]))
        signature = _read_v(fields) if kind == 0 else _read_parity(fields, bytes([kind]))
    except (_Malformed, UsageError):
        return None
    key, _ = recover_key(signature)
    return key


def parse_for_chain(raw: str | RawTransaction, chain_id: int) -> RawTransaction:
    """Return the transaction in ``raw``, unless it is signed for a chain other than ``chain_id``.

    A legacy transaction without a chain id is valid on every chain, and is returned.

    Raises:
        UsageError: it is for another chain, its chain cannot be read, or it is not a transaction.

    """
    transaction = parse_raw_transaction(raw)
    signed_for = chain_id_of(transaction)
    if signed_for not in (None, chain_id):
        raise UsageError(
            f"raw transaction is signed for chain {signed_for}, not for chain {chain_id}",
            example=f"a transaction signed for chain {chain_id}, or --chain-id {signed_for}",
        )
    return transaction


def _open(data: bytes) -> tuple[int, _Fields, bool]:
    """Return the type of a transaction, its fields, and whether it carries a sidecar."""
    is_legacy = data[0] >= 0xC0
    kind = 0 if is_legacy else data[0]
    names = _NAMES.get(kind)
    if names is None or (kind == 0 and not is_legacy):
        raise _UnknownType(f"transactions of type 0x{kind:02x} are not known here")
    outer = read_item(data, 0 if is_legacy else 1)
    items = read_list(data, outer)
    has_sidecar = kind == 3 and items[0].is_list
    if has_sidecar:
        outer = items[0]
        items = read_list(data, outer)
    if data[outer.at : outer.start] != _list_header(outer.size):
        raise _Malformed("its list of fields is not canonical RLP")
    return kind, _Fields(data, items, names), has_sidecar


def _read_content(data: bytes) -> Content:
    kind, fields, has_sidecar = _open(data)
    names = _NAMES[kind]
    signature = _read_v(fields) if kind == 0 else _read_parity(fields, bytes([kind]))
    creates = kind not in _CREATES_NOTHING and not fields.raw("to")
    found: dict[str, Any] = {
        "to": None if creates else fields.bytes_of("to", 20),
        "data": fields.raw("data"),
        **{name: fields.number(name, size) for name, size in _NUMBERS.items() if name in names},
        **{name: read(fields, name) for name, read in _LISTS.items() if name in names},
    }
    sender, problem = recover(signature)
    return Content(
        chain_id=signature.chain_id,
        sender=sender,
        problem=problem,
        has_sidecar=has_sidecar,
        **found,
    )


def _read_access_list(fields: _Fields, name: str) -> tuple[Access, ...]:
    return tuple(
        Access(entry.bytes_of("address", 20), entry.each_hash("storage_keys"))
        for entry in fields.each(name, ("address", "storage_keys"))
    )


def _read_authorizations(fields: _Fields, name: str) -> tuple[Authorization, ...]:
    found = []
    for entry in fields.each(name, _AUTHORIZATION):
        signature = _read_parity(entry, _AUTHORIZATION_MAGIC)
        authority, problem = recover(signature)
        found.append(
            Authorization(
                chain_id=entry.number("chain_id"),
                address=entry.bytes_of("address", 20),
                nonce=entry.number("nonce", 8),
                authority=authority,
                problem=problem,
            )
        )
    return tuple(found)


# Field → its size limit in bytes: nonces by EIP-2681; every client holds gas limits in 64 bits.
_NUMBERS: Mapping[str, int] = MappingProxyType(
    {
        "nonce": 8,
        "gas_limit": 8,
        "value": 32,
        "gas_price": 32,
        "max_fee_per_gas": 32,
        "max_priority_fee_per_gas": 32,
        "max_fee_per_blob_gas": 32,
    }
)
_LISTS: Mapping[str, Callable[[_Fields, str], Any]] = MappingProxyType(
    {
        "access_list": _read_access_list,
        "blob_hashes": _Fields.each_hash,
        "authorizations": _read_authorizations,
    }
)


# ---- Signatures ----


def _read_v(fields: _Fields) -> Signature:
    """Read the signature of a legacy transaction, by EIP-155 or from before it."""
    v = fields.number("v")
    chain_id, parity = None, None
    more: tuple[bytes, ...] = ()
    if v in (27, 28):
        parity = v - 27
    elif v >= _EIP_155:
        chain_id, parity = divmod(v - _EIP_155, 2)
        more = (_encode_number(chain_id), b"\x80", b"\x80")
    signed = fields.signed_part(len(_END_OF_LEGACY), *more)
    return Signature(chain_id, parity, f"v is {v}", fields.number("r"), fields.number("s"), signed)


def _read_parity(fields: _Fields, prefix: bytes) -> Signature:
    """Read a signature with a parity (EIP-2718), made over ``prefix`` and all fields before it."""
    given = fields.number("y_parity")
    return Signature(
        fields.number("chain_id"),
        given if given in (0, 1) else None,
        f"y_parity is {given}",
        fields.number("r"),
        fields.number("s"),
        prefix + fields.signed_part(fields.count - len(_SIGNATURE)),
    )
