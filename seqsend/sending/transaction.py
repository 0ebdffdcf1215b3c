"""Signed raw transactions: judged before anything goes out, and hashed here. Pure.

What is checked is the envelope, by the structure that the standards give it; whether the signature
is good and the fields make sense is the sequencer's to say.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from seqsend.errors import UsageError
from seqsend.redaction import escape

MAX_SIZE = 2**20
"""Bytes; above that the contract refuses (blobs in network form stay below it)."""

_DEPOSIT = 0x7E  # OP Stack specification, "Deposits": made by the derivation of L1 blocks only
_BLOB = 0x03

# Transaction type → number of fields when signed; unsigned it lacks the last three: y_parity, r, s.
_FIELDS: Mapping[int, int] = MappingProxyType(
    {
        0x01: 11,  # EIP-2930
        0x02: 12,  # EIP-1559
        0x03: 14,  # EIP-4844
        0x04: 13,  # EIP-7702
    }
)
_LEGACY_FIELDS = 9
# A blob transaction in network form is [fields, blobs, commitments, proofs] (EIP-4844), and has a
# version after the fields where the proofs are cell proofs (EIP-7594).
_BLOB_NETWORK_ITEMS = (4, 5)

_GOOD = "0x02f86c…, the signed transaction as `cast mktx` prints it"


@dataclass(frozen=True, slots=True)
class RawTransaction:
    """A signed transaction that is fit to be sent."""

    hex: str
    """The bytes as every node takes them: ``0x`` and lower-case hex."""
    hash: str
    """keccak-256 of the canonical bytes, ``0x`` and lower-case hex."""
    type: int
    """EIP-2718 transaction type; 0 is a legacy transaction."""


class _Item(NamedTuple):
    """One RLP item: where it starts, where its payload is, and whether that is a list.

    A dozen of them are made for each transaction, which a tuple is three times as fast at.
    """

    at: int
    start: int
    end: int
    is_list: bool

    @property
    def size(self) -> int:
        return self.end - self.start


def parse_raw_transaction(text: str) -> RawTransaction:
    """Return the transaction that ``text`` holds as hex, with or without ``0x``.

    Raises:
        UsageError: it is no signed transaction; the message says what it looks like. The text is
            never quoted: it may be a private key given by mistake.

    """
    data = _decode_hex(text)
    if len(data) > MAX_SIZE:
        # How long it is nobody knows: of a line that is far too long only the beginning is read.
        raise _wrong(f"is too long: the limit is {MAX_SIZE} bytes (1 MiB)")
    kind = _judge_type(data)
    canonical = _judge_envelope(data, kind)
    return RawTransaction("0x" + data.hex(), "0x" + keccak256(canonical).hex(), kind)


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 of ``data`` (the padding of 2011, not SHA3-256's)."""
    # Imported on first use, for `rpc` needs none. The backend is named, as eth_hash.auto would let
    # an environment variable choose one that is not installed.
    from eth_hash.backends.pycryptodome import backend

    return bytes(backend.keccak256(data))


def _wrong(what: str) -> UsageError:
    return UsageError(f"raw transaction {what}", example=_GOOD)


def _decode_hex(text: str) -> bytes:
    digits = text.strip(" \t\r\n")
    prefixed = digits[:2] in ("0x", "0X")
    digits = digits[2:] if prefixed else digits
    if not digits:
        raise _wrong("is empty")
    stranger = re.search(r"[^0-9a-fA-F]", digits)
    if stranger is not None:
        raise _wrong(_describe_text(digits, stranger))
    if len(digits) % 2:
        raise _wrong(f"has an odd number of hex digits ({len(digits)}): one is missing")
    if len(digits) == 64:
        raise _wrong(
            "is 32 bytes long: that is a transaction's hash (or a private key, "
            "which seqsend never needs)"
        )
    if len(digits) == 40:
        raise _wrong(_describe_address(digits))
    return bytes.fromhex(digits)


def _describe_text(digits: str, stranger: re.Match[str]) -> str:
    if digits[0] in "{[\"'":
        return "looks like JSON or quoted text"
    character, position = stranger.group(), stranger.start() + 1
    what = "a blank" if character.isspace() else f"'{escape(character)}'"
    return f"is not hex: {what} as digit {position}"


def _describe_address(digits: str) -> str:
    # eth_utils knows addresses and their checksums; imported here because it loads pydantic.
    from eth_utils.address import to_checksum_address

    return f"is an address, {to_checksum_address('0x' + digits)}"


def _judge_type(data: bytes) -> int:
    first = data[0]
    if first >= 0xC0:
        return 0
    if first in _FIELDS:
        return first
    if first == _DEPOSIT:
        raise _wrong("is a deposit transaction (type 0x7e), which comes from L1 and cannot be sent")
    if first >= 0x80:
        raise _wrong("is an RLP string: a typed transaction is sent without that wrapping")
    raise _wrong(f"has the unknown type 0x{first:02x}")


def _judge_envelope(data: bytes, kind: int) -> bytes:
    """Return the bytes that the hash is of, or raise UsageError."""
    at = 1 if kind else 0
    outer = _read_item(data, at)
    if outer.end != len(data):
        raise _wrong(f"has {len(data) - outer.end} bytes too many at its end")
    if not outer.is_list:
        raise _wrong(f"of type {kind} does not hold a list of fields")
    fields = _read_list(data, outer)
    if kind == _BLOB and len(fields) in _BLOB_NETWORK_ITEMS and fields[0].is_list:
        inner = fields[0]
        _judge_fields(_read_list(data, inner), kind)
        return data[:1] + data[inner.at : inner.end]
    _judge_fields(fields, kind)
    return data


def _judge_fields(fields: list[_Item], kind: int) -> None:
    signed = _FIELDS.get(kind, _LEGACY_FIELDS)
    name = f"type-{kind}" if kind else "legacy"
    # r and s are empty in what is hashed for an EIP-155 signature, and never in a signed one.
    if len(fields) == signed - 3 or (
        len(fields) == signed and not all(f.size for f in fields[-2:])
    ):
        raise _wrong(f"is a {name} transaction that is not signed")
    if len(fields) != signed:
        raise _wrong(f"has {len(fields)} fields; a signed {name} transaction has {signed}")


def _read_list(data: bytes, outer: _Item) -> list[_Item]:
    items, at = [], outer.start
    while at < outer.end:
        item = _read_item(data, at)
        if item.end > outer.end:
            raise _wrong("has a field that runs past the end of its list")
        items.append(item)
        at = item.end
    return items


def _read_item(data: bytes, at: int) -> _Item:
    """Read one RLP header (Yellow Paper, appendix B).

    Not the `rlp` package: of it this header is all that is needed, and it loads eth_utils.
    """
    if at >= len(data):
        raise _wrong("ends after its type: it is cut off")
    prefix = data[at]
    if prefix < 0x80:
        return _Item(at, at, at + 1, is_list=False)
    is_list = prefix >= 0xC0
    length = prefix - (0xC0 if is_list else 0x80)
    start = at + 1
    if length > 55:
        size_of_length = length - 55
        length = int.from_bytes(data[start : start + size_of_length], "big")
        start += size_of_length
    if start + length > len(data):
        missing = start + length - len(data)
        raise _wrong(f"is cut off: at least {missing} bytes are missing")
    return _Item(at, start, start + length, is_list)
