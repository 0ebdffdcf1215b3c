"""`seqsend check` as an operator sees it, and as a CI job runs it."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.certificates import Authority
from tests.support.cli import seqsend
from tests.support.neighbours import missing, op_node
from tests.support.neighbours import node as fake_node
from tests.support.nginx import Nginx
from tests.support.node import Anvil
from tests.support.servers import Replying, Request, Silent, blackhole, dead, jsonrpc_error
from tests.support.terminal import on_a_terminal

TERMINAL = dict(os.environ) | {"TERM": "xterm-256color"}
DIAL = "--sequencer-dial-timeout=1s"


def at(*urls: str) -> str:
    return f"--rollup.sequencer-http={','.join(urls)}"


def refuse(request: Request) -> bytes:
    return jsonrpc_error(request, -32000, "typed transaction too short")


@pytest.fixture(scope="module")
def five(node: Anvil, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """A node, dropped SYNs, an nginx that answers 503, a node of another chain, an op-node."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with ExitStack() as stack:
        yield [
            node.url,
            stack.enter_context(blackhole()).url,
            f"{stack.enter_context(Nginx(node.url, authority)).url}/503",
            stack.enter_context(Anvil(chain_id=31338)).url,
            stack.enter_context(Replying(op_node)).url,
        ]


def test_five_endpoints_are_checked_at_once(five: list[str]) -> None:
    run = seqsend("check", at(*five), DIAL, "--json")
    found = run.diagnosis
    assert (found["status"], run.code) == ("degraded", 8)
    assert found["elapsed_ms"] <= 2000  # dial timeout + 1 s
    assert (found["chain_ids"], found["max_lag"]) == ([31337, 31338], 0)
    one, two, three, four, other = found["endpoints"]
    assert [e["usable"] for e in found["endpoints"]] == [True, False, False, True, False]
    assert (one["reason"], one["takes_transactions"]) == (None, "yes")
    assert (two["phase"], two["hint"]) == (
        "dial",
        "the host is down, or a firewall drops packets on the way",
    )
    assert (three["reason"], three["hint"]) == (
        "HTTP 503: Service Temporarily Unavailable",
        "a proxy answers, but has no healthy node behind it",
    )
    assert four["reason"] == "chain id 31338, but endpoint 1 has 31337"
    assert "op-node" in other["reason"]
    assert "execution endpoint" in other["hint"]
    assert run.err == ""


@pytest.mark.parametrize("columns", [80, 110, 150, 200])
def test_output_fits_the_terminal_and_nothing_is_cut(five: list[str], columns: int) -> None:
    seen = on_a_terminal(["check", at(*five), DIAL, "--count=5"], TERMINAL, columns=columns)
    assert seen.code == 8
    assert max(map(len, seen.screen)) <= columns
    words = " ".join(" ".join(seen.screen).split())
    for url in five:
        assert url in words
    for text in (
        "dial: connection timed out (dial timeout 1s)",
        "answer: chain id 31338, but endpoint 1 has 31337",
        "✓ usable",
        "≠ DIFFERS",
        "✗ NOT USABLE",
        "1 of 5 usable, 1 differs, 3 not usable; chain ids differ: 31337, 31338 (degraded, ",
        "5 answers: min ",
    ):
        assert text in words
    assert "…" not in words
    is_table = seen.screen[0].split()[:3] == ["#", "endpoint", "verdict"]
    assert is_table == (columns >= 110), seen.screen
    rows = [line for line in seen.screen if re.match(r"[1-5]  .*http", line)]
    assert len(rows) == 5


def test_only_a_terminal_that_wants_colour_gets_escapes(five: list[str]) -> None:
    plain = seqsend("check", at(*five), DIAL)
    assert (plain.code, plain.err) == (8, "")
    assert plain.out.splitlines()[0] == f"1  usable      {five[0]}"
    assert "\x1b" not in plain.out
    for setting in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        seen = on_a_terminal(["check", at(*five), DIAL, "--count=3"], TERMINAL | setting)
        assert "\x1b" not in seen.raw
        assert "✗ NOT USABLE" in seen.raw
    assert "\x1b[" in on_a_terminal(["check", at(*five[:1])], TERMINAL).raw


