"""What only some machines have: found here, else the test is skipped aloud, and in CI fails."""

import os
import shutil
from typing import NoReturn

import pytest

_SBIN = ":/usr/local/sbin:/usr/sbin:/sbin"  # where Debian has them, and not on everyone's PATH


def find_program(name: str, package: str) -> str:
    """Return the path of a program that the Debian package ``package`` brings."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + _SBIN)
    return found or lacking(f"{name} is not here; as root: apt-get install {package}")


def demand_root() -> None:
    """Make sure that this is root."""
    if os.geteuid() != 0:
        lacking("only root may make network namespaces; with root: sudo sh tests/run.sh")


def lacking(what: str) -> NoReturn:
    """Skip the running test, saying ``what`` is missing and what would bring it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"in CI nothing may be skipped: {what}")
    pytest.skip(what)
