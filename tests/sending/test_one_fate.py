"""What is reported of a transaction is what happened to it, whatever it was sent with."""

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.calls import answering, calls_in
from tests.support.chain import receipt_of
from tests.support.cli import COMMAND, SCHEMA, Run, seqsend, start
from tests.support.moments import is_asleep, until
from tests.support.node import Anvil
from tests.support.servers import (
    Replying,
    Request,
    Silent,
    dead,
    http,
    jsonrpc_result,
    pass_on,
)
from tests.support.wallet import Signed, Wallet

SEND, LOOK_UP, RECEIPT, BLOCK = (
    "eth_sendRawTransaction",
    "eth_getTransactionByHash",
    "eth_getTransactionReceipt",
    "eth_getBlockByNumber",
)
BATCH_TOO_LARGE = (
    b'[{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch too large"}}]'
)
SIGNED = [Wallet(0).sign(2, nonce=nonce) for nonce in range(20)]


def at(*urls: str) -> str:
    return f"--rollup.sequencer-http={','.join(urls)}"


def text_of(signed: list[Signed]) -> str:
    return "".join(f"{s.raw}\n" for s in signed)


def refusing(code: int, message: str, shown: Any = None) -> Callable[[Request], bytes]:
    """Refuse each send in these words; answer each look-up with ``shown``."""

    def answer(call: dict[str, Any]) -> dict[str, Any]:
        if call["method"] == SEND:
            return {"error": {"code": code, "message": message}}
        return {"result": shown(call["params"][0]) if callable(shown) else shown}

    return answering(answer)


def send(*words: str, to: list[str], stdin: str = "") -> Run:
    return seqsend("send", *words, at(*to), "--json", stdin=stdin)


# Batches that are cut short


@pytest.fixture
def eight(node: Anvil, wallet: Wallet) -> list[Signed]:
    first = node.nonce(wallet.address)
    return [wallet.sign(2, nonce=first + i) for i in range(8)]


class TakesTwo(Replying):
    """Passes batches of two on to a node, refuses larger ones, and hangs at the second pair."""

    def __init__(self, node: Anvil) -> None:
        self.node = node
        self.stuck, self.pairs = threading.Event(), 0
        super().__init__(self._answer)

    def _answer(self, request: Request) -> bytes:
        if len(calls_in(request)) > 2:
            return http(200, BATCH_TOO_LARGE)
        self.pairs += calls_in(request)[0]["method"] == SEND
        if self.pairs == 2:
            self.stuck.set()
            self.wait()
        return http(200, pass_on(request.body, self.node.url))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_a_split_batch_leaves_each_transaction_its_own_status(
    number: signal.Signals, node: Anvil, eight: list[Signed], tmp_path: Path
) -> None:
    file = tmp_path / "transactions.txt"
    file.write_text(text_of(eight))
    with TakesTwo(node) as server:
        running = start("send", "--file", str(file), "--batch-size=8", at(server.url), "--json")
        assert server.stuck.wait(20)
        until(lambda: is_asleep(running))
        running.send_signal(number)
        out, err = running.communicate(timeout=10)
    assert "Traceback" not in err
    found = [json.loads(line) for line in out.splitlines()]
    assert [d["status"] for d in found] == [
        *["accepted"] * 2,
        *["interrupted"] * 2,
        *["not_sent"] * 4,
    ]
    outcomes = [[a["outcome"] for a in d["attempts"]] for d in found]
    assert outcomes == [
        *[["refused", "refused", "answered"]] * 2,
        *[["refused", "refused", "interrupted"]] * 2,
        *[["refused"]] * 4,  # the batch of eight; the batch of four held the first four
    ]
    assert all("may have been delivered" in d["error"]["message"] for d in found[2:4])
    assert running.returncode == 130
    again = seqsend("send", "--file", str(file), at(node.url), "--json", "--keep-going")
    assert {d["status"] for d in again.documents} <= {"accepted", "known"}


@pytest.mark.parametrize("words", [[], ["--keep-going"]])
def test_results_stand_if_the_only_endpoint_dies_after_limiting_batches(words: list[str]) -> None:
    parts = 0

    def reply(request: Request) -> bytes:
        nonlocal parts
        if len(calls_in(request)) > 2:
            return http(200, BATCH_TOO_LARGE)
        parts += 1
        if parts > 2:
            server.drop_connections()
            return b""
        hashes = {s.raw: s.hash for s in SIGNED}
        return answering(lambda call: {"result": hashes[call["params"][0]]})(request)

    with Replying(reply) as server:
        run = send("-", "--batch-size=4", *words, to=[server.url], stdin=text_of(SIGNED[:8]))
    statuses = [d["status"] for d in run.documents]
    assert statuses[:4] == ["accepted"] * 4
    assert set(statuses[4:]) <= {"unknown", "unreachable"}
    assert run.code == 5


