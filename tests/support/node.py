"""A real node: Foundry's anvil, on a free loopback port."""

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


def find_anvil() -> Path:
    """Return anvil from PATH, else the one that setup.sh got from npm."""
    on_path = shutil.which("anvil")
    if on_path is None and not _LINKED.exists():
        raise FileNotFoundError("anvil is not there: sh tests/support/setup.sh gets it")
    return Path(on_path) if on_path is not None else _LINKED


def _end_with_parent() -> None:
    # Linux only: a test run that is killed leaves no node behind.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Anvil:
    """One node with a chain of its own; a context manager."""

    def __init__(self, *, chain_id: int = 31337, extra: Sequence[str] = ()) -> None:
        """Prepare; `start` or `with` starts it. ``extra`` are more arguments of anvil."""
        self._arguments = ["--port", "0", "--chain-id", str(chain_id), *extra]
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the node
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [find_anvil(), *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - one call of the C library
            env=os.environ | {"NO_COLOR": "1"},
        )
        deadline = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < deadline and self._process.poll() is None:
            said = self._read_output()
            listening = re.search(r"Listening on 127\.0\.0\.1:(\d+)", said)
            if listening is not None:
                self.port = int(listening.group(1))
                return
            time.sleep(0.01)
        self.stop()
        raise RuntimeError(f"anvil did not come up:\n{self._read_output()}")

    def _read_output(self) -> str:
        # pread: the file's position is the child's, too.
        return os.pread(self._output.fileno(), 1_000_000, 0).decode(errors="replace")

    def rpc(self, method: str, *params: Any) -> Any:
        """Return the result of a call, made without any code that is tested here."""
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
        """Return the next nonce of ``address``."""
        return int(self.rpc("eth_getTransactionCount", address, "pending"), 16)

    def has_transaction(self, transaction_hash: str) -> bool:
        """Tell whether the node knows the transaction."""
        return self.rpc("eth_getTransactionByHash", transaction_hash) is not None

    def stop(self) -> None:
        """End it, now."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()
        self._output.close()
