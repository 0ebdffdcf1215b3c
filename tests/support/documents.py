"""Extracts the blocks of commands and code from a page."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Block:
    """A block of a page."""

    line: int
    """Number of its first line, counted from 1."""
    kind: str
    """The word after the fence; ``indented`` for a block without a fence."""
    text: str

    def __str__(self) -> str:
        return f"{self.line}: {self.text.splitlines()[0]}"


def blocks(page: str) -> list[Block]:
    """Return the blocks of a Markdown page, in order."""
    text = (ROOT / page).read_text()
    found = [
        (match.start(), match.group(1), match.group(2))
        for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]
    outside = re.sub(
        r"^```.*?^```$",
        lambda match: re.sub(".", "-", match.group()),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
    found += [
        (match.start(), "indented", re.sub(r"(?m)^    ", "", match.group(1)))
        for match in re.finditer(r"(?<=\n\n)((?:    .*\n)+)", outside)
    ]
    return [Block(text[:at].count("\n") + 1, kind, body) for at, kind, body in sorted(found)]
