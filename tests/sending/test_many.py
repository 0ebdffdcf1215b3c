"""`seqsend send` with several transactions: one line for each, and none lost."""

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FreshTx
from tests.support.chain import FakeChain, stay
from tests.support.cli import COMMAND, read_line, seqsend, start, write_to
from tests.support.moments import is_asleep, until
from tests.support.node import Anvil
from tests.support.servers import Relaying, Replying, Request, dead, http, jsonrpc_result, pass_on
from tests.support.terminal import on_a_terminal
from tests.support.wallet import Signed, Wallet


def at(*urls: str) -> str:
    return f"--rollup.sequencer-http={','.join(urls)}"


@pytest.fixture
def signed(node: Anvil, wallet: Wallet) -> list[Signed]:
    first = node.nonce(wallet.address)
    return [wallet.sign(2, nonce=first + i) for i in range(6)]


def text_of(signed: list[Signed]) -> str:
    return "".join(f"{s.raw}\n" for s in signed)


def hashes(signed: list[Signed]) -> str:
    return "".join(f"{s.hash}\n" for s in signed)


@pytest.mark.parametrize("by", ["words", "file", "stdin", "stdin as a file"])
def test_each_transaction_gets_its_line(
    by: str, node: Anvil, signed: list[Signed], tmp_path: Path
) -> None:
    file = tmp_path / "transactions.txt"
    file.write_text(f"# six of them\n\n{text_of(signed)}")
    words = {
        "words": [s.raw for s in signed],
        "file": ["--file", str(file)],
        "stdin": ["-"],
        "stdin as a file": ["--file", "-"],
    }[by]
    for status in ("accepted", "known"):
        run = seqsend("send", *words, at(node.url), stdin=file.read_bytes())
        assert (run.code, run.out) == (0, hashes(signed))
        assert run.err.startswith(
            f"6 transactions: 6 {status}; answered by endpoint 1: 6; 0 failov"
        )
    as_json = seqsend("send", *words, at(node.url), "--json", "-q", stdin=file.read_bytes())
    assert [d["hash"] for d in as_json.documents] == [s.hash for s in signed]
    first = 1 if by == "words" else 3
    assert [d["line"] for d in as_json.documents] == list(range(first, first + 6))
    assert as_json.err == ""


def test_the_first_bad_line_stops_the_run_unless_keep_going_is_given(
    node: Anvil, signed: list[Signed]
) -> None:
    lines = f"{signed[0].raw}\n0xnothex\n{text_of(signed[1:])}"
    stopped = seqsend("send", "-", at(node.url), stdin=lines)
    assert stopped.code == 2
    assert stopped.out.splitlines() == [signed[0].hash, "usage", *["not_sent"] * 5]
    assert "error: line 2: raw transaction is not hex" in stopped.err
    assert "1 accepted" in stopped.err
    assert "5 not_sent" in stopped.err
    kept_going = seqsend("send", "-", at(node.url), "--keep-going", "--json", stdin=lines)
    assert kept_going.code == 2
    assert [d["status"] for d in kept_going.documents] == ["known", "usage", *["accepted"] * 5]
    assert [d["exit_code"] for d in kept_going.documents] == [0, 2, 0, 0, 0, 0, 0]


def test_the_exit_code_is_the_first_that_is_not_0(signed: list[Signed]) -> None:
    poor = Wallet.of_key("0x" + "33" * 32).sign(2, nonce=0)
    with dead() as nobody:
        run = seqsend("send", poor.raw, "zz", at(nobody.url), "--keep-going", "--json")
    assert [d["exit_code"] for d in run.documents] == [4, 2]
    assert run.code == 4
    assert "connection refused" in run.err
    assert "trying the next" not in run.err  # there is no next one


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no transaction given"),
        (["-", "0x02"], "- means stdin and must be the only argument"),
        (["0x02", "--file", "x"], "cannot be combined"),
        (["--file", "/nowhere"], "--file: /nowhere: no such file"),
        (["--file", "/"], "--file: /: is a directory"),
        (["-", "--batch-size=0"], "--batch-size: '0' is below 1"),
        (["0x02", "--batch-size=0"], "--batch-size: '0' is below 1"),
        (["-", "--batch-size=x"], "--batch-size: 'x' is not a whole number"),
        (["0x02", "--wait-timeout=1s"], "--wait-timeout needs --wait"),
        (["0x02", "--wait", "--wait-timeout=1"], "--wait-timeout: '1' has no unit"),
        (["0x02", "--conditional=7"], "--conditional: it is not an object"),
        (["0x02", "--conditional=@/nowhere"], "--conditional: /nowhere: no such file"),
    ],
)
def test_wrong_input_is_named(words: list[str], said: str) -> None:
    run = seqsend("send", *words, at("http://127.0.0.1:1"), "--json")
    assert run.document["status"] == "usage"
    assert said in run.document["error"]["message"]
    assert "; example: " in run.document["error"]["message"]


