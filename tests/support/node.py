"""A real node: Foundry's anvil, on a free loopback port.

Run as a program, with nothing but Python, it exits 1 if there is no suitable anvil: setup.sh then
decides by the same rule as the tests.
"""

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

_STARTS_WITHIN = 20.0  # seconds
_LINKED = Path(__file__).parents[2] / ".venv" / "bin" / "anvil"
_PACKAGE = Path(__file__).parent / "anvil" / "package.json"
# Loaded here, because it is used between fork and exec, where a library must not be loaded.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def find_anvil() -> Path:
    """Return anvil from PATH, else the one that setup.sh got from npm, if it is suitable.

    Suitable is the version in package.json, or a later one of the same major version: the tests
    compare anvil's answers word by word.
    """
    named = json.loads(_PACKAGE.read_text())["dependencies"]["@foundry-rs/anvil"]
    oldest = tuple(map(int, named.split(".")))
    for candidate in (shutil.which("anvil"), _LINKED):
        version = () if candidate is None else _version(candidate)
        if candidate is not None and version[:1] == oldest[:1] and version >= oldest:
            return Path(candidate)
    raise FileNotFoundError(f"no anvil {named} that runs here: sh tests/support/setup.sh gets it")


def _version(anvil: str | Path) -> tuple[int, ...]:
    try:
        said = subprocess.run([anvil, "--version"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    numbers = re.search(rb"(\d+)\.(\d+)\.(\d+)", said.stdout)
    return () if numbers is None else tuple(map(int, numbers.groups()))


def end_with_parent(how: signal.Signals = signal.SIGKILL) -> None:
    """Let the kernel send ``how`` to this process when its parent ends, even if it is killed.

    Call it between fork and exec. Linux only; elsewhere it does nothing.
    """
    if _LIBC is not None:
        _LIBC.prctl(1, how)  # PR_SET_PDEATHSIG


class Anvil:
    """One node with its own chain; a context manager."""

    def __init__(self, *, chain_id: int = 31337, extra: Sequence[str] = ()) -> None:
        """Prepare a node, which `start` or `with` starts. ``extra`` are more arguments of anvil."""
        self._command = [str(find_anvil()), "--port", "0", "--chain-id", str(chain_id), *extra]
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the node
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - one call of the C library
            env=os.environ | {"NO_COLOR": "1"},
        )
        deadline = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < deadline and self._process.poll() is None:
            listening = re.search(r"Listening on 127\.0\.0\.1:(\d+)", self._read_output())
            if listening is not None:
                self.port = int(listening.group(1))
                return
            time.sleep(0.01)
        said = self._read_output()
        self.stop()
        raise RuntimeError(f"anvil did not come up:\n{said}")

    def _read_output(self) -> str:
        # pread, because the child shares the file's position.
        return os.pread(self._output.fileno(), 1_000_000, 0).decode(errors="replace")

    def rpc(self, method: str, *params: Any) -> Any:
        """Return the result of a call, made without any code under test."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = urllib.request.Request(
            self.url, json.dumps(message).encode(), {"Content-Type": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as response:
            answer = json.load(response)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def nonce(self, address: str) -> int:
        """Return the next nonce of ``address``, once all earlier transactions are mined.

        anvil answers a send before it mines, and until then does not count it.
        """
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and self.rpc("txpool_status")["pending"] != "0x0":
            time.sleep(0.005)
        return int(self.rpc("eth_getTransactionCount", address, "pending"), 16)

    def has_transaction(self, transaction_hash: str) -> bool:
        """Return whether the node knows the transaction."""
        return self.rpc("eth_getTransactionByHash", transaction_hash) is not None

    @property
    def pid(self) -> int | None:
        """The id of its process, once it is started."""
        return None if self._process is None else self._process.pid

    def kill(self) -> None:
        """Kill it, as in a crash; its port then refuses connections."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Kill it and delete its output."""
        self.kill()
        self._output.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


if __name__ == "__main__":
    try:
        find_anvil()
    except FileNotFoundError as error:
        sys.exit(str(error))
