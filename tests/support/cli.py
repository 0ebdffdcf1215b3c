"""Runs the program as a user does: in its own process, with streams and an exit code."""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

_TESTS = Path(__file__).parents[1]
SCHEMA = json.loads((_TESTS / "outcome.schema.json").read_text())
CHECK_SCHEMA = json.loads((_TESTS / "check.schema.json").read_text())
COMMAND = (sys.executable, "-m", "seqsend")


@dataclass(frozen=True)
class Run:
    """How the program ended."""

    out: str
    err: str
    code: int
    elapsed: float
    """Seconds, including the start of Python."""
    lingered: float
    """Seconds from the first line on stdout, or its end, to the end of the process."""

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed: exactly one object, valid by the schema."""
        return self._valid(SCHEMA)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What `--json` printed for several transactions: one valid object per line."""
        found = [json.loads(line) for line in self.out.splitlines()]
        for each in found:
            jsonschema.validate(each, SCHEMA)
        return found

    @property
    def diagnosis(self) -> dict[str, Any]:
        """What `check --json` printed: exactly one object, valid by its schema."""
        return self._valid(CHECK_SCHEMA)

    def _valid(self, schema: Any) -> dict[str, Any]:
        lines = self.out.splitlines()
        assert len(lines) == 1, self
        found: dict[str, Any] = json.loads(lines[0])
        jsonschema.validate(found, schema)
        assert found["exit_code"] == self.code
        return found


def seqsend(
    *arguments: str | bytes,
    stdin: str | bytes = b"",
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    within: Sequence[str] = (),
    timeout: float = 30,
) -> Run:
    """Run `seqsend` with ``arguments``, wait for its end, and check that it prints no traceback.

    ``environment`` replaces the whole environment; None passes on this process's. ``within`` is
    put before the command.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(stdin.encode() if isinstance(stdin, str) else stdin)
        given.seek(0)
        process = subprocess.Popen(
            [*within, *COMMAND, *arguments],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment,
            cwd=directory,
        )
        assert process.stdout is not None
        killer = threading.Timer(timeout, process.kill)
        killer.start()
        with process:
            out = process.stdout.readline()
            answered = time.monotonic()
            out += process.stdout.read()
            code = process.wait()
        ended = time.monotonic()
        killer.cancel()
        said.seek(0)
        run = Run(out.decode(), said.read().decode(), code, ended - started, ended - answered)
    assert "Traceback" not in run.err, run.err
    assert run.code not in (1, -9), run
    return run


def start(*arguments: str, within: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start `seqsend` with ``arguments``, for a test that acts while it runs."""
    return subprocess.Popen(
        [*within, *COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def write_to(running: subprocess.Popen[str], text: str) -> None:
    """Write to the stdin of a started program, and keep it open."""
    assert running.stdin is not None
    running.stdin.write(text)
    running.stdin.flush()


def read_line(running: subprocess.Popen[str]) -> str:
    """Wait for the next line on the stdout of a started program and return it."""
    assert running.stdout is not None
    return running.stdout.readline()