def test_transactions_are_sent_in_batches_of_the_size_given(
    node: Anvil, signed: list[Signed]
) -> None:
    with Replying(lambda r: http(200, pass_on(r.body, node.url))) as relay:
        run = seqsend("send", "-", at(relay.url), "--batch-size=4", stdin=text_of(signed))
        assert [len(r.json) for r in relay.requests] == [4, 2]
    assert (run.code, run.out) == (0, hashes(signed))


class Slow(Relaying):
    """Passes requests on to a node; stops at one of the sends until `go_on` is set."""

    def __init__(self, upstream: str, *, stuck_at: int = 3) -> None:
        super().__init__(upstream)
        self.stuck, self.go_on = threading.Event(), threading.Event()
        self._stuck_at = stuck_at
        self._sends = 0

    def read_request(self, connection: Any) -> Request | None:
        request = super().read_request(connection)
        if request is not None and request.json["method"] == "eth_sendRawTransaction":
            self._sends += 1
            if self._sends == self._stuck_at:
                self.stuck.set()
                until(lambda: self.go_on.is_set() or self._stopped.is_set())
        return request


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_midway_still_gives_every_transaction_its_line(
    number: signal.Signals, node: Anvil, signed: list[Signed], tmp_path: Path
) -> None:
    file = tmp_path / "transactions.txt"
    file.write_text(text_of(signed))
    with Slow(node.url) as slow:
        running = start("send", "--file", str(file), at(slow.url), "--json")
        assert slow.stuck.wait(20)
        until(lambda: is_asleep(running))
        running.send_signal(number)
        out, err = running.communicate(timeout=10)
    found = [json.loads(line) for line in out.splitlines()]
    assert [d["status"] for d in found] == [
        *["accepted"] * 2,
        "interrupted",
        *["not_sent"] * 3,
    ]
    assert [d["hash"] for d in found] == [s.hash for s in signed]
    assert "may have been delivered" in found[2]["error"]["message"]
    assert running.returncode == 130
    assert "Traceback" not in err
    # Sending the same file again completes it.
    again = seqsend("send", "--file", str(file), at(node.url), "--json")
    ends = [d["status"] for d in again.documents]
    assert ends[:2] + ends[3:] == [*["known"] * 2, *["accepted"] * 3]
    assert ends[2] in ("known", "accepted")  # it may have been delivered


def test_ctrl_c_ends_the_wait_for_stdin(node: Anvil, signed: list[Signed]) -> None:
    running = start("send", "-", at(node.url))
    write_to(running, text_of(signed[:1]))
    assert read_line(running) == hashes(signed[:1])
    until(lambda: is_asleep(running))
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=10) == 130  # although stdin stays open
    out, err = running.communicate(timeout=10)
    assert out == ""
    assert "1 transaction: 1 accepted" in err


def test_a_second_ctrl_c_ends_the_wait_for_more_lines(node: Anvil, signed: list[Signed]) -> None:
    running = start("send", "-", at(node.url), "--json")
    for each, status in ((signed[0], "accepted"), (signed[1], "not_sent")):
        write_to(running, text_of([each]))
        assert json.loads(read_line(running))["status"] == status
        until(lambda: is_asleep(running))
        running.send_signal(signal.SIGINT)
    assert running.wait(timeout=10) == 130
    out, err = running.communicate(timeout=10)
    assert out == ""
    assert "interrupted again: the lines after line 2 are not reported" in err
    assert "2 transactions: 1 accepted, 1 not_sent" in err


