"""`check` run repeatedly: `--watch` and `--until-usable`."""

import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.cli import COMMAND, read_line, seqsend, start
from tests.support.moments import until
from tests.support.neighbours import node as fake_node
from tests.support.node import Anvil
from tests.support.servers import Replying, Request, Silent, dead, jsonrpc_error
from tests.support.terminal import Resized, on_a_terminal

TERMINAL = dict(os.environ) | {"TERM": "xterm-256color"}
CHANGE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (.*)"


def refuse(request: Request) -> bytes:
    return jsonrpc_error(request, -32000, "typed transaction too short")


def healthy(request: Request) -> bytes:
    return fake_node(probe=refuse)(request)


@contextmanager
def eleven_nodes() -> Iterator[list[str]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Replying(healthy)).url for _ in range(11)]


def count_results(raw: str) -> int:
    """Count the complete results that were drawn."""
    return len(set(re.findall(r"last at (\S+);", raw)))


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (80, 12), (110, 30), (200, 50)])
def test_watch_redraws_in_place_and_leaves_the_last_result(columns: int, lines: int) -> None:
    with eleven_nodes() as urls, dead() as nobody:
        seen = on_a_terminal(
            ["check", *urls, nobody.url, "--watch=100ms"],
            TERMINAL,
            columns=columns,
            lines=lines,
            interrupt_when=lambda raw: count_results(raw) >= 3,
        )
    assert seen.code == 130
    assert seen.lost == 0
    assert seen.alternate is not None
    assert "Ctrl-C ends it" in seen.alternate[-1]
    assert seen.alternate[-2].startswith("11 of 12 usable; chain 31337")
    assert any("✗ NOT USABLE" in line for line in seen.alternate)
    left = [*seen.scrollback, *seen.screen]
    for url in (*urls, nobody.url):
        assert sum(f"{url} " in f"{line} " for line in left) == 1, left
    assert "11 of 12 usable; chain 31337" in left[-1]
    assert "Ctrl-C" not in "".join(left)


def test_a_short_screen_shows_the_unusable_endpoint_first(node: Anvil) -> None:
    with eleven_nodes() as urls, dead() as nobody:
        seen = on_a_terminal(
            ["check", *urls, nobody.url, "--watch=100ms"],
            TERMINAL,
            lines=8,
            interrupt_when=lambda raw: count_results(raw) >= 2,
        )
    assert seen.alternate is not None
    assert len(seen.alternate) == 8
    assert seen.alternate[0].startswith("12  ✗ NOT USABLE")
    assert seen.alternate[-3] == ""
    assert seen.alternate[-4] == "and 11 more endpoints: the screen is too small"


def test_watch_adapts_to_a_resized_terminal(node: Anvil) -> None:
    with eleven_nodes() as urls:
        seen = on_a_terminal(
            ["check", *urls, "--watch=1h"],
            TERMINAL,
            columns=200,
            lines=50,
            resized=Resized(lambda raw: count_results(raw) >= 1, 80, 16),
            interrupt_when=lambda raw: raw.count("last at") >= 2,
        )
    assert seen.alternate is not None
    assert seen.lost == 0
    assert max(map(len, seen.alternate)) <= 80
    assert len(seen.alternate) <= 16
    assert seen.alternate[0].startswith(" 1  ✓ usable      http")


def test_watch_shows_answers_as_they_come(node: Anvil) -> None:
    with Silent() as silent:
        seen = on_a_terminal(
            ["check", node.url, silent.url, "--watch=1s", "--sequencer-request-timeout=5s"],
            TERMINAL,
            lines=24,
            interrupt_when=lambda raw: "of 5 s" in raw,
        )
    assert seen.alternate is not None
    assert seen.alternate[0].startswith(f"1  ✓ usable      {node.url}")
    assert seen.alternate[-1].startswith("waiting for endpoint 2, 1 of 5 s")
    assert "usable" not in "".join(seen.screen)  # no complete result to leave there


def test_watch_ends_quietly_if_its_terminal_goes_away(node: Anvil) -> None:
    main, side = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "check", node.url, "--watch=10ms"],
        stdin=subprocess.DEVNULL,
        stdout=side,
        stderr=subprocess.PIPE,
        env=TERMINAL,
    ) as running:
        os.close(side)
        raw = b""
        while b"last at" not in raw:
            raw += os.read(main, 65_536)
        os.close(main)
        assert running.wait(timeout=10) == 130
        assert running.stderr is not None
        assert running.stderr.read() == b""


def test_watch_keeps_verbose_lines_off_the_screen(node: Anvil) -> None:
    words = ["check", "-v", node.url, "--watch=50ms"]
    seen = on_a_terminal(
        words, TERMINAL, lines=24, interrupt_when=lambda raw: count_results(raw) >= 2
    )
    assert "eth_chainId, HTTP 200" not in seen.raw
    assert seen.lost == 0


