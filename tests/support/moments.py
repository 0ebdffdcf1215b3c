"""Waits for a condition instead of a fixed time."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

State = Literal["SYN_SENT", "ESTABLISHED", "CLOSE_WAIT"]
# include/net/tcp_states.h
_NAMES = {"02": "SYN_SENT", "01": "ESTABLISHED", "08": "CLOSE_WAIT"}


def count_connections(state: State, port: int) -> int:
    """Return how many IPv4 sockets connected to ``port`` of any host are in ``state`` (Linux)."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(
        _NAMES.get(state_code) == state and int(remote.rpartition(":")[2], 16) == port
        for _, _, remote, state_code in (line.split()[:4] for line in lines)
    )


def until(holds: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait until ``holds()`` is true; raise AssertionError after ``within`` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"the condition did not hold within {within:g} s"
        time.sleep(0.002)


def is_asleep(process: "subprocess.Popen[str]") -> bool:
    """Return whether the main thread of a process waits in the kernel (Linux).

    Python sees a signal that comes just before a wait only after the wait. So a test waits for
    this before it sends a signal.
    """
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "S"
