"""Finds what only some machines have; without it a test is skipped, or fails in CI."""

import os
import shutil
from typing import NoReturn

import pytest

_SBIN = ":/usr/local/sbin:/usr/sbin:/sbin"  # Debian's system programs, often not on PATH


def find_program(name: str, package: str) -> str:
    """Return the path of a program from the Debian package ``package``."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + _SBIN)
    return found or skip_or_fail(f"{name} is not here; as root: apt-get install {package}")


def require_root() -> None:
    """Skip the running test unless it runs as root; in CI, fail it."""
    if os.geteuid() != 0:
        skip_or_fail("only root may make network namespaces; with root: sudo sh tests/run.sh")


def skip_or_fail(what: str) -> NoReturn:
    """Skip the running test, or fail it in CI; ``what`` says what is missing and how to get it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"in CI nothing may be skipped: {what}")
    pytest.skip(what)
