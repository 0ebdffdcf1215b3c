"""seqsend imports the dependencies that pyproject.toml declares, and no others."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support import audit

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "seqsend").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return _normalise(found.group())


def imports_of(source: str) -> Iterator[str]:
    """Yield the packages that a module imports, at any level."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            name = node.args[0]
            # Names that are put together are modules of seqsend.
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value.partition(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_declared_dependencies(path: Path) -> None:
    declared = {_name_of(requirement) for requirement in PROJECT["dependencies"]}
    providers = packages_distributions()
    for package in set(imports_of(path.read_text())) - {"seqsend"} - sys.stdlib_module_names:
        distributions = {_normalise(each) for each in providers.get(package, [package])}
        assert distributions & declared, f"{package} of {distributions} is not declared"


def test_every_declared_dependency_is_imported() -> None:
    providers = packages_distributions()
    used = {
        _normalise(distribution)
        for path in SOURCES
        for package in imports_of(path.read_text())
        for distribution in providers.get(package, ())
    }
    assert {_name_of(requirement) for requirement in PROJECT["dependencies"]} <= used


def test_imports_are_found_at_any_level() -> None:
    source = "import a.b\ndef f():\n    from c.d import e\n    import_module('g.h')\n"
    assert set(imports_of(source)) == {"a", "c", "g"}


@pytest.mark.parametrize(
    ("output", "holes"),
    [
        ("", None),
        ("no network", None),
        ("[]", None),
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', []),
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', []),
        (
            (
                '{"dependencies": [{"name": "a", "version": "1", "vulns": '
                '[{"id": "CVE-1", "fix_versions": ["2"]}]}]}'
            ),
            ["a 1: CVE-1, mended in ['2']"],
        ),
    ],
)
def test_the_audits_output_is_parsed(output: str, holes: list[str] | None) -> None:
    assert audit.judge(output) == holes


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("", 0, "SKIPPED, the database was not reached: no route"),
        ('{"dependencies": []}', 0, "no known holes"),
        (
            (
                '{"dependencies": [{"name": "a", "version": "1", "vulns": '
                '[{"id": "CVE-1", "fix_versions": []}]}]}'
            ),
            1,
            "CVE-1",
        ),
    ],
)
def test_only_a_known_vulnerability_fails_the_audit(
    output: str,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(audit, "ask", lambda: (output, "error:\nno route\n"))
    assert audit.main() == code
    assert said in capsys.readouterr().err


def test_the_audit_covers_all_dependencies_of_seqsend() -> None:
    declared = {_name_of(requirement) for requirement in PROJECT["dependencies"]}
    assert declared <= {_normalise(name) for name in audit.installed()}
    assert "certifi" in audit.installed()  # through requests


def test_every_dependency_has_an_upper_bound() -> None:
    for requirement in PROJECT["dependencies"]:
        assert "<" in requirement, requirement


def test_every_exception_to_a_security_rule_gives_its_reason() -> None:
    """The rules of bandit (ruff's S) are on; each exception says why, after its `noqa`."""
    for path in SOURCES:
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if re.search(r"# noqa: [A-Z0-9, ]*\bS\d", line):
                reason = line.partition("# noqa:")[2].partition(" - ")[2]
                assert reason, f"{path.name}:{number + 1}"
