"""README and the reference agree with the program."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from seqsend.cli.shared_options import OPTIONS
from seqsend.persistence.metrics import FAMILIES
from seqsend.render.outcome import EXIT_CODES
from tests.support.cli import seqsend
from tests.support.documents import ROOT

README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "examples" / "REFERENCE.md").read_text()


def _table(page: str, title: str) -> list[list[str]]:
    """Return the rows of all tables of the section with this title line (``## Title``)."""
    level = title.split(" ", maxsplit=1)[0]
    section = re.split(rf"(?m)^{title}\n", page)[1]
    section = re.split(rf"(?m)^#{{2,{len(level)}}} ", section)[0]
    tables = re.findall(r"(?m)(?:^\|.*\n)+", section)
    rows = [line for table in tables for line in table.splitlines()[2:]]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def test_the_reference_lists_every_option_with_its_aliases_and_variable() -> None:
    listed = _table(REFERENCE, "## Options of every command")
    rows = {re.findall(r"`(--[a-z.-]+)", row[0])[0]: row for row in listed}
    assert set(rows) == {option.name for option in OPTIONS}
    for option in OPTIONS:
        row = rows[option.name]
        assert all(f"`{flag}" in " ".join(row) for flag in option.flags)
        assert option.environment is None or f"`{option.environment}`" in row[2]
        assert option.metavar is None or option.metavar in row[0]


def test_the_reference_lists_every_metric() -> None:
    listed = [[cell.replace("`", "") for cell in row] for row in _table(REFERENCE, "## Metrics")]
    assert sorted(listed) == sorted([f.shown, f.kind, ", ".join(f.labels)] for f in FAMILIES)


def test_the_reference_lists_every_status_with_its_exit_code() -> None:
    listed = {
        status: int(row[2])
        for row in _table(REFERENCE, "## Exit codes")
        if row[2]
        for status in re.findall("`([a-z]+)`", row[0])
    }
    assert listed == dict(EXIT_CODES)


def test_readme_lists_every_exit_code() -> None:
    listed = {int(row[0]): row[1] for row in _table(README, "## Exit codes")}
    assert set(listed) == {1, *EXIT_CODES.values()}
    for status in ("rejected", "unreachable", "unknown", "reverted", "interrupted"):
        assert status in listed[EXIT_CODES[status]]


@pytest.mark.parametrize("command", ["check", "send", "rpc"])
def test_the_reference_lists_every_option_of_a_command(command: str) -> None:
    rows = _table(REFERENCE, f"### {command}")
    listed = {re.findall(r"`(--[a-z-]+)", row[0])[0] for row in rows}
    shared = {flag for option in OPTIONS for flag in option.flags}
    shown = seqsend(command, "--help").out
    found = set(re.findall(r"(?m)^  (?:-\w, )?(--[a-z][a-z.-]*[a-z])", shown))
    assert listed == found - shared - {"--help"}


def _field_names(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
    for part in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(part, dict | list):
            yield from _field_names(part)


@pytest.mark.parametrize("name", ["outcome", "check", "decoded"])
def test_the_reference_names_every_json_field(name: str) -> None:
    section = REFERENCE.split("\n## JSON\n")[1].split("\n## ")[0]
    fields = set(_field_names(json.loads((ROOT / f"tests/{name}.schema.json").read_text())))
    assert len(fields) > 5
    assert {field for field in fields if f"`{field}`" not in section} == set()


def test_readme_is_short() -> None:
    assert len(README.split()) <= 900


def test_the_reference_says_at_which_endpoint_a_run_starts() -> None:
    section = REFERENCE.split("\n## Failover\n")[1].split("\n## ")[0]
    assert "Every run starts at endpoint 1" in section
    assert "`--state-file`" in section
