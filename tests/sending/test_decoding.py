"""A decoded transaction holds what its signer signed, or it has no sender."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]
from eth_account import Account
from eth_utils.address import to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsend.errors import UsageError
from seqsend.explanation import Content, Decoded
from seqsend.render.decoded import decoded_document, decoded_text
from seqsend.sending import signatures
from seqsend.sending.decoding import chain_id_of, decode
from seqsend.sending.transaction import parse_raw_transaction
from tests.support.documents import ROOT
from tests.support.wallet import Wallet

WALLET = Wallet(0)
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
NO_POINT = 5  # no point of secp256k1 has this x


def _number(most: int) -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from([0, 1, 127, 128, most]), st.integers(0, most))


KEYS = st.one_of(st.sampled_from([1, ORDER - 1]), st.integers(1, ORDER - 1))
WORDS, AMOUNTS = _number(2**64 - 1), _number(2**256 - 1)
CHAIN_IDS = st.one_of(st.sampled_from([1, 10, 31337, 2**53 + 1]), st.integers(1, 2**64))
ADDRESSES = st.binary(min_size=20, max_size=20).map(to_checksum_address)
HASHES = st.binary(min_size=32, max_size=32).map(lambda b: "0x" + b.hex())
DATA = st.one_of(
    st.just(b""),
    st.binary(max_size=80),
    st.sampled_from([b"\0", b"\x7f", b"\x80", b"a" * 55, b"a" * 56, b"\xff" * 70_000]),
)
ACCESS = st.lists(
    st.fixed_dictionaries({"address": ADDRESSES, "storageKeys": st.lists(HASHES, max_size=3)}),
    max_size=3,
)
COMMON: dict[str, st.SearchStrategy[Any]] = {
    "nonce": WORDS,
    "gas": WORDS,
    "value": AMOUNTS,
    "data": DATA,
}
PRICE = {"gasPrice": AMOUNTS}
FEES = {"maxFeePerGas": AMOUNTS, "maxPriorityFeePerGas": AMOUNTS}
ANYWHERE = {"to": st.one_of(ADDRESSES, st.just(b""))}
TO = {"to": ADDRESSES}
TYPED = {"chainId": CHAIN_IDS, "accessList": ACCESS}
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "legacy, every chain": COMMON | PRICE | ANYWHERE,
    "legacy": COMMON | PRICE | ANYWHERE | {"chainId": CHAIN_IDS},
    "type 1": COMMON | PRICE | ANYWHERE | TYPED | {"type": st.just(1)},
    "type 2": COMMON | FEES | ANYWHERE | TYPED | {"type": st.just(2)},
    "type 3": COMMON
    | FEES
    | TO
    | TYPED
    | {
        "type": st.just(3),
        "maxFeePerBlobGas": AMOUNTS,
        "blobVersionedHashes": st.lists(
            HASHES.map(lambda text: "0x01" + text[4:]), min_size=1, max_size=3
        ),
    },
    "type 4": COMMON | FEES | TO | TYPED | {"type": st.just(4)},
}
AUTHORIZATIONS = st.lists(
    st.tuples(
        KEYS,
        st.fixed_dictionaries(
            {"chainId": st.one_of(st.just(0), CHAIN_IDS), "address": ADDRESSES, "nonce": WORDS}
        ),
    ),
    min_size=1,
    max_size=2,
)


def _account(key: int) -> Any:
    return Account.from_key(key.to_bytes(32, "big"))


def content_of(raw: str) -> Content:
    content = decode(raw).content
    assert content is not None
    return content


@pytest.mark.parametrize("kind", FIELDS)
@settings(max_examples=500)
@given(data=st.data())
def test_decoding_agrees_with_eth_account(kind: str, data: st.DataObject) -> None:
    account = _account(data.draw(KEYS))
    fields = data.draw(st.fixed_dictionaries(FIELDS[kind]))
    authorities = []
    if kind == "type 4":
        drawn = [(_account(key), given) for key, given in data.draw(AUTHORIZATIONS)]
        authorities = [signer.address for signer, _ in drawn]
        fields["authorizationList"] = [signer.sign_authorization(of) for signer, of in drawn]
    signed = account.sign_transaction(fields)
    raw = signed.raw_transaction.to_0x_hex()
    found = decoded_document(decode(raw))
    assert (found["hash"], found["sender"]) == (signed.hash.to_0x_hex(), account.address)
    assert found["chain_id"] == fields.get("chainId") == chain_id_of(parse_raw_transaction(raw))
    assert found["to"] == (fields["to"] or None)
    assert (found["nonce"], found["gas_limit"]) == (fields["nonce"], fields["gas"])
    assert content_of(raw).data == fields["data"]
    for name, theirs in (
        ("value", "value"),
        ("gas_price", "gasPrice"),
        ("max_fee_per_gas", "maxFeePerGas"),
        ("max_priority_fee_per_gas", "maxPriorityFeePerGas"),
        ("max_fee_per_blob_gas", "maxFeePerBlobGas"),
    ):
        assert found[name] == (str(fields[theirs]) if theirs in fields else None)
    access = [(e["address"], e["storage_keys"]) for e in found["access_list"] or ()]
    assert access == [(e["address"], e["storageKeys"]) for e in fields.get("accessList", ())]
    assert found["blob_hashes"] == fields.get("blobVersionedHashes")
    assert [each["authority"] for each in found["authorizations"] or ()] == authorities
    assert account.address in decoded_text(decode(raw))


@pytest.mark.parametrize("sidecar", ["blob proofs", "cell proofs"])
def test_a_blob_transaction_in_network_form_has_the_canonical_hash_and_sender(sidecar: str) -> None:
    network, canonical = WALLET.sign_blob(sidecar, nonce=3), WALLET.sign(3, nonce=3)
    assert decode(network.raw).hash == canonical.hash
    content = content_of(network.raw)
    assert content.has_sidecar
    assert content.sender == WALLET.address.lower()
    assert "1, with sidecar" in decoded_text(decode(network.raw))


# ---- Signatures that no signer makes ----


def _resigned(kind: int, *signature: int) -> str:
    """Return a transaction whose last fields are replaced by ``signature``."""
    raw = bytes.fromhex(WALLET.sign(kind, nonce=7).raw[2:])
    prefix = b"" if kind == 0 else raw[:1]
    fields = rlp.decode(raw[len(prefix) :])
    ours = [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in signature]
    whole: bytes = prefix + rlp.encode([*fields[: -len(ours)], *ours])
    return whole.hex()


GOOD_S = ORDER // 2


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(
    ("r", "s", "said"),
    [
        (ORDER, 1, "r of the signature is out of range"),
        (2**256 - 1, 1, "r of the signature is out of range"),
        (1, ORDER, "s of the signature is out of range"),
        (1, GOOD_S + 1, "upper half of its range, which EIP-2 forbids"),
        (NO_POINT, 1, "no public key fits the signature"),
    ],
)
def test_a_signature_out_of_range_has_no_sender(kind: int, r: int, s: int, said: str) -> None:
    content = content_of(_resigned(kind, r, s))
    assert content.sender is None
    assert said in (content.problem or "")
    assert f"none: {content.problem}" in decoded_text(decode(_resigned(kind, r, s)))


def test_the_largest_s_that_eip_2_allows_has_a_sender() -> None:
    assert content_of(_resigned(2, 1, GOOD_S)).sender is not None


@pytest.mark.parametrize(
    ("kind", "parity", "said"),
    [
        (0, 0, "v is 0, which no signer makes"),
        (0, 29, "v is 29, which no signer makes"),
        (0, 34, "v is 34, which no signer makes"),
        (1, 2, "y_parity is 2, which no signer makes"),
        (2, 27, "y_parity is 27, which no signer makes"),
    ],
)
def test_an_impossible_parity_has_no_sender(kind: int, parity: int, said: str) -> None:
    assert content_of(_resigned(kind, parity, 1, 1)).problem == said


def test_an_authorization_without_a_signer_is_shown_with_the_reason() -> None:
    raw = bytes.fromhex(WALLET.sign(4, nonce=7).raw[2:])
    fields = rlp.decode(raw[1:])
    authorization = fields[9][0]
    fields[9] = [[*authorization[:3], b"\x02", *authorization[4:]], authorization]
    decoded = decode((raw[:1] + rlp.encode(fields)).hex())
    assert decoded.content is not None
    bad, good = decoded.content.authorizations or ()
    assert (bad.authority, bad.problem) == (None, "y_parity is 2, which no signer makes")
    assert good.authority == WALLET.address.lower()
    assert f"nobody ({bad.problem})" in decoded_text(decoded)


# ---- Transactions that cannot be decoded ----


def _with_field(kind: int, position: int, value: Any) -> str:
    raw = bytes.fromhex(WALLET.sign(kind, nonce=7).raw[2:])
    prefix = b"" if kind == 0 else raw[:1]
    fields = list(rlp.decode(raw[len(prefix) :]))
    fields[position] = value
    whole: bytes = prefix + rlp.encode(fields)
    return whole.hex()


def _long_form(raw: str) -> str:
    """Return the transaction with one byte more than needed in the length of its list."""
    data = bytes.fromhex(raw[2:])
    assert data[1] == 0xF8
    return (data[:1] + b"\xf9\0" + data[2:]).hex()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("0x7bc0", "transactions of type 0x7b are not known here"),
        ("0x00c0", "transactions of type 0x00 are not known here"),
        (_with_field(2, 1, b"\0"), "its field nonce has leading zeros"),
        (_with_field(2, 1, b"\1" * 9), "its field nonce is longer than 8 bytes"),
        (_with_field(2, 1, [b"\1"]), "its field nonce is a list"),
        (_with_field(0, 3, b"\1" * 19), "its field to must have 20 bytes, not 19"),
        (_with_field(3, 5, b""), "its field to must have 20 bytes, not 0"),
        (_with_field(4, 5, b""), "its field to must have 20 bytes, not 0"),
        (_with_field(2, 6, b"\1" * 33), "its field value is longer than 32 bytes"),
        (_with_field(2, 8, b"\1"), "its field access_list is not a list"),
        (_with_field(2, 8, [b"\1"]), "its field access_list has an entry that is not a list of 2"),
        (
            _with_field(2, 8, [[b"\1" * 20]]),
            "its field access_list has an entry that is not a list of 2",
        ),
        (
            _with_field(2, 8, [[b"\1" * 20, [b"\1" * 31]]]),
            "entry must have 32 bytes, not 31",
        ),
        (_with_field(3, 10, [[]]), "its field blob_hashes entry is a list"),
        (
            _with_field(4, 9, [[b"\1"] * 5]),
            "its field authorizations has an entry that is not a list of 6",
        ),
        (_long_form(WALLET.sign(2, nonce=7).raw), "is not canonical RLP"),
    ],
)
def test_hash_and_size_are_shown_even_if_the_rest_cannot_be_decoded(raw: str, said: str) -> None:
    decoded = decode(raw)
    assert decoded.content is None
    assert said in str(decoded.problem)
    assert decoded.hash == parse_raw_transaction(raw).hash
    assert decoded.size == len(bytes.fromhex(raw.removeprefix("0x")))
    lines = decoded_text(decoded).splitlines()
    assert [line.split()[0] for line in lines] == ["hash", "type", "not", "size"]


KNOWN = [bytes.fromhex(WALLET.sign(kind, nonce=7).raw[2:]) for kind in range(5)]


def _recovered(raw: str) -> str | None:
    with suppress(Exception):
        return str(Account.recover_transaction(raw)).lower()
    return None


@settings(max_examples=1000)
@given(st.data())
def test_no_mutation_crashes_the_decoder_or_yields_a_wrong_sender(data: st.DataObject) -> None:
    known = data.draw(st.sampled_from(KNOWN))
    start = data.draw(st.integers(0, len(known) - 1))
    length = data.draw(st.integers(0, 3))
    patch = data.draw(st.binary(max_size=3))
    raw = "0x" + (known[:start] + patch + known[start + length :]).hex()
    try:
        decoded = decode(raw)
    except UsageError:
        return
    assert json.dumps(decoded_document(decoded))
    assert decoded_text(decoded)
    if decoded.content is not None and decoded.content.sender is not None:
        assert _recovered(raw) in (decoded.content.sender, None)


def test_deep_nesting_is_harmless() -> None:
    nested = b"\xc0"
    for _ in range(5_000):
        nested = b"\xfa" + len(nested).to_bytes(3, "big") + nested
    fields = [b""] * 8 + [nested] + [b"\1"] * 3
    body = b"".join(f if len(f) > 1 else f or b"\x80" for f in fields)
    decoded = decode((b"\x02\xfa" + len(body).to_bytes(3, "big") + body).hex())
    assert decoded.content is None


@pytest.mark.parametrize("kind", range(5))
def test_the_sender_is_recovered_without_coincurve_too(
    kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, nobody = WALLET.sign(kind, nonce=1).raw, _resigned(kind, NO_POINT, 1)
    monkeypatch.setitem(sys.modules, "coincurve", None)
    monkeypatch.setenv("ECC_BACKEND_CLASS", "eth_keys.backends.NotThere")
    signatures._curve.cache_clear()
    try:
        assert content_of(raw).sender == WALLET.address.lower()
        assert content_of(nobody).sender is None
        assert "_pure_curve" in signatures._curve().__qualname__
    finally:
        signatures._curve.cache_clear()


# ---- Compared with another program ----

_PEERS = ROOT / "tests" / "bench" / "peers" / "node_modules" / "@foundry-rs"


def _find_cast() -> str:
    beside = [*_PEERS.glob("cast-*/bin/cast"), Path(".venv/bin/cast")]
    found = shutil.which("cast") or next((str(p) for p in beside if os.access(p, os.X_OK)), None)
    if found is None:
        pytest.skip("cast is not installed: sh tests/bench/run.sh installs it")
    return found


@pytest.mark.parametrize("kind", range(5))
def test_decoding_agrees_with_cast(kind: int) -> None:
    raw = WALLET.sign(kind, nonce=300, value=10**18 + 1).raw
    said = subprocess.run(
        [_find_cast(), "decode-transaction", raw, "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    theirs = json.loads(said.stdout)
    theirs = json.loads(theirs) if isinstance(theirs, str) else theirs  # cast 1.7 quotes the object
    ours = decoded_document(decode(raw))
    assert ours["hash"] == theirs["hash"]
    assert str(ours["sender"]).lower() == theirs["signer"].lower()
    for name, quantity in (
        ("chain_id", "chainId"),
        ("nonce", "nonce"),
        ("value", "value"),
        ("gas_limit", "gas"),
        ("gas_price", "gasPrice"),
        ("max_fee_per_gas", "maxFeePerGas"),
        ("max_priority_fee_per_gas", "maxPriorityFeePerGas"),
        ("max_fee_per_blob_gas", "maxFeePerBlobGas"),
    ):
        if quantity in theirs:
            assert int(ours[name]) == int(theirs[quantity], 16), name


def test_a_transaction_of_an_unknown_type_has_every_key_in_json() -> None:
    known = decoded_document(decode(WALLET.sign(2, nonce=1).raw))
    strange = decoded_document(Decoded("0x" + "00" * 32, 0x7B, 2, None, "not known"))
    assert known.keys() == strange.keys()
