"""`send --in-flight` as a user runs it: signals, outages, slow pipes and readers that leave."""

import json
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqsend.sending.transaction import parse_raw_transaction
from tests.support.calls import answering, calls_in, respond
from tests.support.chain import FakeChain, stay
from tests.support.cli import read_line, seqsend, start, write_to
from tests.support.moments import until
from tests.support.peak_memory import run_measured
from tests.support.servers import Replying, Request, jsonrpc_error, jsonrpc_result
from tests.support.wallet import Signed, Wallet

WALLETS = [Wallet.of_key(f"0x{n:064x}") for n in range(1, 17)]


def sign(count: int, senders: int = 16) -> list[Signed]:
    """Return ``count`` transactions, from ``senders`` senders in turn."""
    return [WALLETS[n % senders].sign(2, nonce=n // senders) for n in range(count)]


def text_of(signed: list[Signed]) -> str:
    return "".join(f"{each.raw}\n" for each in signed)


def documents_in(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def hash_in(request: Request) -> str:
    return parse_raw_transaction(request.json["params"][0]).hash


class Node(Replying):
    """Takes transactions; reads held ones too, but answers them only after ``let_go``."""

    def __init__(self, *, held: Callable[[int, str], bool] = lambda *_: False) -> None:
        """``held`` decides from the number of earlier transactions and the hash."""
        super().__init__(self._answer)
        self._held = held
        self._lock = threading.Lock()
        self._let_go = threading.Event()
        self.taken: list[str] = []
        """Hashes in order of arrival, held ones included."""
        self.answered: set[str] = set()

    def let_go(self) -> None:
        self._let_go.set()

    def _answer(self, request: Request) -> bytes:
        if request.json["method"] == "eth_getTransactionByHash":
            (wanted,) = request.json["params"]
            return jsonrpc_result(request, {"hash": wanted} if wanted in self.taken else None)
        known = hash_in(request)
        with self._lock:
            is_held = self._held(len(self.taken), known)
            if known not in self.taken:
                self.taken.append(known)
        if is_held:
            self._let_go.wait(20)
        self.answered.add(known)
        return jsonrpc_result(request, known)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_with_eight_in_flight_leaves_a_true_result_for_each_line(
    number: signal.Signals, tmp_path: Path
) -> None:
    signed = sign(40)
    file = tmp_path / "transactions.txt"
    file.write_text(text_of(signed))
    with Node(held=lambda before, _: before >= 12) as node:
        words = ["--json", "--in-flight=8", f"--rollup.sequencer-http={node.url}"]
        with start("send", f"--file={file}", *words) as running:
            until(lambda: len(node.taken) == 20)
            running.send_signal(number)
            out, err = running.communicate(timeout=10)
        found = documents_in(out)
        answered = set(node.answered)
    assert running.returncode == 130
    assert "Traceback" not in err
    assert [d["hash"] for d in found] == [each.hash for each in signed]
    assert Counter(d["status"] for d in found) == {
        "accepted": 12,
        "interrupted": 8,
        "not_sent": 20,
    }
    for each in found:
        taken = each["hash"] in node.taken
        assert (each["status"] == "accepted") == (each["hash"] in answered)
        assert (each["status"] == "not_sent") == (not taken)
        if each["status"] == "interrupted":
            (attempt,) = each["attempts"]
            assert (attempt["outcome"], attempt["delivered"]) == ("interrupted", "unknown")


def test_results_are_printed_while_stdin_stays_open() -> None:
    signed = sign(6)
    with Node() as node:
        at = f"--rollup.sequencer-http={node.url}"
        with start("send", "-", "--in-flight=4", at) as running:
            for each in signed:
                write_to(running, f"{each.raw}\n")
                assert read_line(running).strip() == each.hash  # while stdin stays open
            out, err = running.communicate(timeout=10)
    assert out == ""
    assert running.returncode == 0
    assert "6 transactions: 6 accepted" in err


def test_receipts_are_polled_while_stdin_is_idle() -> None:
    (signed,) = sign(1)
    with FakeChain([stay, stay, FakeChain.mine]) as chain:
        words = ["--wait", "--in-flight=4", f"--rollup.sequencer-http={chain.url}"]
        with start("send", "-", *words) as running:
            write_to(running, f"{signed.raw}\n")
            assert read_line(running).strip() == signed.hash
            until(lambda: len(chain.polls) >= 3)  # while stdin stays open
            running.communicate(timeout=10)
    assert running.returncode == 0


def test_an_endpoint_that_dies_with_sixteen_in_flight_loses_nothing(tmp_path: Path) -> None:
    signed = sign(300)
    file = tmp_path / "transactions.txt"
    file.write_text(text_of(signed))

    def is_held_here(before: int, _: str) -> bool:
        if before == 100:
            mortal.__exit__()
        return before >= 100

    with Node(held=is_held_here) as mortal, Node() as other:
        at = f"--rollup.sequencer-http={mortal.url},{other.url}"
        run = seqsend("send", f"--file={file}", "--in-flight=16", "--json", at)
    found = documents_in(run.out)
    assert [d["hash"] for d in found] == [each.hash for each in signed]
    assert Counter(d["status"] for d in found) == {"accepted": 300}
    counts = Counter(d["endpoint"]["index"] for d in found)
    by_endpoint = {
        index: {d["hash"] for d in found if d["endpoint"]["index"] == index} for index in counts
    }
    uncertain = {d["hash"] for d in found if d["attempts"][0]["delivered"] == "unknown"}
    assert by_endpoint[1] <= set(mortal.taken) <= by_endpoint[1] | uncertain
    assert by_endpoint[2] == set(other.taken)
    assert f"endpoint 1: {counts[1]}, endpoint 2: {counts[2]}" in run.err


def test_each_senders_order_is_kept_and_output_follows_the_input(tmp_path: Path) -> None:
    signed = sign(200, senders=5)
    file = tmp_path / "transactions.txt"
    file.write_text(text_of(signed))
    with Node() as node:
        at = f"--rollup.sequencer-http={node.url}"
        run = seqsend("send", f"--file={file}", "--in-flight=16", "-v", at)
    assert run.code == 0
    assert run.out.split() == [each.hash for each in signed]
    for sender in range(5):
        own = [each.hash for n, each in enumerate(signed) if n % 5 == sender]
        assert [taken for taken in node.taken if taken in own] == own
    # Every line that a thread wrote to stderr is whole: one per attempt.
    assert len(re.findall(r"(?m)^  endpoint 1 of 1 .* ms$", run.err)) == 200


def test_a_rejection_stops_everything_not_yet_in_flight() -> None:
    signed = sign(40)

    def reply(request: Request) -> bytes:
        if request.json["method"] == "eth_getTransactionByHash":
            return jsonrpc_result(request, None)
        if hash_in(request) == signed[3].hash:
            return jsonrpc_error(request, -32000, "insufficient funds for gas")
        return jsonrpc_result(request, hash_in(request))

    with Replying(reply) as server:
        at = f"--rollup.sequencer-http={server.url}"
        run = seqsend("send", "-", "--in-flight=2", "--json", at, stdin=text_of(signed))
        sent = [hash_in(request) for request in server.requests]
    found = documents_in(run.out)
    assert run.code == 3
    assert [d["hash"] for d in found] == [each.hash for each in signed]
    assert found[3]["status"] == "rejected"
    for each in found:
        assert (each["hash"] in sent) == (each["status"] != "not_sent")
    assert found[-1]["error"]["message"] == "not sent: the run stopped at line 4"


def test_if_the_reader_leaves_stderr_reports_everything_in_flight(tmp_path: Path) -> None:
    signed = sign(60)
    file = tmp_path / "transactions.txt"
    file.write_text(text_of(signed))
    with Node(held=lambda _, known: known != signed[0].hash) as node:
        words = ["--in-flight=8", f"--rollup.sequencer-http={node.url}"]
        with start("send", f"--file={file}", *words) as running:
            assert running.stdout is not None
            assert read_line(running).strip() == signed[0].hash
            running.stdout.close()
            until(lambda: len(node.taken) == 9)
            node.let_go()
            assert running.stderr is not None
            err = running.stderr.read()
            assert running.wait(10) == 1
    reported = set(re.findall(r"accepted (0x\w{64})", err))
    assert reported == set(node.taken) - {signed[0].hash}
    (first,) = re.findall(r"line (\d+) and all after it were not sent", err)
    assert {each.hash for each in signed[int(first) - 1 :]}.isdisjoint(node.taken)


def test_if_the_reader_has_left_stderr_reports_unsent_lines_in_the_middle() -> None:
    places = [(0, 0), (1, 0), (1, 1), (2, 0), (3, 0), (3, 1)]
    signed = [WALLETS[sender].sign(2, nonce=nonce) for sender, nonce in places]
    reader_has_left, others = threading.Event(), threading.Event()

    def reply(request: Request) -> bytes:
        known = hash_in(request)
        if known == signed[1].hash:
            reader_has_left.wait(20)
            return jsonrpc_error(request, -32000, "insufficient funds for gas")
        if known != signed[0].hash:
            others.wait(20)
        return jsonrpc_result(request, known)

    with Replying(reply) as server:
        at = f"--rollup.sequencer-http={server.url}"
        with start("send", "-", "--in-flight=3", at) as running:
            assert running.stdout is not None
            assert running.stdin is not None
            assert running.stderr is not None
            write_to(running, text_of(signed))
            running.stdin.close()
            assert read_line(running).strip() == signed[0].hash
            running.stdout.close()
            until(lambda: len(server.requests) == 4)
            reader_has_left.set()
            while "line 2: rejected" not in running.stderr.readline():
                pass
            others.set()
            err = running.stderr.read()
            assert running.wait(10) == 3
    assert f"line 3: not_sent {signed[2].hash}" in err
    assert f"line 4: accepted {signed[3].hash}" in err
    assert f"line 5: accepted {signed[4].hash}" in err
    assert "line 6 and all after it were not sent" in err


def test_batches_are_sent_concurrently() -> None:
    signed = sign(160)
    running_now, most = [0], [0]
    both = threading.Event()
    lock = threading.Lock()

    def reply(request: Request) -> bytes:
        with lock:
            running_now[0] += 1
            most[0] = max(most[0], running_now[0])
            if running_now[0] == 2:
                both.set()
        both.wait(10)  # the first answer waits for a second request
        with lock:
            running_now[0] -= 1
        # The last batch may be a single call: a batch is closed if nothing more can be read.
        hashes = [parse_raw_transaction(call["params"][0]).hash for call in calls_in(request)]
        return respond(request, [{"result": known} for known in hashes])

    with Replying(reply) as server:
        words = ["--batch-size=10", "--in-flight=4", f"--rollup.sequencer-http={server.url}"]
        run = seqsend("send", "-", *words, stdin=text_of(signed))
    assert run.code == 0
    assert run.out.split() == [each.hash for each in signed]
    assert 2 <= most[0] <= 4


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    """The input repeats the same transactions, and the endpoint takes them all."""
    signed, file = sign(100), tmp_path / "transactions.txt"

    known = {each.raw: each.hash for each in signed}
    reply = answering(lambda call: {"result": known[call["params"][0]]})

    def peak(lines: int) -> float:
        file.write_text(text_of(signed) * (lines // 100))
        words = ["-q", "--batch-size=50", "--in-flight=8", f"--rollup.sequencer-http={server.url}"]
        run = run_measured("send", f"--file={file}", *words)
        assert run.code == 0
        return run.peak / 2**20

    with Replying(reply) as server:
        # After a few windows of 1,600 lines it grows no more.
        assert peak(10_000) - peak(4_000) <= 5


@pytest.mark.parametrize("text", ["0", "-1", "257", "many"])
def test_a_wrong_number_in_flight_is_refused(text: str) -> None:
    run = seqsend("send", "-", f"--in-flight={text}", "--rollup.sequencer-http=http://127.0.0.1:1")
    assert run.code == 2
    assert "--in-flight" in run.err