def test_a_batch_of_twenty_at_a_silent_endpoint_costs_two_timeouts() -> None:
    with Silent() as server:
        run = send(
            "-",
            "--batch-size=20",
            "--sequencer-request-timeout=300ms",
            to=[server.url],
            stdin=text_of(SIGNED),
        )
        assert len(server.requests) == 2
        assert {call["method"] for call in calls_in(server.requests[1])} == {LOOK_UP}
    assert [d["status"] for d in run.documents] == ["unknown"] * 20
    assert all(d["elapsed_ms"] <= 2 * 300 + 500 for d in run.documents)


@pytest.mark.parametrize("count", [1, 2])
def test_the_deadline_is_named_alike_for_one_and_for_several(count: int) -> None:
    with Silent() as silent, dead() as other:
        raws = [s.raw for s in SIGNED[:count]]
        run = send(*raws, "--deadline=300ms", to=[silent.url, other.url])
        first = run.documents[0]
    assert first["status"] == "unknown"
    assert "(deadline 300ms passed; endpoint 2 not tried)" in first["error"]["message"]
    assert [a["outcome"] for a in first["attempts"]] == ["outage"]
    assert "trying the next" not in run.err
    assert "sending the same bytes again is safe" in run.err


# Look-ups


@pytest.mark.parametrize(
    "shown",
    [{}, "0x1", 7, [], True, {"hash": None}, {"hash": "0x" + "00" * 32}, {"hash": SIGNED[1].hash}],
)
def test_only_null_means_that_a_transaction_is_not_there(shown: Any) -> None:
    with Replying(refusing(-32000, "nonce too low", shown)) as server:
        run = send(SIGNED[0].raw, to=[server.url])
    assert run.document["status"] == "unknown"
    last = run.document["attempts"][-1]
    assert (last["outcome"], last["reason_code"]) == ("lookup_failed", "not_an_answer")


def test_null_means_that_a_transaction_is_not_there() -> None:
    with Replying(refusing(-32000, "nonce too low", None)) as server:
        run = send(SIGNED[0].raw, to=[server.url])
    assert run.document["status"] == "rejected"


def upper(transaction_hash: str) -> dict[str, str]:
    return {"hash": "0X" + transaction_hash[2:].upper()}


def test_hashes_are_compared_as_bytes() -> None:
    with Replying(refusing(-32000, "nonce too low", upper)) as server:
        assert send(SIGNED[0].raw, to=[server.url]).document["status"] == "known"


@pytest.mark.parametrize("others", [0, 1])
def test_already_known_without_confirmation_is_unknown(others: int) -> None:
    with (
        Replying(refusing(-32000, "already known", None)) as first,
        Replying(refusing(-32000, "unused", None)) as second,
    ):
        run = send(SIGNED[0].raw, to=[first.url, *[second.url] * others])
        plain = seqsend("send", SIGNED[0].raw, at(first.url))
        assert {c["method"] for r in second.requests for c in calls_in(r)} <= {LOOK_UP}
        assert len(second.requests) == others
    assert run.document["status"] == "unknown"
    assert run.document["hash"] == SIGNED[0].hash
    assert (plain.code, plain.out) == (5, f"{SIGNED[0].hash}\n")
    assert "sign it" not in plain.err


def test_already_known_that_another_endpoint_confirms_is_known() -> None:
    with (
        Replying(refusing(-32000, "already known", None)) as private,
        Replying(refusing(-32000, "unused", lambda h: {"hash": h})) as public,
    ):
        listed = send(SIGNED[0].raw, to=[private.url, public.url])
        read = send(SIGNED[0].raw, f"--reads-from={public.url}", to=[private.url])
        assert {c["method"] for r in public.requests for c in calls_in(r)} == {LOOK_UP}
    for run in (listed, read):
        assert run.document["status"] == "known"
        assert run.document["endpoint"] == {"index": 2, "url": public.url}


