"""`--conditional`: which conditions are accepted, and why the others are refused."""

import json
from typing import Any

import pytest

from seqsend.errors import UsageError
from seqsend.sending.conditions import parse_conditions

ADDRESS, WORD, OTHER = "0x" + "aB" * 20, "0x" + "cD" * 32, "0x" + "01" * 32
QUANTITIES = ["blockNumberMin", "blockNumberMax", "timestampMin", "timestampMax"]


@pytest.mark.parametrize("name", QUANTITIES)
@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (0, "0x0"),
        (100, "0x64"),
        (2**64 - 1, "0xffffffffffffffff"),
        ("0x0", "0x0"),
        ("0x64", "0x64"),
        ("0xFf", "0xFf"),
        ("0xffffffffffffffff", "0xffffffffffffffff"),
    ],
)
def test_numbers_become_quantities(name: str, value: Any, sent: str) -> None:
    assert parse_conditions(json.dumps({name: value})) == {name: sent}


@pytest.mark.parametrize("name", QUANTITIES)
@pytest.mark.parametrize(
    "value",
    [-1, 2**64, 1.0, True, None, "", "100", "0x", "0x064", "0x1" + "0" * 16, "0xg", " 0x1", [1]],
)
def test_anything_but_a_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{name} is not a number"):
        parse_conditions(json.dumps({name: value}))


@pytest.mark.parametrize("what", ["blockNumber", "timestamp"])
@pytest.mark.parametrize(
    ("least", "most", "good"),
    [(5, 5, True), (5, 6, True), (9, "0x10", True), (6, 5, False), ("0x10", 15, False)],
)
def test_a_minimum_above_its_maximum_is_refused(
    what: str,
    least: Any,
    most: Any,
    good: bool,  # noqa: FBT001
) -> None:
    text = json.dumps({f"{what}Min": least, f"{what}Max": most})
    if good:
        assert set(parse_conditions(text)) == {f"{what}Min", f"{what}Max"}
    else:
        with pytest.raises(UsageError, match=f"{what}Min is above {what}Max"):
            parse_conditions(text)


@pytest.mark.parametrize(
    "accounts",
    [{}, {ADDRESS: WORD}, {ADDRESS: {}}, {ADDRESS: {WORD: OTHER, OTHER: WORD}}],
)
def test_accounts_have_a_storage_root_or_slots(accounts: Any) -> None:
    given = {"knownAccounts": accounts, "blockNumberMax": "0x1"}
    assert parse_conditions(json.dumps(given)) == given


@pytest.mark.parametrize(
    ("accounts", "said"),
    [
        ([], "is not an object"),
        (WORD, "is not an object"),
        ({ADDRESS[:-1]: WORD}, "a key that is not an address"),
        ({ADDRESS + "0": WORD}, "a key that is not an address"),
        ({WORD: WORD}, "a key that is not an address"),
        ({ADDRESS: WORD[:-1]}, "neither a storage root nor slots"),
        ({ADDRESS: ADDRESS}, "neither a storage root nor slots"),
        ({ADDRESS: 1}, "neither a storage root nor slots"),
        ({ADDRESS: None}, "neither a storage root nor slots"),
        ({ADDRESS: [WORD]}, "neither a storage root nor slots"),
        ({ADDRESS: {WORD: 1}}, "neither a storage root nor slots"),
        ({ADDRESS: {WORD: WORD + "0"}}, "neither a storage root nor slots"),
        ({ADDRESS: {"0x1": WORD}}, "neither a storage root nor slots"),
        ({ADDRESS: WORD, ADDRESS[:-1] + "0": {WORD: None}}, "neither a storage root nor slots"),
    ],
)
def test_other_accounts_are_refused(accounts: Any, said: str) -> None:
    with pytest.raises(UsageError, match=f"knownAccounts .*{said}"):
        parse_conditions(json.dumps({"knownAccounts": accounts}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("[" * 600 + "]" * 600, "it is not JSON"),
        ('{"blockNumberMin": NaN}', "it is not JSON"),
        ("{}", "not an object with conditions"),
        ("[1]", "not an object with conditions"),
        ("null", "not an object with conditions"),
        ('{"blockNumberMin": 1, "blockNumber": 1}', "unknown condition 'blockNumber'"),
        ('{"BlockNumberMin": 1}', "unknown condition 'BlockNumberMin'"),
    ],
)
def test_anything_but_a_set_of_conditions_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_conditions(text)
