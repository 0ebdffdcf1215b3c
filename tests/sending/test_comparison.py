"""One sentence names the difference between a transaction and its chain."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend.endpoints import parse_endpoints
from seqsend.explanation import Access, Authorization, ChainState, Content, Decoded
from seqsend.sending.comparison import explain, least_gas, most_it_can_cost

GWEI, ETHER = 10**9, 10**18
ADDRESS, OTHER = "0x" + "ab" * 20, "0x" + "cd" * 32
(ENDPOINT,) = parse_endpoints("http://seq1:8545")
GOOD = Content(
    chain_id=10,
    nonce=5,
    to=ADDRESS,
    value=ETHER,
    gas_limit=21_000,
    data=b"",
    sender=ADDRESS,
    max_fee_per_gas=2 * GWEI,
    max_priority_fee_per_gas=GWEI,
)
CHAIN = ChainState(
    ENDPOINT,
    chain_id=10,
    next_nonce=5,
    pending_nonce=5,
    balance=2 * ETHER,
    base_fee=GWEI,
    block_gas_limit=30_000_000,
    has_data_floor=True,
)
INITCODE = b"\x60" * 49_153


def decoded(content: Content | None = GOOD, **more: object) -> Decoded:
    return replace(Decoded("0x" + "ee" * 32, 2, 120, content), **more)  # type: ignore[arg-type]


def test_nothing_speaks_against_a_good_transaction() -> None:
    found = explain(decoded(), CHAIN)
    assert not found.speaks_against
    compared = "(chain id, nonce, balance, fees, gas limit)"
    assert found.sentence == f"found no reason not to send it {compared}"


@pytest.mark.parametrize(
    ("content", "chain", "sentence"),
    [
        ({"chain_id": 1}, {}, "it is signed for chain 1, but this is chain 10"),
        ({"nonce": 3}, {}, "its nonce 3 is spent: the sender's next nonce is 5"),
        (
            {"nonce": 3},
            {"same_nonce": OTHER},
            f"its nonce 3 is spent by transaction {OTHER}: the sender's next nonce is 5",
        ),
        ({"nonce": 6}, {}, "its nonce 6 leaves a gap: nonce 5 is missing"),
        ({"nonce": 9}, {}, "its nonce 9 leaves a gap: nonces 5 to 8 are missing"),
        ({"nonce": 9}, {"pending_nonce": 8}, "its nonce 9 leaves a gap: nonce 8 is missing"),
        ({"nonce": 9}, {"pending_nonce": None}, "leaves a gap: nonces 5 to 8 are missing"),
        (
            {},
            {"pending_nonce": 6},
            "another transaction of the sender with nonce 5 is in the pool",
        ),
        ({}, {"same_nonce": OTHER}, f"with nonce 5 is in the pool: {OTHER}"),
        ({}, {"balance": ETHER + 42_000 * GWEI}, None),
        ({}, {"balance": ETHER + 42_000 * GWEI - 1}, "the sender has 1.000041999999999999 ether"),
        (
            {"value": 2 * ETHER},
            {},
            (
                "it needs 2.000042 ether for its value and the most that its gas can cost, "
                "but the sender has 2 ether"
            ),
        ),
        (
            {"blob_hashes": (OTHER,) * 6, "max_fee_per_blob_gas": 2 * 10**12},
            {},
            "it needs 2.572906 ether for its value and the most",
        ),
        (
            {"max_fee_per_gas": GWEI - 1, "max_priority_fee_per_gas": 0},
            {},
            "its max fee of 0.999999999 gwei is below the base fee of 1 gwei",
        ),
        (
            {"max_fee_per_gas": None, "max_priority_fee_per_gas": None, "gas_price": 7},
            {},
            "its gas price of 0.000000007 gwei is below the base fee of 1 gwei",
        ),
        (
            {"max_priority_fee_per_gas": 3 * GWEI},
            {},
            "its priority fee of 3 gwei is above its max fee of 2 gwei",
        ),
        ({"max_priority_fee_per_gas": 2 * GWEI}, {}, None),
        ({"gas_limit": 20_999}, {}, "its gas limit of 20999 is below the minimum of 21000"),
        (
            {"gas_limit": 30_000_001},
            {},
            "its gas limit of 30000001 is above the block gas limit of 30000000",
        ),
        (
            {"to": None, "data": INITCODE, "gas_limit": 10_000_000},
            {},
            "its initcode has 49153 bytes, but only 49152 are allowed",
        ),
        ({"sender": None, "problem": "v is 29"}, {}, "no account can have signed it: v is 29"),
    ],
)
def test_the_difference_is_named(
    content: dict[str, object], chain: dict[str, object], sentence: str | None
) -> None:
    theirs = replace(CHAIN, **chain)  # type: ignore[arg-type]
    found = explain(decoded(replace(GOOD, **content)), theirs)  # type: ignore[arg-type]
    assert found.speaks_against == (sentence is not None)
    assert sentence is None or sentence in found.sentence


def test_the_difference_that_nodes_check_first_is_named() -> None:
    poor = replace(CHAIN, balance=0, base_fee=9 * GWEI, chain_id=1, next_nonce=9)
    for chain, word in (
        (poor, "signed for chain"),
        (replace(poor, chain_id=10), "is spent"),
        (replace(poor, chain_id=10, next_nonce=0, pending_nonce=0), "it needs"),
        (replace(CHAIN, base_fee=9 * GWEI, next_nonce=0, pending_nonce=0), "below the base fee"),
        (replace(CHAIN, next_nonce=0, pending_nonce=0), "leaves a gap"),
    ):
        assert word in explain(decoded(), chain).sentence


def test_nothing_speaks_against_a_transaction_that_the_endpoint_has() -> None:
    found = explain(decoded(), replace(CHAIN, is_there=True, next_nonce=6))
    assert (found.speaks_against, found.sentence) == (False, "the endpoint has this transaction")


def test_values_that_the_endpoint_did_not_return_are_named_but_not_held_against_it() -> None:
    found = explain(decoded(), ChainState(ENDPOINT, chain_id=10, base_fee=1))
    assert not found.speaks_against
    assert "(chain id, fees; unknown: nonce, balance, gas limit)" in found.sentence
    silent = explain(decoded(), None)
    assert (silent.speaks_against, silent.sentence.partition(":")[0]) == (False, "not known")


def test_a_legacy_transaction_without_a_chain_id_fits_every_chain() -> None:
    assert not explain(decoded(replace(GOOD, chain_id=None)), CHAIN).speaks_against


@pytest.mark.parametrize(
    ("known", "against", "said"),
    [(True, True, "it is malformed: a reason"), (False, False, "it cannot be compared")],
)
def test_a_transaction_that_cannot_be_decoded_is_malformed_or_of_an_unknown_type(
    *, known: bool, against: bool, said: str
) -> None:
    found = explain(decoded(None, problem="a reason", is_known_type=known), CHAIN)
    assert found.speaks_against == against
    assert found.sentence.startswith(said)


# Worked out by hand from the EIPs.
@pytest.mark.parametrize(
    ("content", "gas", "gas_with_floor"),
    [
        ({}, 21_000, 21_000),
        ({"data": b"\0" * 10}, 21_040, 21_100),  # EIP-2028; EIP-7623: 10 tokens
        ({"data": b"\1" * 10}, 21_160, 21_400),  # 40 tokens
        ({"data": b"\0\1"}, 21_020, 21_050),
        ({"to": None}, 53_000, 53_000),  # EIP-2
        ({"to": None, "data": b"\1" * 33}, 53_532, 53_532),  # EIP-3860: two words
        ({"access_list": (Access(ADDRESS, (OTHER, OTHER)), Access(ADDRESS, ()))}, 29_600, 29_600),
        ({"authorizations": (Authorization(0, ADDRESS, 0, None),) * 2}, 71_000, 71_000),
    ],
)
def test_the_least_gas_follows_the_eips(
    content: dict[str, object], gas: int, gas_with_floor: int
) -> None:
    each = replace(GOOD, **content)  # type: ignore[arg-type]
    assert least_gas(each, has_data_floor=False) == gas
    assert least_gas(each, has_data_floor=True) == gas_with_floor


@given(*[st.integers(0, 2**n - 1) for n in (64, 256, 64, 256, 256, 256)])
def test_no_number_is_too_large_for_a_sentence(  # noqa: PLR0917
    nonce: int, value: int, gas: int, fee: int, balance: int, base_fee: int
) -> None:
    content = replace(GOOD, nonce=nonce, value=value, gas_limit=gas, max_fee_per_gas=fee)
    chain = replace(CHAIN, balance=balance, base_fee=base_fee)
    found = explain(decoded(content), chain)
    assert found.sentence
    affordable = most_it_can_cost(content) <= balance
    assert affordable or found.speaks_against