def test_it_is_unknown_if_the_reader_does_not_answer() -> None:
    """A reader is given because the other endpoint may not show what it has."""
    with Replying(refusing(-32000, "nonce too low", None)) as server, dead() as reader:
        run = send(SIGNED[0].raw, f"--reads-from={reader.url}", to=[server.url])
    assert run.document["status"] == "unknown"


@pytest.mark.parametrize(
    "at_first",
    [
        answering(
            lambda call: {
                "error": {"code": -32000, "message": "nonce too low"}
                if call["method"] == SEND
                else {"code": -32601, "message": "the method does not exist"}
            }
        ),
        refusing(-32000, "nonce too low", None),
    ],
    ids=["send-only", "lagging"],
)
def test_after_nonce_too_low_another_endpoint_can_show_it(
    at_first: Callable[[Request], bytes],
) -> None:
    with (
        Replying(at_first) as first,
        Replying(refusing(-32000, "unused", lambda h: {"hash": h})) as second,
    ):
        run = send(SIGNED[0].raw, to=[first.url, second.url])
    assert (run.code, run.document["status"]) == (0, "known")
    assert run.document["endpoint"]["index"] == 2


def test_unknown_words_lead_to_a_look_up() -> None:
    words = "tx already in mempool"  # berachain/polaris#351
    with Replying(refusing(-32603, words, lambda h: {"hash": h})) as server:
        assert send(SIGNED[0].raw, to=[server.url]).document["status"] == "known"
    with Replying(refusing(-32603, "words that nobody knows", None)) as server:
        assert send(SIGNED[0].raw, to=[server.url]).document["status"] == "rejected"


def test_an_endpoint_that_may_have_taken_it_is_asked_before_a_verdict_counts() -> None:
    """Endpoint 1 took it and did not answer; endpoint 2, which does not see it, refuses it."""

    def reply(request: Request) -> bytes:
        (call,) = calls_in(request)
        if call["method"] == SEND:
            return http(502, b"")
        return jsonrpc_result(request, {"hash": call["params"][0]})

    with Replying(reply) as taker, Replying(refusing(-32000, "nonce too low", None)) as other:
        run = send(SIGNED[0].raw, to=[taker.url, other.url])
        assert all(SEND in r.body.decode() for r in other.requests)
    assert run.document["status"] == "known"
    assert run.document["endpoint"]["index"] == 1


def test_several_transactions_are_looked_up_in_one_batch() -> None:
    with Replying(refusing(-32000, "nonce too low", lambda h: {"hash": h})) as server:
        run = send("-", "--batch-size=20", to=[server.url], stdin=text_of(SIGNED))
        assert [len(calls_in(r)) for r in server.requests] == [20, 20]
    assert [d["status"] for d in run.documents] == ["known"] * 20


# Receipts


@pytest.mark.parametrize(
    ("status", "code"),
    [("0x1", 0), (1, 0), ("0x01", 0), ("0x0", 7), (0, 7), ("0x00", 7), (False, 7), (None, 0)],
)
def test_every_spelling_of_a_receipts_status_is_read(status: object, code: int) -> None:
    def answer(call: dict[str, Any]) -> dict[str, Any]:
        if call["method"] == SEND:
            return {"result": SIGNED[0].hash}
        if call["method"] == BLOCK:
            return {"result": {"number": "0x1", "hash": "0xb"}}
        return {"result": receipt_of(call["params"][0], 1, "0xb") | {"status": status}}

    with Replying(answering(answer)) as server:
        assert send(SIGNED[0].raw, "--wait", to=[server.url]).code == code


def test_another_transactions_receipt_does_not_end_the_wait() -> None:
    def answer(call: dict[str, Any]) -> dict[str, Any]:
        if call["method"] == SEND:
            return {"result": SIGNED[0].hash}
        return {"result": receipt_of(SIGNED[1].hash, 1, "0xb")}

    with Replying(answering(answer)) as server:
        run = send(SIGNED[0].raw, "--wait", "--wait-timeout=600ms", to=[server.url])
        assert len(server.requests) > 2
    assert (run.code, run.document["receipt"]) == (6, None)


@pytest.mark.parametrize("count", [1, 2])
def test_a_wait_reports_a_failure_once_and_again_when_it_changes(count: int) -> None:
    polls = 0

    def reply(request: Request) -> bytes:
        nonlocal polls
        call = calls_in(request)[0]
        if call["method"] == SEND:
            return jsonrpc_result(request, {s.raw: s.hash for s in SIGNED}[call["params"][0]])
        polls += 1
        return http(503 if polls <= 3 else 429, b"")

    raws = [s.raw for s in SIGNED[:count]]
    with Replying(reply) as server:
        run = seqsend("send", *raws, at(server.url), "--wait", "--wait-timeout=1500ms")
        assert polls >= 5
    assert run.code == 6
    assert (run.err.count("HTTP 503"), run.err.count("HTTP 429")) == (1, 1)