@pytest.mark.parametrize("count", [1, 6])
def test_a_background_job_of_a_script_ignores_ctrl_c(
    count: int, node: Anvil, signed: list[Signed]
) -> None:
    """A script's shell starts such jobs with SIGINT ignored."""
    given = signed[:count]
    with Slow(node.url, stuck_at=1) as slow:
        words = ["send", *(s.raw for s in given), at(slow.url), "-q"]
        running = start(*words, within=("sh", "-c", 'trap "" INT; exec "$@"', "sh"))
        assert slow.stuck.wait(20)
        until(lambda: is_asleep(running))
        running.send_signal(signal.SIGINT)
        slow.go_on.set()
        out, _ = running.communicate(timeout=10)
    assert (running.returncode, out) == (0, hashes(given))


def test_a_failure_ends_a_run_whose_input_does_not_end(signed: list[Signed]) -> None:
    with dead() as nobody:
        running = start("send", "-", at(nobody.url))
        write_to(running, text_of(signed[:3]))
        assert running.wait(timeout=20) == 4  # although stdin is still open
        out, _ = running.communicate(timeout=10)
        assert out.splitlines() == ["unreachable", "not_sent", "not_sent"]


def test_a_closed_stdout_stops_the_run(node: Anvil, signed: list[Signed]) -> None:
    with start("send", *[s.raw for s in signed], at(node.url)) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        err = running.stderr.read()
    assert err == (
        f"stdout is closed; line 1: accepted {signed[0].hash}\n"
        "error: line 2 and all after it were not sent: stdout is closed\n"
    )
    assert running.returncode == 1  # for `set -o pipefail`
    assert node.has_transaction(signed[0].hash)
    assert not node.has_transaction(signed[1].hash)


