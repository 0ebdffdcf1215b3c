"""How endpoints are judged by limits and against one another: a pure table."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend import Diagnosis, EndpointReport, Head, Role
from seqsend.diagnosis.heads import parse_head, parse_quantity
from seqsend.diagnosis.hints import HINTS
from seqsend.diagnosis.judging import Limits, judge
from seqsend.endpoints import parse_endpoints
from seqsend.models import EndpointRole

ENDPOINTS = parse_endpoints(f"http://seq{n}" for n in range(1, 10))
NOW = 1_800_000_000


def head(number: int = 100, age: float | None = 1.0) -> Head:
    return Head(number) if age is None else Head(number, int(NOW - age), age)


def report(index: int = 1, **fields: Any) -> EndpointReport:
    known: dict[str, Any] = {
        "verdict": "usable",
        "chain_id": 10,
        "head": head(),
        "client_version": "Geth/v1",
    }
    return EndpointReport(ENDPOINTS[index - 1], **(known | fields))


# fields of the only report, limits, verdict, reason code, reason
ALONE: dict[str, tuple[dict[str, Any], Limits, str, str | None, str | None]] = {
    "healthy": ({}, Limits(), "usable", None, None),
    "old": ({"head": head(age=7200)}, Limits(), "STALE", "head_old", "head is 2 h old"),
    "just over": ({"head": head(age=601)}, Limits(), "STALE", "head_old", "head is 10 min old"),
    "just under": ({"head": head(age=600)}, Limits(), "usable", None, None),
    "any age": ({"head": head(age=10**9)}, Limits(max_age=None), "usable", None, None),
    "strict": ({"head": head(age=30)}, Limits(max_age=12), "STALE", "head_old", "head is 30 s old"),
    "no timestamp": ({"head": head(age=None)}, Limits(), "usable", None, None),
    "no head": ({"head": None}, Limits(), "usable", None, None),
    "future": (
        {"head": head(age=-120)},
        Limits(),
        "usable",
        "head_in_future",
        "head is 2 min in the future: clocks differ",
    ),
    "a little early": ({"head": head(age=-15)}, Limits(), "usable", None, None),
    "safe far behind": (
        {"safe": head(1, age=3 * 3600 + 1)},
        Limits(max_safe_lag=600),
        "STALE",
        "safe_stuck",
        "safe head is 3 h behind",
    ),
    "safe near": ({"safe": head(1, age=601)}, Limits(max_safe_lag=600), "usable", None, None),
    "safe of any age": ({"safe": head(1, age=10**6)}, Limits(), "usable", None, None),
    "safe unknown": ({"safe": None}, Limits(max_safe_lag=1), "usable", None, None),
    "wrong chain": (
        {},
        Limits(chain_id=1),
        "NOT USABLE",
        "wrong_chain",
        "chain id 10 instead of 1",
    ),
    "wrong chain, and old": (
        {"head": head(age=7200)},
        Limits(chain_id=1),
        "NOT USABLE",
        "wrong_chain",
        "chain id 10 instead of 1",
    ),
    "right chain": ({}, Limits(chain_id=10), "usable", None, None),
}


@pytest.mark.parametrize("what", ALONE)
def test_one_endpoint_is_judged_by_the_limits(what: str) -> None:
    fields, limits, verdict, code, reason = ALONE[what]
    (found,) = judge([report(**fields)], limits)
    assert (found.verdict, found.reason_code, found.reason) == (verdict, code, reason)
    assert found.usable == (verdict != "NOT USABLE")
    assert (found.phase, found.hint) == (None, None) or code is not None
    assert found.reason_code is None or found.hint == HINTS[found.reason_code]
    status = "unreachable" if verdict == "NOT USABLE" else "degraded" if code else "ok"
    assert Diagnosis((found,), 0.1).status == status


@pytest.mark.parametrize(
    "client",
    [
        "anvil/v1.7.1",
        "HardhatNetwork/2.22.0/@nomicfoundation/edr/0.3.5",
        "Ganache/v7.9.2/EthereumJS TestRPC/v7.9.2/ethereum-js",
        "EthereumJS TestRPC/v2.13.2/ethereum-js",
        "EthereumTester/0.9.1/linux/python3.11.7",
    ],
)
def test_a_node_that_mines_on_demand_may_have_a_head_of_any_age(client: str) -> None:
    for age in (-7200.0, 7200.0):
        (found,) = judge([report(client_version=client, head=head(age=age))], Limits())
        assert (found.verdict, found.reason) == ("usable", None)


def chains(*ids: int) -> list[EndpointReport]:
    return [report(n, chain_id=chain) for n, chain in enumerate(ids, 1)]


@pytest.mark.parametrize(
    ("ids", "differ"),
    [
        ((1, 1, 1), []),
        ((1, 10, 10), [1]),
        ((10, 1, 10), [2]),
        ((1, 10), [2]),  # a tie: the first is right
        ((1, 10, 10, 1), [2, 3]),
        ((1, 10, 137), [2, 3]),
    ],
)
def test_the_chain_id_of_most_endpoints_is_right(ids: tuple[int, ...], differ: list[int]) -> None:
    found = judge(chains(*ids), Limits())
    assert [r.endpoint.index for r in found if r.verdict == "DIFFERS"] == differ
    assert all(r.reason_code == "chain_differs" for r in found if r.verdict == "DIFFERS")
    assert all(r.usable for r in found)


def test_a_lag_is_in_the_singular_or_plural() -> None:
    reports = [report(1), report(2, head=head(99)), report(3, head=head(80))]
    found = judge(reports, Limits(max_lag=0))
    assert [r.reason for r in found] == [None, "1 block behind", "20 blocks behind"]
    assert [r.verdict for r in found] == ["usable", "DIFFERS", "DIFFERS"]


ROLES: list[tuple[tuple[Role, ...], list[str], list[str | None], str]] = [
    (("active", "standby"), ["usable", "STANDBY"], [None, None], "ok"),
    (("standby", "active", "standby"), ["STANDBY", "usable", "STANDBY"], [None] * 3, "ok"),
    (("standby", "standby"), ["STANDBY", "STANDBY"], ["none_active"] * 2, "degraded"),
    (("standby", "unhealthy"), ["STANDBY", "usable"], ["none_active", "role_unknown"], "degraded"),
    (("active", "active"), ["usable", "usable"], ["several_active"] * 2, "degraded"),
    (("active", "unhealthy"), ["usable", "usable"], [None, "role_unknown"], "degraded"),
]


def endpoint_roles(*roles: Role) -> list[EndpointRole]:
    return [EndpointRole(endpoint, role) for endpoint, role in zip(ENDPOINTS, roles, strict=False)]


@pytest.mark.parametrize(("roles", "verdicts", "codes", "status"), ROLES)
def test_a_role_decides_between_usable_and_standby(
    roles: tuple[Role, ...], verdicts: list[str], codes: list[str | None], status: str
) -> None:
    found = judge([report(n) for n in range(1, len(roles) + 1)], Limits(), endpoint_roles(*roles))
    assert [r.role for r in found] == list(roles)
    assert [r.verdict for r in found] == verdicts
    assert [r.reason_code for r in found] == codes
    assert Diagnosis(found, 0.1).status == status
    assert all(r.hint is not None for r in found if r.verdict == "STANDBY")


def test_a_standby_with_an_old_head_is_stale() -> None:
    reports = [report(1), report(2, head=head(age=7200))]
    found = judge(reports, Limits(), endpoint_roles("active", "standby"))
    assert [r.verdict for r in found] == ["usable", "STALE"]


def test_a_worse_finding_replaces_that_of_the_probe() -> None:
    slow: dict[str, Any] = {"reason": "slow: …", "reason_code": "slow", "hint": "h"}
    dead: dict[str, Any] = {"verdict": "NOT USABLE", "reason": "refused", "reason_code": "refused"}
    old = head(age=7200)
    found = judge([report(1, **slow), report(2, **slow, head=old), report(3, **dead)], Limits())
    assert [r.reason_code for r in found] == ["slow", "head_old", "refused"]
    assert [r.verdict for r in found] == ["usable", "STALE", "NOT USABLE"]


# Answers may hold anything.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(),
    st.text(max_size=20),
    st.integers(min_value=0, max_value=2**70).map(hex),
    st.integers(min_value=0, max_value=2**300).map(hex),
    st.just("0x" + "f" * 5000),
    st.just("9" * 5000),
)


@given(number=VALUES, stamp=VALUES, chain=VALUES)
def test_no_value_in_an_answer_crashes_the_judging(number: Any, stamp: Any, chain: Any) -> None:
    found = parse_head({"number": number, "timestamp": stamp}, NOW)
    assert found is None or found.number < 2**64
    reports = [report(1, head=found, chain_id=parse_quantity(chain)), report(2)]
    for judged in judge(reports, Limits(max_lag=0, max_safe_lag=1)):
        str(judged)
    odds: list[Any] = [number, [number], {}]
    assert [parse_head(odd, NOW) for odd in odds] == [None] * 3


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0x0", 0),
        ("0x00ff", 255),
        ("0xFF", 255),
        ("0x" + "f" * 64, 2**256 - 1),
        ("0x" + "f" * 65, None),
        ("0x", None),
        ("0x1_0", None),
        ("0x-1", None),
        ("12", None),
        (12, None),
        (True, None),
        (None, None),
    ],
)
def test_a_quantity_is_hex_of_up_to_256_bits(value: Any, number: int | None) -> None:
    assert parse_quantity(value) == number


@pytest.mark.parametrize(
    ("number", "stamp", "found"),
    [
        ("0x10", hex(NOW - 5), Head(16, NOW - 5, 5.0)),
        ("0x10", hex(NOW + 5), Head(16, NOW + 5, -5.0)),
        ("0x10", hex(2**64), Head(16)),
        (hex(2**64 - 1), None, Head(2**64 - 1)),
        (hex(2**64), hex(NOW), None),
    ],
)
def test_a_head_has_a_number_and_a_time_of_up_to_64_bits(
    number: str, stamp: str | None, found: Head | None
) -> None:
    assert parse_head({"number": number, "timestamp": stamp}, NOW) == found