# The input


@contextmanager
def broken_input(lines: bytes) -> Iterator[socket.socket]:
    """Yield a stdin that has ``lines`` and is then reset by its peer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        with ours, theirs:
            theirs.sendall(lines)
            # Only once it was read: a reset discards unread data.
            threading.Thread(target=_reset_once_read, args=(ours, theirs), daemon=True).start()
            yield ours


def _reset_once_read(reader: socket.socket, writer: socket.socket) -> None:
    import fcntl
    import struct
    import termios

    def unread() -> int:
        raw = fcntl.ioctl(reader.fileno(), termios.FIONREAD, b"\0" * 4)
        return int(struct.unpack("i", raw)[0])

    until(lambda: unread() == 0)
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


def test_an_input_that_fails_midway_is_named_and_no_line_is_lost(
    node: Anvil, eight: list[Signed]
) -> None:
    with broken_input(text_of(eight[:3]).encode()) as stdin:
        done = subprocess.run(
            [*COMMAND, "send", "-", at(node.url)],
            stdin=stdin.fileno(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.stdout == "".join(f"{s.hash}\n" for s in eight[:3])
    assert "error: stdin could not be read: Connection reset" in done.stderr
    assert "stdout" not in done.stderr
    assert done.returncode == 1


def test_a_write_only_stdin_is_named(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as writing, dead() as nobody:
        done = subprocess.run(
            [*COMMAND, "send", "-", at(nobody.url)],
            stdin=writing,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert "error: stdin could not be read" in done.stderr
    assert (done.returncode, done.stdout) == (1, "")


def test_a_directory_given_as_the_file_is_named(tmp_path: Path) -> None:
    with dead() as nobody:
        run = seqsend("send", "--file", str(tmp_path), at(nobody.url))
    assert run.code == 2
    assert f"--file: {tmp_path}: is a directory" in run.err


@pytest.mark.parametrize("lines", ["", "\n# a comment\n\n"])
def test_an_empty_input_is_a_usage_error_unless_it_is_allowed(lines: str) -> None:
    with dead() as nobody:
        run = seqsend("send", "-", at(nobody.url), stdin=lines)
        allowed = seqsend("send", "-", at(nobody.url), "--allow-empty", stdin=lines)
    assert (run.code, run.out) == (2, "")
    assert "the input holds no transaction" in run.err
    assert (allowed.code, allowed.out) == (0, "")


def test_a_wrong_line_exits_with_2_and_earlier_results_stand(
    node: Anvil, eight: list[Signed]
) -> None:
    lines = text_of(eight[:2]) + "0xzz\n"
    run = send("-", to=[node.url], stdin=lines)
    assert [d["status"] for d in run.documents] == ["accepted", "accepted", "usage"]
    assert run.code == 2


# The envelope


@pytest.mark.parametrize(
    "envelope",
    [
        {"id": 1},
        {"jsonrpc": "2.0", "id": "1"},
        {"jsonrpc": "2.0", "id": 1, "error": None},
        {"jsonrpc": "1.0", "id": 1},
        {},
    ],
)
def test_the_transactions_own_hash_proves_it_whatever_the_envelope(
    envelope: dict[str, Any],
) -> None:
    body = json.dumps({**envelope, "result": SIGNED[0].hash}).encode()
    with Replying(http(200, body)) as server:
        assert send(SIGNED[0].raw, to=[server.url]).document["status"] == "accepted"


def test_every_failed_attempt_has_a_reason_code() -> None:
    codes = SCHEMA["$defs"]["attempt"]["properties"]["reason_code"]["enum"]
    from typing import get_args

    from seqsend.models import ReasonCode

    assert set(codes) == {None, *get_args(ReasonCode)}
    with dead() as nobody, Replying(http(503, b"")) as broken:
        run = send(SIGNED[0].raw, to=[nobody.url, broken.url])
    attempts = run.document["attempts"]
    assert [a["reason_code"] for a in attempts][:2] == ["refused", "bad_gateway"]
    assert all((a["reason"] is None) == (a["reason_code"] is None) for a in attempts)
