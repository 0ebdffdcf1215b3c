"""Decoded transactions as aligned lines and as JSON."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

# Writes addresses with their checksums (EIP-55). It loads pydantic: no module that a successful
# call needs may import it.
from eth_utils.address import to_checksum_address

from seqsend.explanation import Authorization, Content, Decoded
from seqsend.units import format_ether, format_gwei

_STANDARDS: Mapping[int, str] = MappingProxyType(
    {0: "legacy", 1: "EIP-2930", 2: "EIP-1559", 3: "EIP-4844", 4: "EIP-7702"}
)
_FEES: Mapping[str, str] = MappingProxyType(
    {
        "gas_price": "gas price",
        "max_fee_per_gas": "max fee",
        "max_priority_fee_per_gas": "priority fee",
        "max_fee_per_blob_gas": "blob fee",
    }
)
_WIDTH = 16  # of the names, with the blanks after them

Row = tuple[str, str]


def decoded_document(decoded: Decoded) -> dict[str, Any]:
    """Return a transaction's JSON object; a field that is not known, or not of its type, is null.

    Amounts are in wei, as decimal strings: many JSON readers lose digits of numbers that large.
    """
    head = {"hash": decoded.hash, "type": decoded.type, "size": decoded.size}
    content = decoded.content
    if content is None:
        return head | dict.fromkeys(_KEYS) | {"problem": decoded.problem}
    found: dict[str, Any] = {
        "chain_id": content.chain_id,
        "sender": _checksummed(content.sender),
        "nonce": content.nonce,
        "to": _checksummed(content.to),
        "value": str(content.value),
        "gas_limit": content.gas_limit,
        **{name: _amount(getattr(content, name)) for name in _FEES},
        "data_size": len(content.data),
        "selector": selector(content),
        "access_list": _access_list(content),
        "blob_hashes": None if content.blob_hashes is None else list(content.blob_hashes),
        "has_sidecar": content.has_sidecar,
        "authorizations": _authorizations(content),
        "problem": content.problem,
    }
    return head | found


_KEYS = (
    *("chain_id", "sender", "nonce", "to", "value", "gas_limit", *_FEES, "data_size"),
    *("selector", "access_list", "blob_hashes", "has_sidecar", "authorizations"),
)


def decoded_text(decoded: Decoded) -> str:
    """Return a transaction as aligned lines."""
    rows: list[Row] = [("hash", decoded.hash), ("type", _describe_type(decoded))]
    if decoded.content is None:
        rows.append(("not decoded", str(decoded.problem)))
    else:
        rows += _rows(decoded.content)
    rows.append(("size", count(decoded.size, "byte")))
    return aligned(rows)


def aligned(rows: Iterable[Row]) -> str:
    """Return rows of a name and a text as lines, with the texts aligned."""
    return "\n".join(f"{name:<{_WIDTH}}{text}" for name, text in rows)


def count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 byte``, ``2 bytes``."""
    plural = noun if number == 1 else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {plural}"


def selector(content: Content) -> str | None:
    """Return the first four bytes of the data of a call, which name the function, or None."""
    called = content.to is not None and len(content.data) >= 4
    return f"0x{content.data[:4].hex()}" if called else None


def _describe_type(decoded: Decoded) -> str:
    standard = _STANDARDS.get(decoded.type) if decoded.content is not None else None
    return f"{decoded.type} ({standard})" if standard else f"0x{decoded.type:02x}"


def _rows(content: Content) -> Iterator[Row]:
    everywhere = "none: valid on every chain (not EIP-155)"
    yield "chain id", everywhere if content.chain_id is None else str(content.chain_id)
    yield "sender", _checksummed(content.sender) or f"none: {content.problem}"
    yield "nonce", str(content.nonce)
    yield "to", _checksummed(content.to) or "none: creates a contract"
    yield "value", f"{content.value} wei ({format_ether(content.value)})"
    yield "gas limit", str(content.gas_limit)
    for name, shown in _FEES.items():
        price = getattr(content, name)
        if price is not None:
            yield shown, f"{price} wei ({format_gwei(price)})"
    yield "data", _describe_data(content)
    if content.access_list is not None:
        yield "access list", count(len(content.access_list), "address")
        for entry in content.access_list:
            address = to_checksum_address(entry.address)
            yield "", f"{address}, {count(len(entry.storage_keys), 'storage key')}"
    if content.blob_hashes is not None:
        sidecar = "with" if content.has_sidecar else "without"
        yield "blobs", f"{len(content.blob_hashes)}, {sidecar} sidecar"
        yield from (("", blob) for blob in content.blob_hashes)
    if content.authorizations is not None:
        yield "authorizations", str(len(content.authorizations))
        yield from (("", _describe_authorization(each)) for each in content.authorizations)


def _describe_data(content: Content) -> str:
    if not content.data:
        return "none"
    name = selector(content)
    return count(len(content.data), "byte") + (f", selector {name}" if name else "")


def _describe_authorization(each: Authorization) -> str:
    by = _checksummed(each.authority) or f"nobody ({each.problem})"
    where = "every chain" if each.chain_id == 0 else f"chain {each.chain_id}"
    return f"{by} to {to_checksum_address(each.address)}, nonce {each.nonce}, {where}"


def _checksummed(address: str | None) -> str | None:
    return None if address is None else to_checksum_address(address)


def _amount(wei: int | None) -> str | None:
    return None if wei is None else str(wei)


def _access_list(content: Content) -> list[dict[str, Any]] | None:
    if content.access_list is None:
        return None
    return [
        {"address": to_checksum_address(e.address), "storage_keys": list(e.storage_keys)}
        for e in content.access_list
    ]


def _authorizations(content: Content) -> list[dict[str, Any]] | None:
    if content.authorizations is None:
        return None
    return [
        {
            "chain_id": each.chain_id,
            "address": to_checksum_address(each.address),
            "nonce": each.nonce,
            "authority": _checksummed(each.authority),
            "problem": each.problem,
        }
        for each in content.authorizations
    ]
