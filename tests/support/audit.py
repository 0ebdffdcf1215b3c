"""Checks seqsend's dependencies against the Python Packaging Authority's vulnerability database.

python -m tests.support.audit: exits 1 if a dependency has a known vulnerability. If the database
does not answer within 30 s, it says so and exits 0.
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
    """Return the versions of all direct and indirect dependencies of a distribution, by name."""
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
    """Return the vulnerabilities in pip-audit's JSON; None if ``output`` is not a report."""
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
    """Return what pip-audit prints on stdout and stderr; stdout is empty after a timeout."""
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
    """Run pip-audit and print the result."""
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