def test_exit_codes_for_a_smoke_test(node: Anvil) -> None:
    with dead() as nobody:
        for urls, code, status in (
            ([node.url], 0, "ok"),
            ([nobody.url, node.url], 8, "degraded"),
            ([nobody.url], 4, "unreachable"),
        ):
            run = seqsend("check", at(*urls), "--json")
            assert (run.code, run.diagnosis["status"]) == (code, status)
    wrong = seqsend("check", at(node.url), "--chain-id=0x1", "--json")
    assert (wrong.code, wrong.diagnosis["endpoints"][0]["reason"]) == (
        4,
        "chain id 31337 instead of 1",
    )
    assert seqsend("check", at(node.url), "--chain-id=31337", "--max-lag=0").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--count=0"], "--count: '0' is below 1"),
        (["--count=many"], "--count: 'many' is not a whole number; example: 10, 0x2105"),
        (["--chain-id=-1"], "--chain-id: '-1' is negative"),
        (["--max-lag=1.5"], "--max-lag: '1.5' is not a whole number"),
        (["--watch=2"], "--watch: '2' has no unit; example: 500ms"),
        (["--until-usable=2"], "--until-usable: '2' has no unit; example: 500ms"),
        (["--max-age=no"], "--max-age: 'no' is not a duration; example: 500ms"),
        (["--max-safe-lag=none"], "--max-safe-lag: 'none' is not a duration"),
        (["--require=some"], "--require: 'some' is neither any nor all; example: any"),
        (["--watch=1s", "--until-usable=1s"], "--watch and --until-usable cannot be combined"),
        (["wss://h"], "endpoint 2 'wss://h'"),
        (["--rollup.sequencer-http=ftp://x"], "endpoint 2 'ftp://x'"),
    ],
)
def test_a_wrong_value_is_reported_with_its_option(words: list[str], message: str) -> None:
    run = seqsend("check", at("http://127.0.0.1:1"), *words, "--json")
    assert run.diagnosis["status"] == "usage"
    assert message in run.diagnosis["error"]["message"]
    assert "example: " in run.err


def test_url_arguments_beat_the_environment_and_join_the_option(node: Anvil) -> None:
    with dead() as nobody:
        ignored = {"SEQSEND_SEQUENCER_HTTP": "http://127.0.0.1:1"}
        alone = seqsend("check", node.url, "--json", environment=dict(os.environ) | ignored)
        assert [e["url"] for e in alone.diagnosis["endpoints"]] == [node.url]
        both = seqsend(at(nobody.url), "check", f"{node.url}/a,{node.url}/b", node.url, "--json")
        urls = [e["url"] for e in both.diagnosis["endpoints"]]
    assert urls == [nobody.url, f"{node.url}/a", f"{node.url}/b", node.url]


def test_require_any_needs_one_usable_endpoint(node: Anvil) -> None:
    with dead() as nobody, Replying(missing) as other:
        one = seqsend("check", nobody.url, node.url, "--require=any", "--json")
        assert (one.code, one.diagnosis["status"]) == (0, "degraded")
        none = seqsend("check", nobody.url, other.url, "--require=any", "--json")
        assert (none.code, none.diagnosis["status"]) == (4, "unreachable")
    assert seqsend("check", node.url, "--require=all").code == 0


@pytest.mark.parametrize(
    ("words", "code"), [([], 8), (["--max-age=none"], 0), (["--max-age=3h"], 0)]
)
def test_an_old_head_is_stale_unless_max_age_allows_it(words: list[str], code: int) -> None:
    with Replying(fake_node(probe=refuse, age=7200)) as halted:
        run = seqsend("check", halted.url, *words)
    assert run.code == code
    assert "head 2 h old" in run.out.splitlines()[-1]  # the summary shows the age in every case


def test_a_terminal_shows_which_endpoints_a_slow_check_waits_for(node: Anvil) -> None:
    words = ["check", node.url, "--sequencer-request-timeout=1500ms"]
    with Silent() as one, Silent() as two:
        seen = on_a_terminal([*words, one.url, two.url], TERMINAL)
        plain = seqsend(*words, one.url, two.url)
    assert "waiting for endpoints 2 and 3, 1 of 2 s" in seen.raw
    assert "waiting" not in "".join(seen.screen)
    assert (seen.code, plain.code, plain.err) == (8, 8, "")


def test_a_long_measurement_shows_its_progress(node: Anvil) -> None:
    seen = on_a_terminal(["check", at(node.url), "--count=2000"], TERMINAL)
    assert re.search("measuring: [0-9]+ of 2000 answers", seen.raw)
    assert "measuring" not in "\n".join(seen.screen)  # removed at the end
    assert "2000 answers: " in "\n".join(seen.screen)
    quiet = on_a_terminal(["check", at(node.url), "--count=2000", "-q"], TERMINAL)
    assert "measuring" not in quiet.raw
    verbose = seqsend("check", at(node.url), "--count=3", "--json", "-v")
    assert verbose.err.count("eth_chainId, HTTP 200") == 3
    assert verbose.diagnosis["endpoints"][0]["answers"]["count"] == 3


def test_ctrl_c_ends_a_check_at_once() -> None:
    started = time.monotonic()
    with Silent() as silent:
        seen = on_a_terminal(
            ["-v", "check", at(silent.url), "--count=2"],
            TERMINAL,
            interrupt_when=lambda raw: "measuring" in raw,
        )
    assert time.monotonic() - started < 5  # the request timeout is 10 s
    assert seen.code == 130
    assert "Traceback" not in seen.raw
