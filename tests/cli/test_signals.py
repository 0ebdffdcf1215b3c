"""Ctrl-C at every stage, and readers that leave before the end."""

import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from seqsend.sending.transaction import parse_raw_transaction
from tests.conftest import FreshTx
from tests.support import interruptions
from tests.support.cli import COMMAND, SCHEMA, read_line, start, write_to
from tests.support.moments import count_connections, is_asleep, until
from tests.support.node import Anvil
from tests.support.servers import (
    Dripping,
    Relaying,
    Replying,
    Request,
    Silent,
    StallingTLS,
    blackhole,
    http,
    jsonrpc_result,
)
from tests.support.wallet import Wallet

NOWHERE = "http://127.0.0.1:1"
NOT_DELIVERED, MAYBE = "nothing was delivered", "may have been delivered"


def was_asked(server: Any) -> bool:
    return bool(server.requests)


def is_dialled(server: Any) -> bool:
    return bool(server.waiting < count_connections("SYN_SENT", server.port))


def _take(request: Request) -> bytes:
    (raw,) = request.json["params"]
    return jsonrpc_result(request, parse_raw_transaction(raw).hash)


class _SilentOnLookUps(Replying):
    """Fails a send, and never answers the look-up that follows."""

    def __init__(self) -> None:
        super().__init__(self._reply_to)

    def _reply_to(self, request: Request) -> bytes:
        if request.json["method"] != "eth_sendRawTransaction":
            self.wait()
        return http(503, b"")


DRIPS = b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b" " * 999
STAGES: dict[str, tuple[Callable[[], AbstractContextManager[Any]], str, Any, str, str]] = {
    "dial": (blackhole, "http", is_dialled, "dial", NOT_DELIVERED),
    "TLS": (StallingTLS, "https", lambda s: s.connections, "tls", NOT_DELIVERED),
    "wait": (Silent, "http", was_asked, "answer", MAYBE),
    "answer": (lambda: Dripping(DRIPS, 0.05), "http", was_asked, "answer", MAYBE),
    "look-up": (_SilentOnLookUps, "http", lambda s: len(s.requests) == 2, "answer", MAYBE),
    "WebSocket's handshake": (Silent, "ws", was_asked, "upgrade", NOT_DELIVERED),
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_says_what_was_and_was_not_sent(
    stage: str, number: signal.Signals, fresh_tx: FreshTx
) -> None:
    serve, scheme, has_reached_stage, phase, message = STAGES[stage]
    signed = fresh_tx()
    with serve() as server:
        at = f"--rollup.sequencer-http={server.url.replace('http', scheme, 1)}"
        running = start("send", signed.raw, at, "--json")
        until(lambda: has_reached_stage(server) and is_asleep(running))
        running.send_signal(number)
        interrupted = time.monotonic()
        out, err = running.communicate(timeout=10)
        assert time.monotonic() - interrupted <= 2  # the timeouts are 5 and 10 s
    assert running.returncode == 130
    document = json.loads(out)
    jsonschema.validate(document, SCHEMA)
    assert (document["status"], document["hash"]) == ("interrupted", signed.hash)
    last = document["attempts"][-1]
    assert last["outcome"] == "interrupted"
    # A server can have the whole request before the client knows that it is sent.
    assert last["phase"] in ((phase, "send") if phase == "answer" else (phase,))
    assert f"error: interrupted: {_sentence(message)}" in err.splitlines()
    assert "Traceback" not in err


def _sentence(message: str) -> str:
    return message if message == NOT_DELIVERED else f"it {message}"


@pytest.mark.parametrize("stage", ["dial", "wait"])
def test_ctrl_c_prints_the_hash_of_a_transaction_that_may_be_delivered(
    stage: str, fresh_tx: FreshTx
) -> None:
    serve, _scheme, has_reached_stage, _phase, message = STAGES[stage]
    signed = fresh_tx()
    with serve() as server:
        running = start("send", signed.raw, f"--rollup.sequencer-http={server.url}")
        until(lambda: has_reached_stage(server) and is_asleep(running))
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=10)
    assert out == (f"{signed.hash}\n" if message == MAYBE else "")
    assert (f"eth_getTransactionByHash {signed.hash}" in err) == (message == MAYBE)


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    ("before", "message"), [("", "it was accepted"), ("known", "the sequencer has it")]
)
def test_ctrl_c_while_waiting_for_a_receipt_says_what_is_known(
    before: str, message: str, form: str, wallet: Wallet
) -> None:
    signed = wallet.sign(2, nonce=0)
    with Anvil(extra=("--no-mining",)) as node, Relaying(node.url) as relay:
        if before:
            node.rpc("eth_sendRawTransaction", signed.raw)
        at = f"--rollup.sequencer-http={relay.url}"
        running = start("send", signed.raw, at, "--wait", *(["--json"] if form == "json" else []))
        until(lambda: _polls(relay) >= 2 and is_asleep(running))
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=10)
        assert f"error: interrupted: {message}; no receipt came before the interrupt" in err
        assert running.returncode == 130
        if form == "text":
            assert out == f"{signed.hash}\n"
            return
        document = json.loads(out)
        assert (document["status"], document["hash"]) == ("interrupted", signed.hash)
        assert document["endpoint"] == {"index": 1, "url": relay.url}


def _polls(relay: Relaying) -> int:
    return sum("Receipt" in request.json["method"] for request in relay.requests)


_WAITS_FOR_INPUT = {
    "--raw -": ("rpc", "eth_call", "--raw=-"),
    "--conditional @stdin": ("send", "0x02", "--conditional=@/dev/stdin"),
    "--conditional @pipe": ("send", "0x02", "--conditional=@PIPE"),
    "--file pipe": ("send", "--file=PIPE"),
    "stdin": ("send", "-"),
}


