"""README says what the program does."""

import re
from pathlib import Path

import pytest

from seqsend.cli.shared_options import OPTIONS
from seqsend.persistence.metrics import FAMILIES
from seqsend.render.outcome import EXIT_CODES
from tests.support.cli import seqsend

README = (Path(__file__).parents[1] / "README.md").read_text()


def _table(title: str) -> list[list[str]]:
    section = README.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_lists_every_option_with_its_aliases_and_its_variable() -> None:
    rows = {
        re.findall(r"`(--[a-z.-]+)", row[0])[0]: row for row in _table("Options and environment")
    }
    assert set(rows) == {next(f for f in option.flags if f[:2] == "--") for option in OPTIONS}
    for option in OPTIONS:
        row = rows[next(flag for flag in option.flags if flag[:2] == "--")]
        assert all(f"`{flag}" in " ".join(row) for flag in option.flags)
        assert option.environment is None or f"`{option.environment}`" in row[2]
        assert option.metavar is None or option.metavar in row[0]


def test_lists_every_metric() -> None:
    listed = [[cell.replace("`", "") for cell in row] for row in _table("Between runs")]
    assert sorted(listed) == sorted([f.shown, f.kind, ", ".join(f.labels)] for f in FAMILIES)


def test_lists_every_status_with_its_exit_code() -> None:
    listed = {
        status: int(row[2])
        for row in _table("Exit codes")
        if row[2]
        for status in re.findall("`([a-z]+)`", row[0])
    }
    assert listed == dict(EXIT_CODES)


@pytest.mark.parametrize(
    ("command", "section"),
    [
        ("check", "Which sequencer is reachable, and what is wrong with the others"),
        ("send", "Many transactions"),
    ],
)
def test_lists_every_option_of_a_command(command: str, section: str) -> None:
    listed = {re.findall(r"`(--[a-z-]+)", row[0])[0] for row in _table(section)}
    shared = {flag for option in OPTIONS for flag in option.flags}
    found = set(re.findall(r"--[a-z][a-z.-]*[a-z]", seqsend(command, "--help").out))
    assert listed == found - shared - {"--help"}
