"""Measures `--in-flight` with distant endpoints and `--hedge-after` with silent ones."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tests.bench.measure import (
    CAST,
    HERE,
    PEERS,
    SEQSEND,
    run,
    script,
    side_by_side,
    table,
    verdict,
)
from tests.support.moments import until
from tests.support.node import Anvil
from tests.support.wallet import Signed, Wallet

ROUND_TRIP = 50  # milliseconds
SENDERS, EACH, WORKERS = 40, 10, 32
HEDGE = 300  # milliseconds
_RICH = hex(10**24)  # wei


@contextmanager
def far_from(node: Anvil) -> Iterator[str]:
    """Yield a URL for ``node`` with the round trip of a distant network."""
    relay = subprocess.Popen(
        [sys.executable, str(HERE / "scripts" / "far_away.py"), str(node.port), str(ROUND_TRIP)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert relay.stdout is not None
        yield f"http://127.0.0.1:{int(relay.stdout.readline())}"
    finally:
        relay.kill()
        relay.wait()


def _wallets() -> list[Wallet]:
    return [Wallet.of_key("0x" + f"{number + 1:064x}") for number in range(SENDERS)]


def _in_turns(wallets: Sequence[Wallet]) -> list[Signed]:
    """Return transactions of all senders in turns, each sender's in the order of their nonces."""
    return [wallet.sign(2, nonce=nonce) for nonce in range(EACH) for wallet in wallets]


def _seconds(command: Callable[[str], list[str]], wallets: Sequence[Wallet]) -> float:
    with Anvil(extra=["--no-mining"]) as node:
        for wallet in wallets:
            node.rpc("anvil_setBalance", wallet.address, _RICH)
        with far_from(node) as url:
            seconds = run(command(url))
        pool = node.rpc("txpool_status")
        assert int(pool["pending"], 16) + int(pool["queued"], 16) == SENDERS * EACH
    return seconds


def latency(runs: int) -> None:
    """Measure how fast each program sends transactions of several senders to a distant node."""
    wallets = _wallets()
    file = PEERS / "transactions_of_many.txt"
    file.write_text("".join(f"{s.raw}\n" for s in _in_turns(wallets)))

    def seqsend(url: str, *words: str) -> list[str]:
        return [SEQSEND, "send", "--file", str(file), "-q", f"--rollup.sequencer={url}", *words]

    def xargs(url: str) -> list[str]:
        publish = f"xargs -a {file} -P {WORKERS} -I TX {CAST} publish --async --rpc-url {url} TX"
        return ["sh", "-c", publish]

    ways = {
        "seqsend": seqsend,
        f"seqsend --in-flight {WORKERS}": lambda url: seqsend(url, f"--in-flight={WORKERS}"),
        f"{WORKERS} threads, in no order": lambda url: script(
            "threads.py", url, str(file), str(WORKERS)
        ),
        f"xargs -P {WORKERS} cast publish": xargs,
    }
    makers = {name: partial(_seconds, way, wallets) for name, way in ways.items()}
    medians = side_by_side(makers, runs)
    one, flying, threads, cast = ways
    title = f"{SENDERS * EACH} transactions of {SENDERS} senders over {ROUND_TRIP} ms"
    table(title, medians, one)
    rates = {name: SENDERS * EACH / seconds for name, seconds in medians.items()}
    print("  " + ", ".join(f"{name}: {rate:.0f} /s" for name, rate in rates.items()))
    verdict("in flight / one by one", rates[flying] / rates[one], 20, at_most=False)
    verdict("in flight / threads in no order", rates[flying] / rates[threads], 0.9, at_most=False)
    verdict("in flight / xargs cast", rates[flying] / rates[cast], 1.0, at_most=False)


def hedging(runs: int) -> None:
    """Measure how much time a silent first endpoint costs, compared with the second one alone."""
    with Anvil() as node, socket.create_server(("127.0.0.1", 0), backlog=128) as silent:
        wallet = Wallet(0)
        hung = f"http://127.0.0.1:{silent.getsockname()[1]}"

        def send(*words: str) -> float:
            raw = wallet.sign(2, nonce=node.nonce(wallet.address)).raw
            return run([SEQSEND, "send", raw, "-q", *words])

        hedged = f"--hedge-after {HEDGE}ms, endpoint 1 silent"
        makers = {
            "endpoint 2 alone": partial(send, f"--rollup.sequencer={node.url}"),
            hedged: partial(
                send, f"--rollup.sequencer={hung},{node.url}", f"--hedge-after={HEDGE}ms"
            ),
        }
        medians = side_by_side(makers, runs)
        until(lambda: node.nonce(wallet.address) > 0)
    table("a silent endpoint", medians, "endpoint 2 alone")
    extra = 1000 * (medians[hedged] - medians["endpoint 2 alone"])
    verdict("milliseconds more than endpoint 2 alone", extra, HEDGE + 100, at_most=True)
