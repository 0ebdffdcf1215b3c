"""Messages, help and pages are in plain English, without this project's worst habits."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from seqsend.diagnosis.hints import HINTS
from tests.support.cli import seqsend
from tests.support.documents import ROOT

PACKAGE = ROOT / "seqsend"
SOURCES = sorted(PACKAGE.rglob("*.py"))
# Phrases that read as translated → what to write instead, by example.
HABITS = {
    r"\b(is|are|was|were) told\b": "is reported",
    r"\b(is|are) none\b": "there is no …; is not a …",
    r"(?<!there )\bis no (duration|transaction|URL|number|option|endpoint)\b": "is not a duration",
    r"\b(so|of) many\b": "N transactions",
    r"\bwhoever\b": "the caller",
    r"\banew\b": "again",
    r"\bmust be of\b": "the required chain id",
    r"\b(by itself|as a rule)\b": "usually",
    r"\bwhat listens there\b": "this address",
    r"\banswers so\b": "answers like this",
    r"\bgood: ": "example: ",
    r"\bspeaks? no\b": "does not speak",
    r"^where |, where it is\b": "if",
    r"\bone is enough\b": "cannot be combined",
    r"\b(and|with) of no effect\b": "has no effect",
    r"\b1 (blocks|bytes|characters|days|endpoints|failovers|lines|transactions)\b": "1 block",
}


def _texts(tree: ast.AST) -> Iterator[str]:
    """Yield the strings of a module except docstrings, with ``{}`` for formatted parts."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            inside.update(id(part) for part in node.values)
            parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
            yield "".join(map(str, parts))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in inside
        ):
            yield node.value


def _habits(text: str) -> list[str]:
    return [
        f"{text!r}: write {better!r}"
        for habit, better in HABITS.items()
        if re.search(habit, text, re.IGNORECASE)
    ]


def test_habits_are_found_in_messages_but_not_in_docstrings() -> None:
    module = '''
"""Whoever reads this is told of many."""
raise UsageError(f"{text!r} is no duration; good: 5s")
print("a line for each", "sign it anew")
'''
    found = [habit for text in _texts(ast.parse(module)) for habit in _habits(text)]
    assert len(found) == 3


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_messages_have_no_odd_words(path: Path) -> None:
    texts = _texts(ast.parse(path.read_text()))
    assert [habit for text in texts for habit in _habits(text)] == []


@pytest.mark.parametrize("words", [(), ("send",), ("check",), ("rpc",), ("decode",)])
def test_help_has_no_odd_words(words: tuple[str, ...]) -> None:
    shown = " ".join(seqsend(*words, "--help").out.split())
    assert _habits(shown) == []


def test_no_hint_is_a_question() -> None:
    assert [hint for hint in HINTS.values() if "?" in hint] == []


@pytest.mark.parametrize(
    "page", ["README.md", "CHANGELOG.md", "examples/README.md", "examples/REFERENCE.md"]
)
def test_pages_have_no_odd_words(page: str) -> None:
    assert [
        habit for line in (ROOT / page).read_text().splitlines() for habit in _habits(line)
    ] == []
