"""Asks the Python Packaging Authority's database for known holes in what seqsend brings with it.

python -m tests.support.audit: exits 1 if there is one that is known; where the database cannot be
reached within 30 s, says so and exits 0.
"""

import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

_PATIENCE = 30.0  # seconds


def installed(name: str = "seqsend", found: dict[str, str] | None = None) -> dict[str, str]:
    """Return the versions of everything that a distribution brings with it, by name."""
    found = {} if found is None else found
    for requirement in distribution(name).requires or ():
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        needed = match.group() if match is not None and "extra ==" not in requirement else None
        if needed is None or needed.lower() in found:
            continue
        try:
            found[needed.lower()] = distribution(needed).version
        except PackageNotFoundError:  # for another system or another Python
            continue
        installed(needed, found)
    return found


def judge(output: str) -> list[str] | None:
    """Return the holes that pip-audit's JSON names; None if it is not a judgement."""
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    return [
        f"{package['name']} {package['version']}: {hole['id']}, mended in {hole['fix_versions']}"
        for package in packages
        for hole in package.get("vulns", ())
    ]


def ask() -> tuple[str, str]:
    """Return what pip-audit says of them on stdout and stderr; nothing if there was no time."""
    with tempfile.TemporaryDirectory() as directory:
        pinned = Path(directory, "requirements.txt")
        pinned.write_text("".join(f"{name}=={v}\n" for name, v in installed().items()))
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(pinned)]
        options = ["--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
        try:
            done = subprocess.run(
                [*command, *options, "--timeout=10"],
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "", f"no answer within {_PATIENCE:g} s"
    return done.stdout, done.stderr


def main() -> int:
    """Ask, and say what was found."""
    output, said = ask()
    holes = judge(output)
    if holes is None:
        last = (said.strip().splitlines() or ["no answer"])[-1][:200]
        sys.stderr.write(f"audit: SKIPPED, the database was not reached: {last}\n")
        return 0
    sys.stderr.write("".join(f"audit: {hole}\n" for hole in holes) or "audit: no known holes\n")
    return int(bool(holes))


if __name__ == "__main__":
    sys.exit(main())