def test_a_full_disk_stops_the_run_and_loses_no_answer(node: Anvil, signed: list[Signed]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "send", *[s.raw for s in signed], at(node.url)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert signed[0].hash in done.stderr
    assert "line 2 and all after it were not sent: stdout cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not node.has_transaction(signed[1].hash)


class Dying(Relaying):
    """Passes requests on to a node, and kills it at request number ``after``."""

    def __init__(self, upstream: Anvil, after: int) -> None:
        super().__init__(upstream.url)
        self._node, self._left = upstream, after

    def read_request(self, connection: Any) -> Request | None:
        request = super().read_request(connection)
        self._left -= 1
        if self._left == 0:
            self._node.kill()
        return request


def send_from_a_fresh_account(nodes: list[str], count: int, **options: Any) -> list[dict[str, Any]]:
    """Send ``count`` transactions of an account that is new to each node; check the hashes."""
    wallet = Wallet(0)
    made = [wallet.sign(2, nonce=nonce) for nonce in range(count)]
    run = seqsend(
        "send", "-", at(*nodes), "--json", "-q", *options.get("words", ()), stdin=text_of(made)
    )
    assert [d["hash"] for d in run.documents] == [s.hash for s in made]
    return run.documents


def test_the_second_node_takes_over_when_the_first_dies_midway() -> None:
    """They share no state: the second lacks the earlier nonces, so it queues what it accepts."""
    with Anvil() as first, Anvil() as second:
        found = send_while_the_first_node_dies(first, second)
        by_second = [d for d in found if d["endpoint"] and d["endpoint"]["index"] == 2]
        taken = [d for d in by_second if d["status"] == "accepted"]
        pool = second.rpc("txpool_status")
        held = int(pool["pending"], 16) + int(pool["queued"], 16)
        assert held == len(taken)
        assert len(taken) >= 30


def send_while_the_first_node_dies(first: Anvil, second: Anvil) -> list[dict[str, Any]]:
    with Dying(first, after=30) as dying:
        found = send_from_a_fresh_account([dying.url, second.url], 60, words=("--keep-going",))
    statuses = {d["status"] for d in found}
    assert statuses == {"accepted"}
    assert [d["endpoint"]["index"] for d in found] == [1] * 29 + [2] * 31
    return found


def test_a_proxy_that_drops_every_third_answer_loses_nothing(node: Anvil) -> None:
    seen = 0

    class Dropping(Replying):
        def handle(self, connection: Any) -> None:
            nonlocal seen
            while (request := self.read_request(connection)) is not None:
                said = pass_on(request.body, node.url)
                seen += 1
                if seen % 3 == 0:
                    return
                connection.sendall(http(200, said))

    wallet = Wallet(2)
    before = int(node.rpc("eth_getTransactionCount", wallet.address, "latest"), 16)
    made = [wallet.sign(2, nonce=before + i) for i in range(30)]
    with Dropping(b"") as dropping:
        run = seqsend("send", "-", at(dropping.url, node.url), "--json", stdin=text_of(made))
    assert {d["status"] for d in run.documents} == {"accepted", "known"}
    assert node.nonce(wallet.address) == before + 30


def test_a_run_fails_back_to_endpoint_1(node: Anvil, signed: list[Signed]) -> None:
    """Endpoint 1 fails once, and is tried first again once the time has passed."""
    failed = False

    def fail_once(request: Request) -> bytes:
        nonlocal failed
        if not failed:
            failed = True
            return http(429, b"")
        return http(200, pass_on(request.body, node.url))

    with Replying(fail_once) as first:
        run = seqsend(
            "send",
            "-",
            at(first.url, node.url),
            "--failback-after=1ms",
            "--json",
            stdin=text_of(signed),
        )
    asked = [d["endpoint"]["index"] for d in run.documents]
    assert (asked[0], asked[-1]) == (2, 1)
    assert asked == sorted(asked, reverse=True)  # back to 1, and not away from it again


def test_progress_is_shown_only_on_a_terminal_that_does_not_show_the_lines(
    node: Anvil, wallet: Wallet, tmp_path: Path
) -> None:
    first = node.nonce(wallet.address)
    file = tmp_path / "transactions.txt"
    file.write_text(text_of([wallet.sign(2, nonce=first + i) for i in range(60)]))
    environment = dict(os.environ) | {"TERM": "xterm-256color"}
    words = ["send", "--file", str(file), at(node.url)]
    with (tmp_path / "out").open("wb") as out:
        seen = on_a_terminal(words, environment, columns=120, stdout=out)
        assert " done, " in seen.raw
        assert "endpoint 1" in seen.raw
        assert seen.screen[-1].startswith(
            "60 transactions: 60 accepted; answered by endpoint 1: 60"
        )
        assert len(seen.screen) == 1
        quiet = on_a_terminal([*words, "-q"], environment, stdout=out)
        assert quiet.raw == ""
    shown = on_a_terminal(words, environment, columns=120)
    assert " done, " not in shown.raw


def test_messages_are_not_written_onto_the_progress_line(
    node: Anvil, wallet: Wallet, tmp_path: Path
) -> None:
    first = node.nonce(wallet.address)
    file = tmp_path / "transactions.txt"
    signed = [wallet.sign(2, nonce=first + i) for i in range(60)]
    file.write_text("".join(f"{s.raw}\nnot hex\n" for s in signed))
    environment = dict(os.environ) | {"TERM": "xterm-256color"}
    words = ["send", "--file", str(file), at(node.url), "--keep-going"]
    with (tmp_path / "out").open("wb") as out:
        seen = on_a_terminal(words, environment, columns=160, stdout=out)
    assert " done, " in seen.raw
    said = [line for line in seen.screen if "error:" in line]
    assert len(said) >= 20
    assert all(line.startswith("error: line ") for line in said)
    assert not any(" done, " in line for line in seen.screen)


@pytest.fixture
def slow_node() -> Iterator[Anvil]:
    with Anvil(extra=("--no-mining",)) as running:
        yield running


def test_wait_adds_the_receipt(node: Anvil, fresh_tx: FreshTx, signed: list[Signed]) -> None:
    one = seqsend("send", signed[0].raw, at(node.url), "--wait", "--json")
    assert one.document["status"] == "accepted"
    assert one.document["receipt"]["transactionHash"] == signed[0].hash
    block = int(one.document["receipt"]["blockNumber"], 16)
    plain = seqsend("send", signed[0].raw, at(node.url), "--wait")
    assert (plain.code, plain.out) == (0, hashes(signed[:1]))
    assert plain.err.rstrip().endswith(f"; mined in block {block}, success")
    many = seqsend("send", "-", at(node.url), "--wait", "--json", stdin=text_of(signed))
    assert [d["receipt"]["transactionHash"] for d in many.documents] == [s.hash for s in signed]
    assert {d["status"] for d in many.documents} == {"known", "accepted"}


def test_wait_gives_up_after_its_time(slow_node: Anvil, wallet: Wallet) -> None:
    signed = wallet.sign(2, nonce=0)
    run = seqsend("send", signed.raw, at(slow_node.url), "--wait", "--wait-timeout=600ms", "--json")
    assert (run.document["status"], run.code) == ("pending", 6)
    assert run.document["receipt"] is None
    assert 0.6 <= run.elapsed <= 5
    plain = seqsend("send", signed.raw, at(slow_node.url), "--wait", "--wait-timeout=100ms")
    assert (plain.code, plain.out) == (6, f"{signed.hash}\n")
    assert "seqsend rpc eth_getTransactionReceipt" in plain.err
    assert "not taken in time" not in plain.err  # every poll was answered, even the last
    assert "no answer" not in plain.err


def test_a_transaction_mined_while_another_was_awaited_is_not_pending(signed: list[Signed]) -> None:
    """The first uses up the time that all share; each answer takes 100 ms."""

    class Slow(FakeChain):
        def _answer(self, request: Request) -> bytes:
            threading.Event().wait(0.0 if b"eth_send" in request.body else 0.1)
            return super()._answer(request)

        def take(self, raw: str) -> str:
            known = super().take(raw)
            if known == signed[0].hash:
                self.hashes.remove(known)
            return known

    with Slow([stay] * 2 + [lambda chain: chain.mine()]) as slow:
        run = seqsend(
            *("send", "-", at(slow.url), "--wait", "--wait-timeout=600ms", "--keep-going"),
            "--json",
            stdin=text_of(signed),
        )
    assert [d["status"] for d in run.documents] == ["pending"] + ["accepted"] * 5


def test_the_wait_ends_for_all_if_no_poll_is_answered(signed: list[Signed]) -> None:
    def answer(request: Request) -> bytes:
        if b"eth_sendRawTransaction" in request.body:
            return jsonrpc_result(request, sent[request.json["params"][0]])
        return b""

    sent = {each.raw: each.hash for each in signed}
    with Replying(answer) as mute:
        run = seqsend(
            *("send", "-", at(mute.url), "--wait", "--wait-timeout=600ms", "--keep-going"),
            "--json",
            stdin=text_of(signed),
        )
    assert [d["status"] for d in run.documents] == ["pending"] * 6
    polls = [r for r in mute.requests if b"Receipt" in r.body]
    assert len(polls) <= 3


def test_wait_overlaps_with_sending(slow_node: Anvil, wallet: Wallet) -> None:
    """Nothing is mined until all are sent: waiting for each in turn would never end."""
    made = [wallet.sign(2, nonce=nonce) for nonce in range(5)]

    def mine() -> None:
        until(lambda: slow_node.rpc("txpool_status")["pending"] == "0x5")
        slow_node.rpc("evm_mine")

    miner = threading.Thread(target=mine)
    miner.start()
    run = seqsend("send", "-", at(slow_node.url), "--wait", "--json", stdin=text_of(made))
    miner.join()
    assert [d["status"] for d in run.documents] == ["accepted"] * 5
    assert len({d["receipt"]["blockNumber"] for d in run.documents}) == 1


def test_a_reverted_transaction_exits_with_7_and_says_so(slow_node: Anvil, wallet: Wallet) -> None:
    slow_node.rpc("evm_setAutomine", True)
    # PUSH1 0 PUSH1 0 REVERT, at the sender's own address: the transfer goes there.
    slow_node.rpc("anvil_setCode", wallet.address, "0x60006000fd")
    made = [wallet.sign(2, nonce=nonce) for nonce in range(2)]
    run = seqsend("send", made[0].raw, made[1].raw, at(slow_node.url), "--wait", "--json")
    assert [d["status"] for d in run.documents] == ["reverted", "not_sent"] or [
        d["status"] for d in run.documents
    ] == ["reverted", "reverted"]
    assert run.code == 7
    # Each is known by now.
    for words in ([made[0].raw], [made[0].raw, made[1].raw]):
        plain = seqsend("send", *words, at(slow_node.url), "--wait")
        assert plain.out.splitlines()[0] == made[0].hash
        assert re.search(r"mined in block [0-9]+, reverted", plain.err)
        assert "answered by endpoint 1" in plain.err


def test_quiet_still_says_why(signed: list[Signed]) -> None:
    with dead() as one, dead() as two:
        run = seqsend("send", signed[0].raw, signed[1].raw, at(one.url, two.url), "-q")
    assert run.code == 4
    assert re.fullmatch(
        "error: line 1: the transaction was not delivered: no endpoint took it\n"
        r"  endpoint 1 of 2 .*: connection refused \(dial, .*\); trying the next\n"
        r"  endpoint 2 of 2 .*: connection refused \(dial, .*\)\n"
        "hint: nothing was sent: check the addresses, then send it again\n",
        run.err,
    )


def test_receipts_fail_over_as_any_call_does(node: Anvil, signed: list[Signed]) -> None:
    def no_receipts(request: Request) -> bytes:
        if b"eth_getTransactionReceipt" in request.body:
            return http(503, b"")
        return http(200, pass_on(request.body, node.url))

    with Replying(no_receipts) as first:
        run = seqsend("send", signed[0].raw, at(first.url, node.url), "--wait", "--json")
    assert run.document["receipt"]["status"] == "0x1"


CONDITIONS = {"blockNumberMin": 1, "timestampMax": "0x70000000"}


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (None, "accepted", 0),
        ((-32003, "transaction rejected: block number out of range"), "rejected", 3),
        ((-32005, "storage slots exceed the limit"), "rejected", 3),
        ((-32602, "invalid conditional"), "rejected", 3),
        ((-32601, "the method does not exist"), "unreachable", 4),
    ],
)
def test_conditions_are_sent_along_and_their_refusal_is_reported(
    reply: tuple[int, str] | None, status: str, code: int, fresh_tx: FreshTx, tmp_path: Path
) -> None:
    signed = fresh_tx()

    def answer(request: Request) -> bytes:
        said: dict[str, Any] = {"jsonrpc": "2.0", "id": request.id}
        if reply is None:
            said["result"] = signed.hash
        else:
            said["error"] = {"code": reply[0], "message": reply[1]}
        return http(200, json.dumps(said).encode())

    file = tmp_path / "conditions.json"
    file.write_text(json.dumps(CONDITIONS))
    with Replying(answer) as server:
        for given in (json.dumps(CONDITIONS), f"@{file}"):
            run = seqsend("send", signed.raw, at(server.url), f"--conditional={given}", "--json")
            assert (run.document["status"], run.code) == (status, code)
        if status == "unreachable":
            plain = seqsend("send", signed.raw, at(server.url), f"--conditional=@{file}")
            assert "hint: no endpoint has eth_sendRawTransactionConditional:" in plain.err
        asked = server.requests[0].json
    assert asked["method"] == "eth_sendRawTransactionConditional"
    assert asked["params"] == [
        signed.raw,
        {"blockNumberMin": "0x1", "timestampMax": "0x70000000"},
    ]


def test_an_endless_file_of_conditions_is_refused(signed: list[Signed]) -> None:
    words = ("--conditional", "@/dev/zero", "--rollup.sequencer-http", "http://127.0.0.1:1")
    run = seqsend("send", signed[0].raw, *words)
    assert run.code == 2
    assert "/dev/zero: more than 32mib" in run.err


def test_a_result_is_not_held_back(node: Anvil, signed: list[Signed]) -> None:
    """Each line is written before the next transaction is sent."""
    running = start("send", "-", at(node.url))
    for each in signed:
        write_to(running, text_of([each]))
        assert read_line(running) == hashes([each])
    running.communicate(timeout=10)
    assert running.returncode == 0