def test_watch_without_a_terminal_writes_one_result_and_then_changes(node: Anvil) -> None:
    is_syncing = threading.Event()

    def changing(request: Request) -> bytes:
        if is_syncing.is_set() and request.json["method"] == "eth_chainId":
            return jsonrpc_error(request, -32000, "node is syncing")
        return healthy(request)

    with Replying(changing) as server:
        running = start("check", server.url, "--watch=20ms")
        found = [read_line(running) for _ in range(3)]
        is_syncing.set()
        found.append(read_line(running))
        is_syncing.clear()
        found.append(read_line(running))
        running.send_signal(signal.SIGTERM)
        rest, err = running.communicate(timeout=10)
    assert found[0] == f"1  usable      {server.url}\n"
    assert found[2].startswith("1 of 1 usable; chain 31337 (ok, ")
    changed = [re.fullmatch(CHANGE, line.strip()) for line in found[3:]]
    assert [match and match[1] for match in changed] == [
        "endpoint 1: usable -> NOT USABLE (node is syncing (code -32000))",
        "endpoint 1: NOT USABLE -> usable",
    ]
    assert (rest, err, running.returncode) == ("", "", 130)


def test_watch_with_json_writes_every_result(node: Anvil) -> None:
    running = start("check", node.url, "--watch=20ms", "--json")
    found = [json.loads(read_line(running)) for _ in range(3)]
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=10)
    assert [each["status"] for each in found] == ["ok"] * 3
    assert (err, running.returncode) == ("", 130)


def test_watch_ends_if_its_reader_leaves(node: Anvil) -> None:
    with start("check", node.url, "--watch=20ms", "--json") as running:
        read_line(running)
        assert running.stdout is not None
        running.stdout.close()
        assert running.wait(timeout=10) == 0
        assert running.stderr is not None
        assert running.stderr.read() == ""


def test_until_usable_ends_soon_after_a_devnet_is_ready() -> None:
    ready, over = threading.Event(), threading.Event()

    def starting(request: Request) -> bytes:
        if not ready.is_set():
            over.wait(20)  # accepts connections, but does not answer
        return healthy(request)

    with Replying(healthy) as one, Replying(starting) as two:
        running = start("check", one.url, two.url, "--until-usable=30s")
        timer = threading.Timer(2.5, ready.set)
        timer.start()
        ready.wait()
        ready_at = time.monotonic()
        out, err = running.communicate(timeout=20)
        took = time.monotonic() - ready_at
        over.set()
    assert running.returncode == 0
    assert took < 1.5
    assert out.splitlines()[-1].startswith("2 of 2 usable; chain 31337 (ok, ")
    assert len(err.splitlines()) <= 5


def test_until_usable_reports_changes_and_prints_the_last_result() -> None:
    with dead() as nobody, Replying(healthy) as one:
        run = seqsend("check", one.url, nobody.url, "--until-usable=1500ms", "--json")
        assert run.elapsed < 1.5 + 1.5
        assert (run.code, run.diagnosis["status"]) == (8, "degraded")
        match = re.fullmatch(CHANGE, run.err.strip())
        assert match is not None
        assert match[1] == "endpoint 2: NOT USABLE (connection refused)"
        enough = seqsend("check", one.url, nobody.url, "--until-usable=20s", "--require=any", "-q")
        assert (enough.code, enough.err) == (0, "")
        assert enough.elapsed < 5


def test_until_usable_writes_at_most_five_lines() -> None:
    counted = iter(range(10_000))

    def flapping(request: Request) -> bytes:
        if request.json["method"] == "eth_chainId" and next(counted) % 2:
            return jsonrpc_error(request, -32000, "node is syncing")
        return healthy(request)

    with Replying(flapping) as server, dead() as nobody:
        run = seqsend("check", server.url, nobody.url, "--until-usable=7500ms")
    assert run.code in (4, 8)
    reported = run.err.splitlines()
    assert len(reported) == 5
    assert reported[-1].endswith("further changes are not reported")


@pytest.mark.parametrize(
    ("words", "bound"),
    [(["--until-usable=1200ms"], 1.2), (["--until-usable=1h", "--deadline=700ms"], 0.7)],
)
def test_until_usable_is_bounded_if_nothing_ever_answers(words: list[str], bound: float) -> None:
    with Silent() as silent:
        running = start("check", silent.url, *words, "--json")
        until(lambda: silent.requests)  # the start of Python is not part of the promise
        asked = time.monotonic()
        running.communicate(timeout=20)
        assert time.monotonic() - asked < bound + 1.0
    assert running.returncode == 4


def test_a_signal_ends_until_usable() -> None:
    with Silent() as silent:
        seen = on_a_terminal(
            ["check", silent.url, "--until-usable=30s"],
            TERMINAL,
            interrupt_when=lambda raw: "waiting until all are usable" in raw,
        )
    assert seen.code == 130
    assert "waiting" not in "".join(seen.screen)
    assert "Traceback" not in seen.raw
