"""The long runs: python -m tests.support.endurance [--seconds S] [--calls N] [--lines N].

Each prints what it measured: nothing may grow, and every line must be accounted for. The suite
runs small versions (tests/test_endurance.py).
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from seqsend import CallError, Line, SequencerClient
from seqsend.sending.transaction import parse_raw_transaction
from tests.support.cli import COMMAND
from tests.support.neighbours import node as healthy_node
from tests.support.servers import Replying, Request, dead, http, jsonrpc_error
from tests.support.wallet import Wallet

_KIB = 1024
_THERE = {"accepted", "known"}


@dataclass(frozen=True)
class Usage:
    """The resources of a process."""

    memory: int
    """Resident bytes."""
    threads: int
    descriptors: int


def usage_of(process: int | str = "self") -> Usage:
    """Return the resources that a process holds now (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()

    def number(name: str) -> int:
        found = re.search(rf"{name}:\s*(\d+)", status)
        assert found is not None
        return int(found.group(1))

    descriptors = len(os.listdir(f"/proc/{process}/fd"))
    return Usage(number("VmRSS") * _KIB, number("Threads"), descriptors)


# ---- Nothing grows ----


def watch(seconds: float, *, interval: str = "200ms", settle: float = 2.0) -> list[Usage]:
    """Run `check --watch` for ``seconds``; return its usage over time, after ``settle`` seconds."""
    probe = healthy_node(probe=lambda r: jsonrpc_error(r, -32000, "typed transaction too short"))
    with Replying(probe) as good, dead() as nobody:
        urls = f"--rollup.sequencer-http={good.url},{nobody.url}"
        process = subprocess.Popen(
            [*COMMAND, "check", urls, "--watch", interval],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            seen, until = [], time.monotonic() + seconds
            time.sleep(settle)
            while time.monotonic() < until:
                seen.append(usage_of(process.pid))
                time.sleep(max(0.1, seconds / 60))
        finally:
            process.terminate()  # SIGINT is ignored in the background of a script
            process.wait(10)
    return seen


def fail(calls: int, *, settle: int = 500) -> list[Usage]:
    """Make calls that fail; return this process's usage over time, after ``settle`` calls."""
    seen: list[Usage] = []
    with (
        dead() as nobody,
        Replying(http(503, b"<html>down")) as down,
        SequencerClient([nobody.url, down.url]) as client,
    ):
        for number in range(calls):
            with suppress(CallError):
                client.request("eth_chainId")
            down.requests.clear()  # the server runs in this process, too
            if number >= settle and number % max(1, calls // 50) == 0:
                seen.append(usage_of())
    return seen


def growth(seen: list[Usage]) -> Usage:
    """Return how far the minimum of the last third is above that of the first third.

    The minimum, because resources of a single call come and go.
    """
    part = max(1, len(seen) // 3)

    def least(usages: list[Usage], name: str) -> int:
        return min(int(getattr(usage, name)) for usage in usages)

    names = ("memory", "threads", "descriptors")
    return Usage(*(least(seen[-part:], name) - least(seen[:part], name) for name in names))


# ---- Every line is accounted for ----


class _Flapping:
    """A sequencer behind two endpoints that fail in turn, some after accepting what was sent."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.flaps = True
        self.taken: set[str] = set()
        self._lock = threading.Lock()
        self._requests: Counter[int] = Counter()

    def reply(self, index: int, request: Request) -> bytes:
        """Answer as endpoint ``index``: three requests correctly, then fail three."""
        calls = request.json if isinstance(request.json, list) else [request.json]
        with self._lock:
            self._requests[index] += 1
            fails = self.flaps and (self._requests[index] // 3 + index) % 2
            if len(calls) > self.limit:
                return http(413, b"batch too large")
            if fails and self._requests[index] % 2:
                return http(429, b"")
            answers = [self._answer(call) for call in calls]
        if fails:
            return http(503, b"")
        said = answers if isinstance(request.json, list) else answers[0]
        return http(200, json.dumps(said).encode())

    def _answer(self, call: dict[str, object]) -> dict[str, object]:
        params = call["params"]
        assert isinstance(params, list)
        head = {"jsonrpc": "2.0", "id": call["id"]}
        if call["method"] == "eth_getTransactionByHash":
            found = {"hash": params[0]} if params[0] in self.taken else None
            return head | {"result": found}
        known = parse_raw_transaction(params[0]).hash
        if known in self.taken:
            return head | {"error": {"code": -32000, "message": "already known"}}
        self.taken.add(known)
        return head | {"result": known}


@contextmanager
def flapping(limit: int) -> Iterator[tuple[_Flapping, list[str]]]:
    """Run two endpoints that accept batches of up to ``limit``; yield them and their URLs."""
    sequencer = _Flapping(limit)
    with (
        Replying(lambda request: sequencer.reply(0, request)) as one,
        Replying(lambda request: sequencer.reply(1, request)) as other,
    ):
        yield sequencer, [one.url, other.url]


def stream(lines: int, *, limit: int, batch: int = 50) -> Counter[str]:
    """Send ``lines`` transactions in batches while two endpoints flap; return how they ended.

    Raises AssertionError if an end is untrue or a line has no end.
    """
    signed = [Wallet(0).sign(2, nonce=nonce, value=1).raw for nonce in range(lines)]
    given = [Line(number, raw) for number, raw in enumerate(signed, start=1)]
    with flapping(limit) as (sequencer, urls), SequencerClient(urls) as client:
        ends = list(client.stream(batch_size=batch, keep_going=True).run(given))
        taken = set(sequencer.taken)
        sequencer.flaps = False
        again = list(client.stream(batch_size=batch).run(given))
    assert [end.line for end in ends] == [line.number for line in given]
    for end in ends:
        assert end.status in ("accepted", "known", "unknown", "unreachable"), end
        assert (end.status != "unreachable") or end.hash not in taken, end
        assert end.status in ("unknown", "unreachable") or end.hash in taken, end
    assert {end.status for end in again} <= _THERE, Counter(end.status for end in again)
    assert len(again) == lines
    return Counter(end.status for end in ends)


def main() -> int:
    """Run all of them in turn and print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.endurance")
    parser.add_argument(
        "--seconds", type=float, default=600, help="duration of check --watch 200ms"
    )
    parser.add_argument("--calls", type=int, default=100_000, help="number of failing calls")
    parser.add_argument(
        "--lines", type=int, default=12_000, help="transactions, sent in batches of 50"
    )
    given = parser.parse_args()

    def say(text: object) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    for limit in (50, 7):
        started = time.monotonic()
        ends = stream(given.lines, limit=limit)
        say(f"{given.lines} lines, limit {limit}: {dict(ends)}, {time.monotonic() - started:.0f} s")
    for name in ("calls", "watch"):
        seen = fail(given.calls) if name == "calls" else watch(given.seconds, settle=5)
        say(f"{name}: at first {seen[0]}, at last {seen[-1]}, growth {growth(seen)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
