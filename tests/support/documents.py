"""Commands that a page shows, taken out of it to be run."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Block:
    """Some lines of a page that are set apart."""

    line: int
    """Where it begins, counted from 1."""
    kind: str
    """The word after the fence; ``indented`` where there is none."""
    text: str

    def __str__(self) -> str:
        return f"{self.line}: {self.text.splitlines()[0]}"


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page of Markdown, in their order."""
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
