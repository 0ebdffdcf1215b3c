"""Raw transactions are checked and hashed before anything is sent."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from seqsend import SequencerClient
from seqsend.errors import UsageError
from seqsend.sending.transaction import MAX_SIZE, parse_raw_transaction
from tests.support.node import Anvil
from tests.support.wallet import Wallet

WALLET = Wallet(0)
SIGNED = {kind: WALLET.sign(kind, nonce=7) for kind in (0, 1, 2, 3, 4)}


def fields(count: int, *, signed: bool = True) -> list[object]:
    last = [b"\x01", b"\x02"] if signed else [b"", b""]
    return [*([b""] * (count - 2)), *last]


@pytest.mark.parametrize("kind", SIGNED)
def test_the_hash_is_the_one_that_the_wallet_computed(kind: int) -> None:
    parsed = parse_raw_transaction(SIGNED[kind].raw)
    assert (parsed.hash, parsed.type) == (SIGNED[kind].hash, kind)
    assert parsed.hex == SIGNED[kind].raw


def test_hex_is_accepted_in_every_spelling_and_sent_in_one() -> None:
    plain = parse_raw_transaction(SIGNED[2].raw)
    bare = SIGNED[2].raw[2:]
    for spelling in (bare, f"  0x{bare}\n", f"0X{bare.upper()}", f"\t{bare.upper()} "):
        assert parse_raw_transaction(spelling) == plain


@pytest.mark.parametrize("sidecar", ["blob proofs", "cell proofs"])
def test_a_node_accepts_a_blob_transaction_under_the_hash_computed_here(sidecar: str) -> None:
    with Anvil() as node, SequencerClient(node.url) as client:
        signed = WALLET.sign_blob(sidecar, nonce=0)
        sent = client.send_raw_transaction(signed.raw)
        assert (sent.status, sent.hash) == ("accepted", signed.hash)
        assert node.has_transaction(signed.hash)


@pytest.mark.parametrize("wrapped", [[b"blobs"], [b"\x01", b"blobs"]])
def test_a_blob_transaction_in_network_form_hashes_without_its_sidecar(
    wrapped: list[bytes],
) -> None:
    canonical = rlp.encode(fields(14))
    network = [fields(14), *wrapped, b"commitments", b"proofs"]
    in_network_form = parse_raw_transaction((b"\x03" + rlp.encode(network)).hex())
    assert in_network_form.hash == parse_raw_transaction((b"\x03" + canonical).hex()).hash
    assert in_network_form.hex.endswith(rlp.encode(b"proofs").hex())


GOOD = bytes.fromhex(SIGNED[2].raw[2:])
ADDRESS = "0x" + "ab" * 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("0x", "is empty"),
        ("0x123", r"odd number of hex digits \(3\)"),
        ("0x12g4", "is not hex: 'g' as digit 3"),
        ("0x12 34", "is not hex: a blank as digit 3"),
        ("0x12\x1b4", r"is not hex: '\\u001b' as digit 3"),
        ("٠٢", "is not hex"),
        ('{"raw":"0x02"}', "looks like JSON"),
        ('"0x02"', "looks like JSON or quoted text"),
        ("0x" + "cd" * 32, "32 bytes long: that is a transaction's hash"),
        ("cd" * 32, "private key"),
        (ADDRESS, f"is an address, {to_checksum_address(ADDRESS)}"),
        ("0x7ef8", "deposit transaction"),
        ("0x7ec0", "deposit transaction"),
        ("0x71c0", "zkSync transaction .*`seqsend rpc eth_sendRawTransaction` can send it"),
        ("0x7f", "cut off"),
        ("0x7b80", "does not hold a list of fields after its type 0x7b"),
        ("0x7bc100ff", "has 1 byte too many at its end"),
        ("0x76c282", "is cut off: at least 1 byte is missing"),
        ("0x76c282ff", "is cut off|runs past the end of its list"),
        # As long as a hash or a private key, and in the form of a typed transaction.
        ("0x7bde" + "01" * 30, "32 bytes long: that is a transaction's hash .or a private key"),
        ("0xdf" + "01" * 31, "32 bytes long"),
        ("0xd3" + "01" * 19, "is an address"),
        ("transactions.txt", "is the name of a file: use --file"),
        ("./signed", "is the name of a file: use --file"),
        ("/dev/stdin", "is the name of a file: use --file"),
        ("http://seq1:8545", "is a URL: pass endpoints with --rollup.sequencer-http"),
        ("\u2003", "is not hex"),
        (" " * (2 * MAX_SIZE + 65), "is too long"),
        ("0x" + rlp.encode(GOOD).hex(), "an RLP string"),
        ("0x02", "cut off"),
        ("0x0280", "does not hold a list"),
        ("0x02c0", "has 0 fields; a signed type-2 transaction has 12"),
        ("0xc0", "has 0 fields; a signed legacy transaction has 9"),
        ("0x" + GOOD[:-1].hex(), "is cut off: at least 1 byte is missing"),
        ("0x" + GOOD.hex() + "00", "has 1 byte too many"),
        ("0x" + (b"\x02" + rlp.encode(fields(9))).hex(), "type-2 transaction that is not signed"),
        ("0x" + (b"\x02" + rlp.encode(fields(12, signed=False))).hex(), "that is not signed"),
        ("0x" + rlp.encode(fields(6)).hex(), "legacy transaction that is not signed"),
        ("0x" + rlp.encode(fields(9, signed=False)).hex(), "legacy transaction that is not signed"),
        ("0xc282ff", "is cut off|runs past the end of its list"),
        ("0x01c3820102ff", "too many at its end"),
        ("00" * (MAX_SIZE + 1), "the limit is 1048576"),
    ],
)
def test_a_refusal_says_what_the_text_looks_like(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_raw_transaction(text)


# 0x7b is Celo's (CIP-64) and 0x76 Tempo's; the others are not in use.
@pytest.mark.parametrize("kind", [0x7B, 0x76, 0x00, 0x05, 0x70, 0x7D, 0x7F])
@pytest.mark.parametrize("size", [0, 17, 29, 31, 300])
def test_transactions_of_unknown_types_are_sent_unchanged(kind: int, size: int) -> None:
    raw = bytes([kind]) + rlp.encode([b"\x01"] * size)
    parsed = parse_raw_transaction(raw.hex())
    assert (parsed.hex, parsed.type) == ("0x" + raw.hex(), kind)
    assert parsed.hash == "0x" + keccak(raw).hex()


@pytest.mark.parametrize("size", [20, 32])
def test_a_legacy_transaction_as_short_as_an_address_or_a_hash_is_accepted(size: int) -> None:
    raw = rlp.encode([b"\x01"] * 8 + [b"\x81" * (size - 10)])
    assert len(raw) == size
    assert parse_raw_transaction(raw.hex()).hash == "0x" + keccak(raw).hex()


def test_the_name_of_an_existing_file_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "signed").write_text("")
    with pytest.raises(UsageError, match="use --file"):
        parse_raw_transaction("signed")


@pytest.mark.parametrize("raw", [None, b"\x02", b"0x02", 2, ["0x02"], {}])
def test_anything_but_a_string_is_a_usage_error(raw: Any) -> None:
    with pytest.raises(UsageError, match="not a string of hex digits"):
        parse_raw_transaction(raw)
    with (
        SequencerClient("http://127.0.0.1:1") as client,
        pytest.raises(UsageError, match="not a string of hex digits"),
    ):
        client.send_raw_transaction(raw)


def test_a_parsed_transaction_is_not_parsed_again() -> None:
    parsed = parse_raw_transaction(SIGNED[2].raw)
    assert parse_raw_transaction(parsed) is parsed


def test_a_transaction_just_within_the_limit_is_accepted() -> None:
    room = MAX_SIZE - 1 - len(rlp.encode(fields(12))) - 8
    filled = [b"\x11" * room, *fields(11)]
    raw = b"\x02" + rlp.encode(filled)
    assert MAX_SIZE - 16 < len(raw) <= MAX_SIZE
    assert parse_raw_transaction(raw.hex()).type == 2


def test_a_possible_private_key_is_never_shown() -> None:
    key = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
    for text in (key, f"0x{key}", f"{key} x", f"{key}0", f"'{key}'"):
        with pytest.raises(UsageError) as caught:
            parse_raw_transaction(text)
        assert key[:12] not in str(caught.value)


@given(st.text() | st.binary().map(bytes.hex))
def test_any_text_is_a_transaction_or_a_usage_error(text: str) -> None:
    with suppress(UsageError):
        parse_raw_transaction(text)


@given(st.data())
def test_a_damaged_transaction_is_refused_or_hashes_differently(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(GOOD) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda v: v != GOOD[position]))
    damaged = GOOD[:position] + bytes([value]) + GOOD[position + 1 :]
    with suppress(UsageError):
        assert parse_raw_transaction(damaged.hex()).hash != SIGNED[2].hash


_RLP = st.recursive(
    st.binary(max_size=70), lambda inner: st.lists(inner, max_size=14), max_leaves=30
)


@given(_RLP.filter(lambda value: isinstance(value, list)), st.sampled_from([0, 1, 2, 3, 4]))
def test_an_encoded_list_is_accepted_exactly_if_it_is_a_signed_transaction(
    value: list[object], kind: int
) -> None:
    raw = (bytes([kind]) if kind else b"") + rlp.encode(value)
    if len(raw) in (20, 32):
        return
    signed = {0: 9, 1: 11, 2: 12, 3: 14, 4: 13}[kind]
    is_signed = len(value) == signed and all(item not in (b"", []) for item in value[-2:])
    try:
        parse_raw_transaction(raw.hex())
    except UsageError:
        assert not is_signed
    else:
        assert is_signed or (kind == 3 and len(value) in (4, 5))
