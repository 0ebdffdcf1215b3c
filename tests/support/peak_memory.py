"""A run of the program, and how much memory it takes at its peak. On Linux."""

import re
import subprocess
import sys
from typing import NamedTuple

# VmHWM is the peak of this program; a child's ru_maxrss includes its parent's.
_RUN_AND_REPORT = """
import os, sys
leave = os._exit
def report_and_leave(code):
    sys.stderr.write(open("/proc/self/status").read())
    sys.stderr.flush()
    leave(code)
os._exit = report_and_leave
from seqsend.__main__ import main
main()
"""


class MeasuredRun(NamedTuple):
    """How a run ended."""

    code: int
    peak: int
    """The most memory it took, in bytes."""
    err: str


def run_measured(*words: str, python: str = sys.executable, timeout: float = 55) -> MeasuredRun:
    """Run `seqsend` with ``words``; ``timeout`` is in seconds."""
    done = subprocess.run(
        [python, "-c", _RUN_AND_REPORT, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=timeout,
        check=False,
    )
    found = re.search(r"VmHWM:\s*(\d+) kB", done.stderr)
    assert found is not None, done.stderr
    return MeasuredRun(done.returncode, int(found.group(1)) * 1024, done.stderr)
