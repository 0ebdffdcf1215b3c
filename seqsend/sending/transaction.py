"""Signed raw transactions: checked before anything is sent, and hashed. Pure.

The envelope is checked against the structure that the standards define. The sequencer judges the
signature, the fields, and whether the chain has the transaction's type at all: a transaction of an
unknown type is sent as it is.
"""

import os.path
import re
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from seqsend.errors import UsageError
from seqsend.redaction import escape
from seqsend.units import format_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from Crypto.Hash.keccak import Keccak_Hash

MAX_SIZE = 2**20
"""Bytes; larger transactions are refused (blobs in network form stay below it)."""

LONGEST_TEXT = 2 * MAX_SIZE + 64
"""Characters; longer text is refused unread. The largest transaction fits, blanks included."""

_BLOB = 0x03

# Types that no endpoint accepts in this form, or whose hash would be computed wrongly here.
_REFUSED: Mapping[int, str] = MappingProxyType(
    {
        # OP Stack specification, "Deposits": made from L1 blocks only.
        0x7E: "is a deposit transaction (type 0x7e), which comes from L1 and cannot be sent",
        # EIP-712 transactions of the ZK Stack: keccak(signed digest, keccak(signature)).
        0x71: "is a zkSync transaction (type 0x71), whose hash is computed differently; "
        "`seqsend rpc eth_sendRawTransaction` can send it",
    }
)

# Transaction type → number of fields when signed; unsigned it lacks the last three: y_parity, r, s.
# Of other types, only one thing is known: an RLP list follows the type.
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
# version after the fields if the proofs are cell proofs (EIP-7594).
_BLOB_NETWORK_ITEMS = (4, 5)

_GOOD = "0x02f86c…, the signed transaction as `cast mktx` prints it"


class RawTransaction(NamedTuple):
    """A signed transaction that can be sent."""

    hex: str
    """The bytes as every node takes them: ``0x`` and lower-case hex."""
    hash: str
    """keccak-256 of the canonical bytes, ``0x`` and lower-case hex."""
    type: int
    """EIP-2718 transaction type; 0 for a legacy transaction, and for an envelope of type 0x00,
    which is not assigned."""


class Item(NamedTuple):
    """One RLP item: where it starts, where its payload is, and whether that is a list.

    A dozen are made for each transaction; a tuple takes a third of a dataclass's time.
    """

    at: int
    start: int
    end: int
    is_list: bool

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return self.end - self.start