@pytest.mark.parametrize("form", _WAITS_FOR_INPUT)
def test_ctrl_c_ends_the_wait_for_an_input_that_nobody_writes(form: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = [word.replace("PIPE", str(pipe)) for word in _WAITS_FOR_INPUT[form]]
    with start(*words, "--rollup.sequencer-http=http://127.0.0.1:1") as running:
        until(lambda: _handles_signals(running.pid) and is_asleep(running))
        running.send_signal(signal.SIGINT)
        try:
            assert running.wait(5) == 130
        finally:
            running.kill()


def test_a_named_pipe_is_read_once_it_has_a_writer(
    node: Anvil, fresh_tx: FreshTx, tmp_path: Path
) -> None:
    signed, pipe = fresh_tx(), tmp_path / "pipe"
    os.mkfifo(pipe)
    with start("send", f"--file={pipe}", f"--rollup.sequencer-http={node.url}") as running:
        pipe.write_text(f"{signed.raw}\n")
        out, _ = running.communicate(timeout=20)
    assert out.split() == [signed.hash]


def test_the_program_ends_quietly_if_its_reader_leaves_early() -> None:
    environment = {**os.environ, "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    with Replying(lambda request: jsonrpc_result(request, ["x" * 100] * 50_000)) as server:
        done = subprocess.run(
            [
                "bash",
                "-o",
                "pipefail",
                "-c",
                f"seqsend rpc m -q --rollup.sequencer-http={server.url} | head -c 10",
            ],
            capture_output=True,
            text=True,
            env=environment,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, '["xxxxxxxx', "")


def test_a_run_with_open_stdin_ends_if_its_reader_leaves() -> None:
    with Replying(_take) as server:
        running = start("send", "-", f"--rollup.sequencer-http={server.url}")
        with running:
            assert running.stdout is not None
            write_to(running, f"{Wallet(0).sign(nonce=0).raw}\n")
            assert read_line(running)
            running.stdout.close()
            write_to(running, f"{Wallet(0).sign(nonce=1).raw}\n")
            try:
                assert running.wait(10) == 0
            finally:
                running.kill()


def test_two_signals_end_a_run_whose_stderr_nobody_reads() -> None:
    lines = "".join(f"{Wallet(0).sign(nonce=nonce).raw}\n" for nonce in range(50)) * 20
    reader, writer = os.pipe()
    try:
        with tempfile.TemporaryFile("w+") as file:
            file.write(lines)
            file.seek(0)
            running = subprocess.Popen(
                [*COMMAND, "send", "-", "--keep-going", "-v", f"--rollup.sequencer-http={NOWHERE}"],
                stdin=file,
                stdout=subprocess.DEVNULL,
                stderr=writer,
            )
            with running:
                until(lambda: _is_full(writer))
                running.send_signal(signal.SIGINT)
                running.send_signal(signal.SIGTERM)
                try:
                    assert running.wait(10) == 130
                finally:
                    running.kill()
    finally:
        os.close(reader)
        os.close(writer)


def _is_full(pipe: int) -> bool:
    return not select.select([], [pipe], [], 0)[1]


def test_head_1_gets_the_document_with_the_hash(node: Anvil, fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    send = f"{sys.executable} -m seqsend send {signed.raw} --rollup.sequencer-http={node.url}"
    done = subprocess.run(
        ["sh", "-c", f"{send} --json | head -1"], capture_output=True, timeout=30, check=False
    )
    assert json.loads(done.stdout)["hash"] == signed.hash
    assert b"rror" not in done.stderr


def test_a_signal_ends_a_run_with_endless_input() -> None:
    words = ["send", "-", "--keep-going", "-q", f"--rollup.sequencer-http={NOWHERE}"]
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless:
        running = subprocess.Popen(
            [*COMMAND, *words],
            stdin=endless.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert endless.stdout is not None
        endless.stdout.close()  # only the program still has it, so `yes` ends with the program
        assert read_line(running)
        running.send_signal(signal.SIGTERM)
        started = time.monotonic()
        _, err = running.communicate(timeout=20)
        assert time.monotonic() - started <= 5 + 3
    assert "it goes on, 5 s after the run has stopped" in err
    assert running.returncode == 130


SIGNAL_IN_A_CALLBACK = """
import os, sys, weakref
from seqsend.cli import app

class Module: pass

def main(arguments):
    module = Module()
    kept = weakref.ref(module, lambda _: os.kill(os.getpid(), int(arguments[0])))
    del module
    print("it went on")
    return 0

app.main = main
from seqsend.__main__ import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_modules_are_imported_is_not_lost(number: signal.Signals) -> None:
    # The import system has such callbacks, and Python drops exceptions raised in one.
    done = subprocess.run(
        [sys.executable, "-c", SIGNAL_IN_A_CALLBACK, str(int(number))],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def _handles_signals(pid: int) -> bool:
    """Return whether a command has begun: it then has sockets that wake it up on a signal."""
    links = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            links.append(os.readlink(each))
    return sum(link.startswith("socket:") for link in links) >= 4


@pytest.mark.parametrize("kind", interruptions.KINDS)
def test_signals_at_random_moments_leave_one_true_line_and_no_traceback(
    kind: interruptions.Kind,
) -> None:
    seed = os.environ.get("MODEL_SEED") or str(random.SystemRandom().randrange(10**6))
    found = [each for n in range(6) for each in interruptions.interrupt(kind, f"{seed}.{n}")]
    assert found == [], f"MODEL_SEED={seed}"
