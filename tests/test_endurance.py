"""Small versions of the long runs (tests/support/endurance.py)."""

from dataclasses import replace

import pytest

from tests.support import endurance

_MIB = 2**20


def _assert_nothing_grows(seen: list[endurance.Usage]) -> None:
    grown = endurance.growth(seen)
    assert grown.threads <= 0, seen
    assert grown.descriptors <= 0, seen
    assert grown.memory < 2 * _MIB, seen


def test_check_watch_does_not_grow() -> None:
    _assert_nothing_grows(endurance.watch(5, interval="50ms"))


def test_failed_calls_leak_nothing() -> None:
    _assert_nothing_grows(endurance.fail(1500))


@pytest.mark.parametrize("limit", [50, 7])
def test_every_line_is_accounted_for_while_two_endpoints_flap(limit: int) -> None:
    ends = endurance.stream(400, limit=limit)
    assert sum(ends.values()) == 400
    assert ends["accepted"] > 100


@pytest.mark.parametrize("name", ["memory", "threads", "descriptors"])
def test_growth_is_detected(name: str) -> None:
    constant = endurance.Usage(memory=_MIB, threads=1, descriptors=1)
    seen = [replace(constant, **{name: n * _MIB}) for n in range(9)]
    _assert_nothing_grows([constant] * 9)
    with pytest.raises(AssertionError):
        _assert_nothing_grows(seen)
