"""What `check` draws on a terminal: all of it, at every width."""

import re

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from seqsend.diagnosis.report import Diagnosis
from seqsend.render.endpoint_text import FACTS, remarks
from seqsend.render.summary import summary
from seqsend.render.table import picture, rendered
from tests.support.reports import (
    GETH,
    diagnoses,
    diagnosis,
    differing,
    failed,
    healthy,
    stale,
    standby,
)

WIDTHS = range(80, 221)
MIXED = (healthy(role="active", forward=0.012), failed(), stale(), differing(), standby())


def console(width: int) -> Console:
    return Console(width=width, height=50, force_terminal=True, color_system="standard")


def shown(found: Diagnosis, width: int, height: int | None = None) -> list[str]:
    return [line.plain for line in picture(found, console(width), height)]


def squeezed(text: str) -> str:
    """Return ``text`` without blanks, which line breaks and column padding change."""
    return "".join(text.split())


def assert_whole(found: Diagnosis, lines: list[str]) -> None:
    whole = squeezed("".join(lines))
    assert squeezed(summary(found)) in whole
    for each in found.endpoints:
        values = [fact.value(each) for fact in FACTS]
        texts = [each.endpoint.redacted, each.verdict, *map(str, remarks(each)), *values]
        for text in filter(None, texts):
            assert squeezed(text) in whole, (text, lines)


@given(st.sampled_from(WIDTHS), diagnoses(15))
@settings(max_examples=200, deadline=None)
def test_nothing_is_cut_at_any_width(width: int, found: Diagnosis) -> None:
    lines = shown(found, width)
    assert max(map(cell_len, lines)) <= width
    assert_whole(found, lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_fifteen_endpoints_are_drawn_completely_on_a_terminal(width: int) -> None:
    found = diagnosis(*MIXED, *MIXED, *MIXED)
    lines = picture(found, console(width))
    screen = pyte.Screen(width, len(lines) + 1)
    pyte.Stream(screen).feed("".join(f"{line}\r\n" for line in rendered(lines, console(width))))
    seen = [line.rstrip() for line in screen.display[:-1]]
    assert seen == [line.plain.rstrip() for line in lines]
    assert_whole(found, seen)


@pytest.mark.parametrize("width", [110, 120, 150, 200])
def test_from_110_columns_on_it_is_a_table(width: int) -> None:
    lines = shown(diagnosis(healthy(), healthy(client_version="reth/v1.1.2"), failed()), width)
    heading = lines[0].split("  ")
    assert [cell.strip() for cell in heading if cell][:3] == ["#", "endpoint", "verdict"]
    assert "role" not in lines[0]  # no role is known
    assert "block" in lines[0]
    assert "head age" in lines[0]
    assert [line[:3] for line in lines[1:4]] == ["1  ", "2  ", "3  "]
    assert lines[4] == ""
    at = lines.index("3  dial: connection refused")
    assert lines[at + 1].startswith("   hint: the host is up")


def test_a_wider_terminal_gets_more_columns() -> None:
    found = diagnosis(*MIXED)
    headings = [re.split(r"\s{2,}", shown(found, width)[0].strip()) for width in (110, 140, 220)]
    assert [len(each) for each in headings] == sorted(len(each) for each in headings)
    assert headings[-1] == ["#", "endpoint", "verdict", *(fact.heading for fact in FACTS)]
    for heading in headings:
        assert {"role", "answer", "forward", "block", "head age"} <= set(heading)


@pytest.mark.parametrize("width", [80, 109])
def test_a_narrow_terminal_gets_a_block_per_endpoint(width: int) -> None:
    lines = shown(diagnosis(healthy(), failed()), width)
    assert lines[0] == "1  ✓ usable      http://seq:8545/0  (block 123456789, 2 s old, 12 ms)"
    at = lines.index("2  ✗ NOT USABLE  http://seq:8545/1")
    assert lines[at + 1] == "   dial: connection refused"


def test_equal_details_are_shown_once() -> None:
    found = diagnosis(*[healthy()] * 3, failed(), healthy(), healthy(client_version="reth/v1"))
    lines = shown(found, 110)
    assert lines[-4:-2] == [
        f"1-3, 5  finalized lag 22 min, {GETH}",
        "6  finalized lag 22 min, reth/v1",
    ]


@pytest.mark.parametrize("width", [80, 110, 200])
def test_if_the_screen_is_short_details_go_and_each_endpoint_keeps_a_line(width: int) -> None:
    found = diagnosis(*[healthy(hint="worth a look")] * 20, failed(), healthy())
    lines = shown(found, width, height=24 + 5)
    assert len(lines) <= 24 + 5
    text = "\n".join(lines)
    assert "connection refused" in text
    assert "worth a look" not in text
    for each in found.endpoints:
        assert sum(f"{each.endpoint.redacted} " in f"{line} " for line in lines) == 1
    assert lines[-1].startswith("21 of 22 usable")


@given(diagnoses(60), st.sampled_from([80, 120, 200]), st.integers(6, 60))
@settings(max_examples=50, deadline=None)
def test_a_cropped_picture_fits_and_accounts_for_every_endpoint(
    found: Diagnosis, width: int, height: int
) -> None:
    lines = [line.plain for line in picture(found, console(width), height, crop=True)]
    # The summary alone may be longer, for example with chain ids of 77 digits.
    assert len(lines) <= max(height, 2 + len(summary(found)) // 40)
    mark = re.compile(r"^ *\d+  .*[✓!≠○✗] (usable|STALE|DIFFERS|STANDBY|NOT USABLE)")
    rows = [match[1] for line in lines if (match := mark.match(line))]
    left_out = next((int(line.split()[1]) for line in lines if "screen is too small" in line), 0)
    assert len(rows) + left_out == len(found.endpoints)


def test_a_cropped_picture_shows_faults_first() -> None:
    found = diagnosis(*[healthy()] * 40, failed(), stale())
    lines = [line.plain for line in picture(found, console(80), 12, crop=True)]
    assert lines[0].startswith("41  ✗ NOT USABLE")
    assert lines[3].startswith("42  ! STALE")
    assert lines[6].startswith(" 1  ✓ usable")
    assert re.fullmatch(r"and \d+ more endpoints: the screen is too small", lines[8])


def test_single_words_are_coloured_and_sentences_are_not() -> None:
    found = diagnosis(*MIXED)
    for width in (80, 150):
        text = "\n".join(rendered(picture(found, console(width)), console(width)))
        for coloured in (
            "\x1b[32m✓ usable\x1b[0m",
            "\x1b[1;31m✗ NOT USABLE\x1b[0m",
            "\x1b[33m! STALE\x1b[0m",
            "\x1b[33m≠ DIFFERS\x1b[0m",
            "\x1b[36m○ STANDBY\x1b[0m",
            "\x1b[1;31mdial: \x1b[0mconnection refused",
            "\x1b[36mhint: \x1b[0mthe host",
            "\x1b[33mdegraded\x1b[0m",
        ):
            assert coloured in text
        assert GETH in text
