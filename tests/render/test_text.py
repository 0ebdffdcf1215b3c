"""Text for people."""

import pytest

from seqsend.render.text import format_elapsed


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.00042, "0.4 ms"), (0.0021, "2 ms"), (0.0844, "84 ms"), (9.9, "9900 ms"), (12.34, "12.3 s")],
)
def test_an_elapsed_time_is_short(seconds: float, shown: str) -> None:
    assert format_elapsed(seconds) == shown
