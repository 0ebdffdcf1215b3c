"""Compares seqsend with other tools, as ratios measured in turns in the same run."""

import argparse
import json
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_hash.backends.pycryptodome import backend

from tests.bench import network
from tests.bench.measure import (
    CAST,
    PEERS,
    PYTHON,
    SEQSEND,
    Command,
    run,
    script,
    side_by_side,
    table,
    verdict,
)
from tests.support.calls import answering
from tests.support.moments import until
from tests.support.node import Anvil
from tests.support.peak_memory import run_measured
from tests.support.servers import Relaying, Replying, http, pass_on
from tests.support.wallet import Signed, Wallet

MANY, SENDERS, BATCH = 5000, 10, 100
LOOPS = (f"http.client, batches of {BATCH}", f"seqsend --batch-size {BATCH}")
CAST_LOOP = 20  # transactions of the file: enough for a rate
BLOCKS = ("--block-time=2",)
"""As on the OP Stack. With anvil's default, one block per transaction, mining takes longer
than everything that is measured here, and about one batch in a thousand hangs."""
RICH = hex(10**24)  # wei


def one_shot(node: Anvil, runs: int) -> None:
    """Measure one call and one transaction, each in its own process."""
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})
    curl = ["curl", "-s", "-H", "Content-Type: application/json", node.url, "-d"]
    commands = {
        "bare python -c pass": [PYTHON, "-c", "pass"],
        "seqsend --version": [SEQSEND, "--version"],
        "curl": [*curl, call],
        "cast": [CAST, "rpc", "eth_chainId", "--rpc-url", node.url],
        "five lines of requests": script("five_lines.py", node.url, "eth_chainId"),
        "seqsend rpc": [SEQSEND, "rpc", "eth_chainId", "-q", f"--rollup.sequencer={node.url}"],
        "web3.py": script("with_web3.py", node.url, "eth_chainId"),
        "ethers": script("with_ethers.js", node.url, "eth_chainId"),
        "viem": script("with_viem.js", node.url, "eth_chainId"),
    }
    made = {name: partial(run, command) for name, command in commands.items()}
    found = side_by_side(made, runs)
    table("one-shot: eth_chainId", found, "five lines of requests")
    base = found["five lines of requests"]
    verdict("seqsend rpc / requests", found["seqsend rpc"] / base, 1.05, at_most=True)
    bare = found["seqsend --version"] / found["bare python -c pass"]
    verdict("seqsend --version / bare python", bare, 5, at_most=True)
    for peer in ("web3.py", "ethers", "viem"):
        verdict(f"seqsend rpc / {peer}", found["seqsend rpc"] / found[peer], 1, at_most=True)

    wallet = Wallet(0)
    send = "eth_sendRawTransaction"

    def sending(command: Callable[[str], Command]) -> Callable[[], float]:
        def measure() -> float:
            raw = wallet.sign(2, nonce=node.nonce(wallet.address)).raw
            return run(command(raw))

        return measure

    def by_curl(raw: str) -> Command:
        message = {"jsonrpc": "2.0", "id": 1, "method": send, "params": [raw]}
        return [*curl, json.dumps(message)]

    makers = {
        "curl": sending(by_curl),
        "cast": sending(lambda raw: [CAST, "publish", "--async", "--rpc-url", node.url, raw]),
        "five lines of requests": sending(lambda r: script("five_lines.py", node.url, send, r)),
        "seqsend send": sending(
            lambda raw: [SEQSEND, "send", raw, "-q", f"--rollup.sequencer={node.url}"]
        ),
        "web3.py": sending(lambda raw: script("with_web3.py", node.url, send, raw)),
        "ethers": sending(lambda raw: script("with_ethers.js", node.url, send, raw)),
        "viem": sending(lambda raw: script("with_viem.js", node.url, send, raw)),
    }
    found = side_by_side(makers, runs)
    table("one-shot: send", found, "five lines of requests")
    base = found["five lines of requests"]
    verdict("seqsend send / requests", found["seqsend send"] / base, 1.10, at_most=True)
    for peer in ("web3.py", "ethers", "viem"):
        verdict(f"seqsend send / {peer}", found["seqsend send"] / found[peer], 1, at_most=True)


def wallets_of(count: int) -> list[Wallet]:
    """Return the wallets of ``count`` senders."""
    return [Wallet.of_key("0x" + f"{number + 1:064x}") for number in range(count)]


