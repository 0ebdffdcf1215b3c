"""The program as a user runs it: another process, its streams and its exit code."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads((Path(__file__).parents[1] / "outcome.schema.json").read_text())


@dataclass(frozen=True)
class Run:
    """How the program ended."""

    out: str
    err: str
    code: int
    elapsed: float
    """Seconds, the start of Python included."""

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed: exactly one object, valid by the schema."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self
        found: dict[str, Any] = json.loads(lines[0])
        jsonschema.validate(found, SCHEMA)
        assert found["exit_code"] == self.code
        return found


def seqsend(
    *arguments: str | bytes,
    stdin: str | bytes = b"",
    environment: Mapping[str, str] | None = None,
    timeout: float = 30,
) -> Run:
    """Run `seqsend` with ``arguments`` and wait for its end; no traceback is ever in it.

    ``environment`` replaces the whole environment; None passes this process's on.
    """
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "seqsend", *arguments],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        env=environment,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    run = Run(
        done.stdout.decode(), done.stderr.decode(), done.returncode, time.monotonic() - started
    )
    assert "Traceback" not in run.err, run.err
    assert run.code != 1, run.err
    return run
