"""To wait for a moment, and not for a time."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

State = Literal["SYN_SENT", "ESTABLISHED", "CLOSE_WAIT"]
# include/net/tcp_states.h
_NAMES = {"02": "SYN_SENT", "01": "ESTABLISHED", "08": "CLOSE_WAIT"}


def count_connections(state: State, port: int) -> int:
    """Return how many IPv4 sockets are in ``state`` towards ``port`` of any host (Linux)."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(
        _NAMES.get(state_code) == state and int(remote.rpartition(":")[2], 16) == port
        for _, _, remote, state_code in (line.split()[:4] for line in lines)
    )


def until(holds: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait until ``holds()`` is true; an AssertionError where it is not ``within`` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.002)


def is_asleep(process: "subprocess.Popen[str]") -> bool:
    """Tell whether the main thread of a process waits in the kernel (Linux).

    A signal that comes just before it begins to wait is not seen by Python until the wait is over:
    so a test that sends one waits for this first.
    """
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "S"