def in_turns(wallets: Sequence[Wallet], count: int) -> list[Signed]:
    """Return ``count`` transactions of all senders in turns, in the order of their nonces."""
    return [w.sign(2, nonce=nonce) for nonce in range(count // len(wallets)) for w in wallets]


def seconds_on_a_fresh_node(send: Callable[[Anvil], None], count: int = 1) -> float:
    """Return the seconds that ``send`` takes for ``count`` transactions on a fresh node."""
    wallets = wallets_of(SENDERS)
    with Anvil(extra=BLOCKS) as node:
        for wallet in wallets:
            node.rpc("anvil_setBalance", wallet.address, RICH)
        started = time.perf_counter()
        send(node)
        seconds = time.perf_counter() - started
        until(lambda: sum(_nonce(node, wallet) for wallet in wallets) == count)
    return seconds


def _nonce(node: Anvil, wallet: Wallet) -> int:
    """Return how many transactions of ``wallet`` the node has, mined or not."""
    return int(node.rpc("eth_getTransactionCount", wallet.address, "pending"), 16)


def on_a_fresh_node(send: Callable[[Anvil], None], count: int) -> float:
    """Return how many transactions per second ``send`` gets to a fresh node."""
    return count / seconds_on_a_fresh_node(send, count)


def many(signed: Sequence[Signed], runs: int) -> None:
    """Measure how many transactions per second each program sends, in its own process."""
    file = PEERS / "transactions.txt"
    file.write_text("".join(f"{s.raw}\n" for s in signed))

    def seqsend(*words: str) -> Callable[[Anvil], None]:
        return lambda node: run(  # type: ignore[return-value]
            [SEQSEND, "send", "--file", str(file), "-q", f"--rollup.sequencer={node.url}", *words]
        )

    def scripted(name: str, *words: str) -> Callable[[Anvil], None]:
        return lambda node: run(script(name, node.url, str(file), *words))  # type: ignore[return-value]

    def cast_loop(node: Anvil) -> None:
        for each in signed[:CAST_LOOP]:
            run([CAST, "publish", "--async", "--rpc-url", node.url, each.raw])

    ways = {
        "requests.Session": (scripted("session_loop.py"), len(signed)),
        "seqsend": (seqsend(), len(signed)),
        LOOPS[0]: (scripted("batch_loop.py", str(BATCH)), len(signed)),
        LOOPS[1]: (seqsend(f"--batch-size={BATCH}"), len(signed)),
        f"{LOOPS[1]} --in-flight 4": (
            seqsend(f"--batch-size={BATCH}", "--in-flight=4"),
            len(signed),
        ),
        "cast publish --async in a loop": (cast_loop, CAST_LOOP),
    }
    makers = {name: partial(on_a_fresh_node, *way) for name, way in ways.items()}
    found = side_by_side(makers, runs)
    table(f"{len(signed)} transactions of {SENDERS} senders", found, "requests.Session", "rate")
    verdict(
        "seqsend / requests.Session",
        found["seqsend"] / found["requests.Session"],
        1.4,
        at_most=False,
    )
    by_cast = found["seqsend"] / found["cast publish --async in a loop"]
    verdict("seqsend / cast publish --async", by_cast, 20, at_most=False)

    # Compare the loops without start-up, which is the time of a run with one transaction.
    file.write_text(f"{signed[0].raw}\n")
    batched = (*LOOPS, f"{LOOPS[1]} --in-flight 4")
    makers = {name: partial(seconds_on_a_fresh_node, ways[name][0]) for name in batched}
    started = side_by_side(makers, runs)
    table("one transaction, of which the time is the start's", started, LOOPS[0])
    loops = {name: len(signed) / found[name] - started[name] for name in batched}
    for name, least in zip(batched[1:], (0.9, 1.0), strict=True):
        print(f"  start-up apart: {loops[LOOPS[0]]:.2f} s, and {loops[name]:.2f} s of {name}")
        verdict(f"http.client / {name}", loops[LOOPS[0]] / loops[name], least, at_most=False)


def _made_up(number: int) -> bytes:
    """Return a well-formed transaction with a made-up signature: the server does not check it."""
    fields = [1, number, 1, 1, 21_000, b"\x11" * 20, 1, b"", [], 0, 7**40, 11**40]
    return b"\x02" + bytes(rlp.encode([_minimal(f) for f in fields]))


def _minimal(value: object) -> object:
    if not isinstance(value, int):
        return value
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def peak_memory(lines: int, *more: str) -> float:
    """Return the peak memory of a run over ``lines`` lines, in MB."""

    reply = answering(lambda call: {"result": _hash(call["params"][0])})
    with tempfile.NamedTemporaryFile("w") as file, Replying(reply) as server:
        file.writelines(f"0x{_made_up(number).hex()}\n" for number in range(lines))
        file.flush()
        words = ["send", "--file", file.name, f"--rollup.sequencer={server.url}"]
        run = run_measured(*words, *more, python=PYTHON, timeout=600)
    assert f"{lines} accepted" in run.err
    return run.peak / 2**20


def _hash(raw: str) -> str:
    return "0x" + bytes(backend.keccak256(bytes.fromhex(raw[2:]))).hex()


def memory() -> None:
    """Measure that memory does not grow with the input."""
    for words, most in (([f"--batch-size={BATCH}"], 10), (["--in-flight=32"], 20)):
        few, lots = peak_memory(1000, *words), peak_memory(100_000, *words)
        print(f"\n{words[0]}: {few:.1f} MB at most with 1,000 lines, {lots:.1f} MB with 100,000")
        verdict("difference in MB", lots - few, most, at_most=True)


class _Mortal(Relaying):
    """Relays to a node, and stops for good after ``lives`` requests."""

    def __init__(self, upstream: str, lives: int) -> None:
        super().__init__(upstream)
        self._lives = lives

    def handle(self, connection: socket.socket) -> None:
        """Answer until the last life is used up."""
        while (request := self.read_request(connection)) is not None:
            said = http(200, pass_on(request.body, self.upstream))
            self._lives -= 1
            if self._lives <= 0:
                self.__exit__()
                return
            connection.sendall(said)


class _Forgetful(Relaying):
    """Relays to a node, but closes instead of giving every tenth answer."""

    _seen = 0

    def handle(self, connection: socket.socket) -> None:
        """Answer nine of ten requests."""
        while (request := self.read_request(connection)) is not None:
            said = http(200, pass_on(request.body, self.upstream))
            self._seen += 1
            if self._seen % 10 == 0:
                return
            connection.sendall(said)


def _outcomes(file: str, *urls: str, words: Sequence[str] = ()) -> list[dict[str, Any]]:
    at = f"--rollup.sequencer={','.join(urls)}"
    done = subprocess.run(
        [SEQSEND, "send", "--file", file, at, "--json", "-q", "--keep-going", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _said(title: str, *, good: bool) -> None:
    print(f"  {'ok  ' if good else 'MISS'} {title}")


def accounts(count: int) -> None:
    """Compare the reports about many transactions with what the nodes have."""
    one_by_one = [Wallet(0).sign(2, nonce=nonce) for nonce in range(count)]
    wallets = wallets_of(_SENDERS)
    _one_of_two_dies(one_by_one, [Wallet(0)])
    _one_of_two_dies(in_turns(wallets, count), wallets, f"--in-flight={_IN_FLIGHT}")
    _every_tenth_answer_lost(one_by_one, Wallet(0))


_SENDERS, _IN_FLIGHT = 50, 16


@contextmanager
def _written(signed: Sequence[Signed]) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w") as file:
        file.writelines(f"{each.raw}\n" for each in signed)
        file.flush()
        yield file.name


def _one_of_two_dies(signed: Sequence[Signed], wallets: Sequence[Wallet], *words: str) -> None:
    title = " ".join(("endpoint 1 gone in the middle", *words))
    print(f"\n{len(signed)} transactions, nodes that share no state, {title}")
    with (
        _written(signed) as file,
        Anvil() as one,
        Anvil() as two,
        _Mortal(one.url, len(signed) // 2) as mortal,
    ):
        for node in (one, two):
            for wallet in wallets:
                node.rpc("anvil_setBalance", wallet.address, RICH)
        found = _outcomes(file, mortal.url, two.url, words=words)
        first = sum(one.nonce(wallet.address) for wallet in wallets)
        pool = two.rpc("txpool_status")
        waiting = int(pool["pending"], 16) + int(pool["queued"], 16)
        second = waiting + sum(two.nonce(wallet.address) for wallet in wallets)
    by = Counter((d["status"], (d["endpoint"] or {}).get("index")) for d in found)
    maybe = sum(d["attempts"][0]["delivered"] == "unknown" for d in found)
    print(f"  reported: {dict(by)}; node 1 has {first}, node 2 has {second}")
    _said("a line for each", good=[d["hash"] for d in found] == [s.hash for s in signed])
    accepted = by["accepted", 1]
    _said("node 1 has what is reported, or may have", good=accepted <= first <= accepted + maybe)
    _said("node 2 has what is reported", good=second == by["accepted", 2])


def _every_tenth_answer_lost(signed: Sequence[Signed], wallet: Wallet) -> None:
    print(f"\n{len(signed)} transactions over a proxy that drops every tenth answer")
    with _written(signed) as file, Anvil() as node, _Forgetful(node.url) as forgetful:
        # Return to the proxy after each failover, or it would get no more requests.
        found = _outcomes(file, forgetful.url, node.url, words=("--failback-after=1ms",))
        has = node.nonce(wallet.address)
    by_status = Counter(d["status"] for d in found)
    print(f"  reported: {dict(by_status)}; the node has {has}")
    _said("a line for each", good=[d["hash"] for d in found] == [s.hash for s in signed])
    there = by_status["accepted"] + by_status["known"]
    _said("the node has them all", good=has == len(signed) == there)


def main() -> None:
    """Run the benchmarks that the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--many", type=int, default=MANY, help="how many transactions")
    parser.add_argument("--only", choices=["one-shot", "many", "network", "memory", "accounts"])
    given = parser.parse_args()
    if given.only in (None, "one-shot"):
        with Anvil() as node:
            one_shot(node, given.runs)
    if given.only in (None, "many"):
        many(in_turns(wallets_of(SENDERS), given.many), given.runs)
    if given.only in (None, "network"):
        network.latency(given.runs)
        network.hedging(given.runs)
    if given.only in (None, "memory"):
        memory()
    if given.only in (None, "accounts"):
        accounts(5000)


if __name__ == "__main__":
    main()
