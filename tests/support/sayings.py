"""Error messages of real nodes, proxies and providers, and what they mean."""

from pathlib import Path
from typing import NamedTuple

from seqsend.models import JsonRpcError
from seqsend.verdicts import failure_table as table
from seqsend.verdicts.failure_table import Row


class Saying(NamedTuple):
    """One line of ``sayings.tsv``."""

    method: str
    error: JsonRpcError
    meaning: str
    """V, L, N, U or S; the head of the table explains them."""

    @property
    def row(self) -> Row:
        """Its row of the failure table, for a single call with HTTP 200."""
        return {"N": table.NOT_FROM_ME, "U": table.PASSED_ON}.get(self.meaning, table.VERDICT)

    def __str__(self) -> str:
        """Return a name for a test."""
        return f"{self.meaning} {self.error.code} {self.error.message}"


def _read(line: str) -> Saying:
    method, code, meaning, text, _source = line.split("\t")
    message = text.encode("latin-1", "backslashreplace").decode("unicode_escape")
    return Saying(method, JsonRpcError(int(code), message), meaning)


SAYINGS = tuple(
    _read(line)
    for line in (Path(__file__).parent / "sayings.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)
VERDICTS = tuple(saying for saying in SAYINGS if saying.meaning in "VL")
EXCUSES = tuple(saying for saying in SAYINGS if saying.meaning in "NU")


class Phrase(NamedTuple):
    """One line of ``phrases.tsv``."""

    judgement: str
    error: JsonRpcError

    def __str__(self) -> str:
        """Return a name for a test."""
        return self.error.message


def _read_phrase(line: str) -> Phrase:
    judgement, text = line.split("\t")
    return Phrase(judgement, JsonRpcError(-32000, text))


PHRASES = tuple(
    _read_phrase(line)
    for line in (Path(__file__).parent / "phrases.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)
