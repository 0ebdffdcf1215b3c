"""What an answer may cost: memory, whatever it inflates to."""

import re
import subprocess
import sys

from tests.support.faults import BOMB
from tests.support.servers import Replying, jsonrpc_result

MIB = 2**20

# Linux counts in VmHWM what this program took at most; a child's ru_maxrss has its parent's in it.
RUN_AND_TELL = """
import os, sys
leave = os._exit
def tell_and_leave(code):
    sys.stderr.write(open("/proc/self/status").read())
    sys.stderr.flush()
    leave(code)
os._exit = tell_and_leave
from seqsend.__main__ import main
main()
"""


def peak_memory(url: str) -> tuple[int, int]:
    """Return the exit code of a call and the bytes of memory that it took at most."""
    done = subprocess.run(
        [sys.executable, "-c", RUN_AND_TELL, "rpc", "m", f"--rollup.sequencer-http={url}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    found = re.search(r"VmHWM:\s*(\d+) kB", done.stderr)
    assert found is not None, done.stderr
    return done.returncode, int(found.group(1)) * 1024


def test_a_bomb_of_600_mb_takes_no_more_than_64_mb() -> None:
    with Replying(lambda request: jsonrpc_result(request, "0x1")) as server:
        idle_code, idle = peak_memory(server.url)
    with Replying(BOMB) as bomb:
        code, most = peak_memory(bomb.url)
    assert (idle_code, code) == (0, 5)
    assert most - idle <= 64 * MIB
    assert most - idle >= 16 * MIB  # it was inflated, up to the limit of 32 MiB


def test_an_answer_of_31_mib_is_within_the_limit() -> None:
    with Replying(lambda request: jsonrpc_result(request, "x" * (31 * MIB))) as server:
        code, _ = peak_memory(server.url)
    assert code == 0
