"""Durations and sizes."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend.errors import UsageError
from seqsend.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5),
        ("1m30s", 90),
        ("1h", 3600),
        ("0.5s", 0.5),
        ("2 min", 120),
        ("1m 30s", 90),
        ("1h2m3s4ms", 3723.004),
        (" 5s ", 5),
        ("1m500ms", 60.5),
    ],
)
def test_reads_a_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "5", "0.5", "0s", "0h0m", "-5s", "+5s", "5x", "5M", "5S", "1d", "٥s", "5s5s", "1s1m"]
    + ["5 s x", ".5s", "5.s", "1e3s", "inf s", "8h169h", "169h", "9" * 5000 + "s", "5\ns", "5ｍ"],
)
def test_refuses_text_that_is_not_a_duration_and_shows_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"example: .*5s"):
        parse_duration(text)


@given(st.text())
def test_any_text_is_a_duration_or_a_usage_error(text: str) -> None:
    with suppress(UsageError):
        assert parse_duration(text) > 0


@given(st.integers(min_value=1, max_value=6 * 10**8).map(lambda ms: ms / 1000))
def test_a_formatted_duration_parses_to_the_same_duration(seconds: float) -> None:
    # From a minute on, the format has whole seconds.
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=0.01)


@pytest.mark.parametrize(
    ("text", "size"),
    [("32MiB", 32 * 2**20), ("500kB", 500_000), ("65536", 65536), ("1.5 KiB", 1536), ("1B", 1)],
)
def test_reads_a_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0.1B", "-1", "1TiB", "x", "9" * 400, "1 MiB x", "٣"])
def test_refuses_text_that_is_not_a_size_and_shows_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="32MiB"):
        parse_size(text)


@pytest.mark.parametrize(("size", "text"), [(32 * 2**20, "32MiB"), (1536, "1.5KiB"), (100, "100B")])
def test_formats_a_size(size: int, text: str) -> None:
    assert format_size(size) == text