def parse_raw_transaction(raw: str | RawTransaction) -> RawTransaction:
    """Return the transaction in ``raw``, which is hex with or without ``0x``.

    A `RawTransaction` is returned unchanged.

    Raises:
        UsageError: it is not a signed transaction; the message says what it looks like. The text
            is never quoted: it may be a private key given by mistake.

    """
    if isinstance(raw, RawTransaction):
        return raw
    if not isinstance(raw, str):
        raise _wrong(f"is {_describe_type(raw)}, not a string of hex digits")
    data = _decode_hex(raw)
    kind = _judge_type(data)
    canonical = _judge_envelope(data, kind)
    return RawTransaction("0x" + data.hex(), "0x" + keccak256(canonical).hex(), kind or 0)


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 of ``data``, 32 bytes (the padding of 2011, not SHA3-256's)."""
    return _load_keccak()(data=data, digest_bits=256).digest()


@cache
def _load_keccak() -> "Callable[..., Keccak_Hash]":
    from Crypto.Hash import keccak  # on first use: `rpc` does not need it

    return keccak.new


def _wrong(what: str) -> UsageError:
    return UsageError(f"raw transaction {what}", example=_GOOD)


def _describe_type(raw: object) -> str:
    return "None" if raw is None else f"of type {type(raw).__name__}"


def _decode_hex(text: str) -> bytes:
    digits = text.strip(" \t\r\n") if len(text) <= LONGEST_TEXT else text
    if len(digits) > 2 * MAX_SIZE + 2:
        # Its length may be unknown: only the beginning of an overlong line is read.
        raise _wrong(f"is too long: the limit is {MAX_SIZE} bytes (1 MiB)")
    digits = digits[2:] if digits[:2] in ("0x", "0X") else digits
    if not digits:
        raise _wrong("is empty")
    if len(digits) > 2 * MAX_SIZE:
        raise _wrong(f"is too long: the limit is {MAX_SIZE} bytes (1 MiB)")
    data = _bytes_of(digits)
    if data is None:
        foreign = re.search(r"[^0-9a-fA-F]", digits)
        if foreign is not None:
            raise _wrong(_describe_text(text.strip(" \t\r\n"), foreign))
        raise _wrong(f"has an odd number of hex digits ({len(digits)}): one is missing")
    if len(data) in (20, 32) and not _is_signed_legacy(data):
        raise _wrong(_describe_bytes(digits))
    return data


def _bytes_of(digits: str) -> bytes | None:
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        return None
    return data if 2 * len(data) == len(digits) else None  # else `fromhex` skipped blanks


def _describe_text(text: str, foreign: re.Match[str]) -> str:
    if text[0] in "{[\"'":
        return "looks like JSON or quoted text"
    if "://" in text:
        return "is a URL: pass endpoints with --rollup.sequencer-http"
    if "/" in text or text.lower().endswith(".txt") or os.path.isfile(text):
        return "is the name of a file: use --file"
    character, position = foreign.group(), foreign.start() + 1
    what = "a blank" if character.isspace() else f"'{escape(character)}'"
    return f"is not hex: {what} as digit {position}"


def _is_signed_legacy(data: bytes) -> bool:
    """Return whether the whole of ``data`` is a signed legacy transaction.

    Called only for data as long as a hash, a private key or an address. Of that length, a typed
    transaction is never sent: one private key in 500 looks like a transaction of unknown type.
    """
    try:
        _judge_envelope(data, None)
    except UsageError:
        return False
    return True


def _describe_bytes(digits: str) -> str:
    if len(digits) == 40:
        return _describe_address(digits)
    return (
        "is 32 bytes long: that is a transaction's hash (or a private key, "
        "which seqsend never needs)"
    )


def _describe_address(digits: str) -> str:
    # eth_utils knows addresses and their checksums; imported here because it loads pydantic.
    from eth_utils.address import to_checksum_address

    return f"is an address, {to_checksum_address('0x' + digits)}"


def _judge_type(data: bytes) -> int | None:
    """Return the type of the envelope (EIP-2718), or None for a legacy transaction."""
    first = data[0]
    if first >= 0xC0:
        return None
    if first >= 0x80:
        raise _wrong("is an RLP string: a typed transaction is sent without that wrapping")
    if first in _REFUSED:
        raise _wrong(_REFUSED[first])
    return first


def _judge_envelope(data: bytes, kind: int | None) -> bytes:
    """Return the bytes that are hashed.

    Raises:
        UsageError: they are not one whole RLP list, or not that of a signed transaction.

    """
    outer = read_item(data, 0 if kind is None else 1)
    name = "legacy" if kind is None else f"type-{kind}" if kind in _FIELDS else f"type-0x{kind:02x}"
    if not outer.is_list:
        raise _wrong(f"does not hold a list of fields after its type 0x{kind or 0:02x}")
    if outer.end != len(data):
        raise _wrong(f"has {format_count(len(data) - outer.end, 'byte')} too many at its end")
    fields = read_list(data, outer)
    if kind == _BLOB and len(fields) in _BLOB_NETWORK_ITEMS and fields[0].is_list:
        inner = fields[0]
        _judge_fields(read_list(data, inner), name, _FIELDS[kind])
        return data[:1] + data[inner.at : inner.end]
    if kind is None or kind in _FIELDS:
        _judge_fields(fields, name, _LEGACY_FIELDS if kind is None else _FIELDS[kind])
    return data


def _judge_fields(fields: list[Item], name: str, signed: int) -> None:
    # r and s are empty in what an EIP-155 signer hashes, and never in a signed transaction.
    if len(fields) == signed - 3 or (
        len(fields) == signed and not all(f.size for f in fields[-2:])
    ):
        raise _wrong(f"is a {name} transaction that is not signed")
    if len(fields) != signed:
        count = format_count(len(fields), "field")
        raise _wrong(f"has {count}; a signed {name} transaction has {signed}")


def read_list(data: bytes, outer: Item) -> list[Item]:
    """Return the items of a list.

    Raises:
        UsageError: they do not fill it exactly.

    """
    items, at, last = [], outer.start, outer.end
    while at < last:
        prefix = data[at]
        # Most fields are a single byte or a short string: those are read without a call for each.
        if prefix < 0x80:
            item = Item(at, at, at + 1, False)
        elif prefix < 0xB8 and at + prefix - 0x7F <= last:
            item = Item(at, at + 1, at + prefix - 0x7F, False)
        else:
            item = read_item(data, at)
        if item.end > last:
            raise _wrong("has a field that runs past the end of its list")
        items.append(item)
        at = item.end
    return items


def read_item(data: bytes, at: int) -> Item:
    """Read one RLP header (Yellow Paper, appendix B).

    Raises:
        UsageError: the data ends before its payload does.

    Used instead of the `rlp` package, which loads eth_utils, because only headers are needed.
    """
    if at >= len(data):
        raise _wrong("ends after its type: it is cut off")
    prefix = data[at]
    if prefix < 0x80:
        return Item(at, at, at + 1, is_list=False)
    is_list = prefix >= 0xC0
    length = prefix - (0xC0 if is_list else 0x80)
    start = at + 1
    if length > 55:
        size_of_length = length - 55
        length = int.from_bytes(data[start : start + size_of_length], "big")
        start += size_of_length
    if start + length > len(data):
        missing = start + length - len(data)
        verb = "is" if missing == 1 else "are"
        raise _wrong(f"is cut off: at least {format_count(missing, 'byte')} {verb} missing")
    return Item(at, start, start + length, is_list)
