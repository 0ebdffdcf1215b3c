"""Signals at random moments of every kind of run: python -m tests.support.interruptions [RUNS].

The model (tests/support/model) interrupts streams over failing endpoints; this module interrupts
the other runs, over a slow endpoint. There may be two signals, and the process may be stopped.
"""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any, Literal, get_args

from seqsend.sending.transaction import parse_raw_transaction
from tests.support.calls import calls_in, respond
from tests.support.cli import COMMAND
from tests.support.servers import Replying, Request, http
from tests.support.wallet import Wallet

Kind = Literal["single", "batch", "wait", "rpc", "check", "watch"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST = 2.0  # seconds from the last signal to the end, on a busy machine
_HANGS = 20.0  # seconds

SIGNED = [Wallet(0).sign(2, nonce=nonce, value=1) for nonce in range(4)]
_HEAD = {"number": "0x10", "hash": "0x" + "ab" * 32, "timestamp": "0x6553f100"}


class Slow(Replying):
    """A node that answers slowly and never has a receipt."""

    def __init__(self, random: Random) -> None:
        super().__init__(self._answer)
        self._random = random
        self.taken: set[str] = set()

    def _answer(self, request: Request) -> bytes:
        if not request.body:
            return http(404, b"")
        calls = calls_in(request)
        self.wait(self._random.uniform(0, 0.04))
        results = [self._result(call["method"], call["params"]) for call in calls]
        self.wait(self._random.uniform(0, 0.04))
        return respond(request, [{"result": result} for result in results])

    def _result(self, method: str, params: list[Any]) -> object:
        if method == "eth_sendRawTransaction" and params != ["0x"]:
            known = parse_raw_transaction(params[0]).hash
            self.taken.add(known)
            return known
        if method == "eth_getTransactionByHash":
            return {"hash": params[0]} if params[0] in self.taken else None
        return {"eth_getTransactionReceipt": None, "eth_getBlockByNumber": _HEAD}.get(method, "0x1")


def _words(kind: Kind) -> list[str]:
    first, *_ = SIGNED
    return {
        "single": ["send", first.raw],
        "batch": ["send", *(signed.raw for signed in SIGNED), "--batch-size", "2"],
        "wait": ["send", first.raw, "--wait", "--wait-timeout", "5s"],
        "rpc": ["rpc", "eth_chainId"],
        "check": ["check", "--count", "20"],
        "watch": ["check", "--watch", "50ms"],
    }[kind]


def interrupt(kind: Kind, seed: str) -> list[str]:
    """Run the program once, send it signals, and return what was wrong."""
    random = Random(f"{kind} {seed}")
    with Slow(random) as server:
        process = subprocess.Popen(
            [*COMMAND, *_words(kind), "--json", f"--rollup.sequencer-http={server.url}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Wait for the program's signal handlers; before that, a signal ends Python itself.
        while process.poll() is None and not server.connections:
            time.sleep(0.001)
        for _ in range(random.choice((1, 1, 1, 2))):
            time.sleep(random.choice((0.0, random.uniform(0, 0.02), random.uniform(0, 0.3))))
            _send(process, random.choice(_NUMBERS), stopped=random.choice((None, None, 0.0, 0.05)))
        sent_at = time.monotonic()
        try:
            out, err = process.communicate(timeout=_HANGS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return [f"{kind} {seed}: hangs"]
        late = time.monotonic() - sent_at
        taken = set(server.taken)
    found = [*_violations(kind, process.returncode, out, err, taken)]
    if late > _LONGEST:
        found.append(f"ended {late:.1f} s after the last signal")
    return [f"{kind} {seed}: {each}" for each in found]


def _send(
    process: "subprocess.Popen[str]", number: signal.Signals, *, stopped: float | None
) -> None:
    if stopped is not None:
        process.send_signal(signal.SIGSTOP)
        time.sleep(stopped)
    process.send_signal(number)
    if stopped is not None:
        process.send_signal(signal.SIGCONT)


def _violations(kind: Kind, code: int, out: str, err: str, taken: set[str]) -> Iterator[str]:
    if code not in (0, 6, 130):
        yield f"exit code {code}: {err[-300:]}"
    for wrong in ("Traceback", "Exception ignored", "a defect"):
        if wrong in err:
            yield err[-500:]
    lines = out.splitlines()
    if kind != "watch" and len(lines) != (len(SIGNED) if kind == "batch" else 1):
        # check, if interrupted, says so on stderr only.
        yield f"{len(lines)} lines: {out[:300]}"
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            yield f"not JSON: {line[:200]}"
            continue
        if "hash" in said:
            yield from _untrue(said, taken)


def _untrue(said: dict[str, Any], taken: set[str]) -> Iterator[str]:
    there, status = said["hash"] in taken, said["status"]
    words = (said["error"] or {}).get("message", "")
    if status in ("accepted", "known", "pending") and not there:
        yield f"{status}, but the node does not have it"
    if there and (status in ("not_sent", "unreachable") or "nothing was delivered" in words):
        yield f"{status}: {words}, but the node has it"


def run_many(count: int, seed: str) -> list[str]:
    """Interrupt ``count`` runs of all kinds, three at a time; return what was wrong."""
    runs = [(KINDS[n % len(KINDS)], f"{seed}.{n}") for n in range(count)]
    with ThreadPoolExecutor(3) as pool:
        return [each for found in pool.map(lambda run: interrupt(*run), runs) for each in found]


def main() -> int:
    """Interrupt the number of runs that the command line says; default 400."""
    for number in _NUMBERS:  # children started by a background script would ignore these
        signal.signal(number, signal.default_int_handler)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    found = run_many(count, seed=str(time.time_ns()))
    kinds = Counter(each.partition(" ")[0] for each in found)
    sys.stdout.write("\n".join([f"{count} runs, wrong: {dict(kinds)}", *found[:40], ""]))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
