"""`--wait-for`: each level at its time and not before, reorganisations, and what is shown."""

import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from seqsend import Level, SequencerClient, WaitProgress
from seqsend.endpoints import parse_endpoints
from seqsend.models import LEVELS, Sent
from seqsend.sending import receipts
from seqsend.sending.landing import Landing, parse_quantity
from seqsend.sending.stream import Ended, Line
from seqsend.sending.transaction import parse_raw_transaction
from tests.support.chain import FakeChain, Step, receipt_of, stay
from tests.support.cli import Run, seqsend, start
from tests.support.servers import dead
from tests.support.terminal import on_a_terminal
from tests.support.wallet import Wallet

SIGNED = [Wallet(0).sign(2, nonce=nonce) for nonce in range(30)]
TX = SIGNED[0]
MARGIN = 0.25  # seconds by which a promised time may be missed


def at(*urls: str) -> str:
    return f"--rollup.sequencer-http={','.join(urls)}"


def send(chain: FakeChain, *words: str) -> Run:
    return seqsend("send", TX.raw, at(chain.url), *words)


def safe_is(number: int) -> Step:
    return lambda chain: setattr(chain, "safe", number)


def finalized_is(number: int) -> Step:
    return lambda chain: setattr(chain, "finalized", number)


def mine(chain: FakeChain) -> None:
    chain.mine()


def preconfirm(chain: FakeChain) -> None:
    chain.preconfirm()


class Watched(FakeChain):
    """Notes the transaction's true level at each request that is not a send."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__(steps)
        self.truth: list[int] = []

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        if call["method"] != "eth_sendRawTransaction":
            self.truth.append(self._depth())
        return super().answer(call)

    def _depth(self) -> int:
        """Return an index into `LEVELS`, or -1."""
        number, block, _ = self.mined.get(TX.hash, (0, "", 0))
        if not number:
            return -1
        if self.blocks.get(number) != block:
            return 0
        return 1 + (self.safe >= number) + (self.finalized >= number)


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_is_reached_at_its_time(level: Level) -> None:
    wanted = LEVELS.index(level)
    steps = [stay, preconfirm, stay, stay, mine, stay, stay, safe_is(10), safe_is(11), stay, stay]
    with Watched([*steps, finalized_is(10), finalized_is(11)]) as chain:
        run = send(chain, f"--wait-for={level}", "--json", "--wait-timeout=20s")
    found = run.document
    assert (run.code, found["status"], found["level"]) == (0, "accepted", level)
    assert found["receipt"]["blockNumber"] == hex(11)
    assert chain.truth[-1] == wanted
    late = sum(depth >= wanted for depth in chain.truth)
    # The next request usually sees it; a poll is at most two requests.
    assert late <= 4, chain.truth


def test_stdout_holds_the_hash_and_nothing_else() -> None:
    with FakeChain([mine, stay, safe_is(11)]) as chain:
        run = send(chain, "--wait-for=safe")
    assert (run.code, run.out) == (0, f"{TX.hash}\n")
    first, mined, last = run.err.splitlines()
    assert first.startswith(TX.hash)
    assert mined == "mined in block 11, success"
    assert last.endswith("; mined in block 11, success, safe")


def test_quiet_is_silent() -> None:
    with FakeChain([stay, mine]) as chain:
        run = send(chain, "--wait", "-q")
    assert (run.code, run.out, run.err) == (0, f"{TX.hash}\n", "")


def test_a_reverted_transaction_exits_with_7() -> None:
    with FakeChain([lambda chain: chain.mine(status=0)]) as chain:
        run = send(chain, "--wait")
    assert run.code == 7
    assert "mined in block 11, reverted" in run.err


def test_the_wait_starts_over_if_the_block_is_reorganised_away() -> None:
    steps: list[Step] = [
        mine,
        stay,
        lambda chain: chain.reorganise(),
        stay,
        lambda chain: chain.mine("b"),
        stay,
        safe_is(12),
    ]
    with FakeChain(steps) as chain:
        run = send(chain, "--wait-for=safe", "--json", "--wait-timeout=20s")
    found = run.document
    assert (run.code, found["level"]) == (0, "safe")
    assert found["receipt"]["blockHash"] == chain.blocks[12]
    said = run.err.splitlines()
    assert [line for line in said if line.startswith("mined in")] == [
        "mined in block 11, success",
        "mined in block 12, success",
    ]
    assert sum("reorganised away" in line for line in said) == 1


def test_a_transaction_that_is_reorganised_away_for_good_is_pending() -> None:
    steps: list[Step] = [mine, stay, lambda chain: chain.reorganise()]
    with FakeChain(steps) as chain:
        run = send(chain, "--wait-for=finalized", "--json", "--wait-timeout=3s")
    found = run.document
    assert (run.code, found["status"], found["hash"]) == (6, "pending", TX.hash)
    assert (found["receipt"], found["level"]) == (None, None)


def mine_in_a_fork(chain: FakeChain) -> None:
    chain.mine("c")
    chain.blocks[11] = "0x" + "1" * 64


def test_a_receipt_from_a_block_outside_the_chain_does_not_count() -> None:
    with FakeChain([mine_in_a_fork]) as chain:
        run = send(chain, "--wait", "--json", "--wait-timeout=1s")
    assert run.code == 6
    assert run.document["receipt"] is None


def test_a_level_that_is_not_reached_in_time_is_pending() -> None:
    with FakeChain([mine]) as chain:
        run = send(chain, "--wait-for=safe", "--json", "--wait-timeout=1s")
    found = run.document
    assert (run.code, found["status"], found["level"]) == (6, "pending", "latest")
    assert found["receipt"]["transactionHash"] == TX.hash
    assert "mined in block 11, success" in run.err
    assert "not safe within the time given" in run.err


@pytest.mark.parametrize("words", [["--deadline=2s"], ["--wait-timeout=2s"]])
def test_the_wait_ends_in_time_if_the_node_does_not_mine(words: list[str]) -> None:
    with FakeChain() as chain:
        run = send(chain, "--wait", *words)
    assert (run.code, run.out) == (6, f"{TX.hash}\n")
    assert 2.0 <= run.elapsed < 2.0 + MARGIN + 1.0  # plus the start of Python
    assert run.err.startswith(TX.hash)


def test_it_polls_sparingly() -> None:
    with FakeChain([stay, mine, stay, stay, stay, safe_is(11)]) as chain:
        assert send(chain, "--wait-for=safe").code == 0
    receipt, block = "eth_getTransactionReceipt", "eth_getBlockByNumber"
    assert chain.polls == [[receipt], [receipt], *[[block, block]] * 4]


def mine_once_all_are_asked_for_together(chain: FakeChain) -> None:
    if len(chain.asked[-1]) == len(SIGNED):
        chain.mine()


@pytest.mark.parametrize("words", [[], ["--batch-size=30"]])
def test_receipts_of_several_are_requested_in_one_batch(words: list[str]) -> None:
    with FakeChain([mine_once_all_are_asked_for_together] * 60) as chain:
        run = seqsend(
            *("send", "-", at(chain.url), "--wait", "--json", *words),
            stdin="".join(f"{s.raw}\n" for s in SIGNED),
        )
        polled = max(len(methods) for methods in chain.polls)
    assert run.code == 0
    assert [d["hash"] for d in run.documents] == [s.hash for s in SIGNED]
    assert {d["level"] for d in run.documents} == {"latest"}
    assert polled == 30


def test_the_receipt_may_come_from_another_endpoint() -> None:
    with FakeChain([mine]) as chain, dead() as other:
        run = seqsend("send", TX.raw, at(chain.url), f"--reads-from={other.url}", "--wait")
    assert run.code == 0
    assert run.err.count("connection refused") == 1


@pytest.mark.parametrize("odd", ["0x" + "f" * 5000, "11", None, 11, {}])
def test_a_receipt_with_an_odd_block_number_does_not_count(odd: Any) -> None:
    landing = Landing(TX.hash, "latest")
    landing.take_receipt(receipt_of(TX.hash, 1, "0x1") | {"blockNumber": odd})
    assert (landing.receipt, landing.level) == (None, None)
    assert parse_quantity(odd) is None


def test_another_transactions_receipt_never_counts() -> None:
    landing = Landing(TX.hash, "preconfirmed")
    landing.take_receipt(receipt_of(SIGNED[1].hash, 1, "0x1"))
    assert not landing.has_landed
    landing.take_receipt(receipt_of(TX.hash.upper().replace("X", "x", 1), 1, "0x1"))
    assert landing.has_landed


@pytest.mark.parametrize("shown", [None, {"number": "0x1", "hash": "0xab"}])
def test_without_a_receipt_no_block_counts(shown: Any) -> None:
    landing = Landing(TX.hash, "preconfirmed")
    landing.compare(shown, {"safe": 9, "finalized": 9})
    assert (landing.level, landing.has_landed, landing.needs_receipt) == (None, False, True)


def test_it_is_sent_again_while_retries_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "_SENT_AGAIN_EVERY", 0.3)
    seen: list[WaitProgress] = []
    with FakeChain([*[stay] * 8, mine]) as chain:
        client = SequencerClient(chain.url, retry_for=60.0, observer=lambda e: _keep(seen, e))
        with client:
            (ended,) = client.stream(wait=20.0).run([Line(1, TX.raw)])
    assert (ended.status, ended.level) == ("accepted", "latest")
    assert len(chain.hashes) > 1
    assert set(chain.hashes) == {TX.hash}
    attempts = getattr(ended.end, "attempts")  # noqa: B009 - of a Sent
    assert [attempt.round for attempt in attempts] == list(range(1, len(chain.hashes) + 1))
    assert seen[0].level is None
    assert (seen[-1].level, seen[-1].ended) == ("latest", True)


def _keep(seen: list[WaitProgress], event: object) -> None:
    if isinstance(event, WaitProgress):
        seen.append(event)


def test_it_is_not_sent_again_too_early() -> None:
    with (
        FakeChain([*[stay] * 4, mine]) as chain,
        SequencerClient(chain.url, retry_for=60.0) as client,
    ):
        list(client.stream(wait=20.0).run([Line(1, TX.raw)]))
    assert chain.hashes == [TX.hash]


def test_a_transaction_with_a_receipt_does_not_keep_others_from_being_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receipts, "_SENT_AGAIN_EVERY", 0.0)
    (endpoint,) = parse_endpoints("http://a")
    failover: Any = SimpleNamespace(
        retry_for=60.0, requester=SimpleNamespace(notify=lambda _event: None)
    )
    awaiting = receipts.Receipts(failover, 20.0, "safe", lambda *_arguments: NotImplemented)
    again: list[str] = []
    monkeypatch.setattr(
        awaiting, "_send_once_more", lambda _awaited, transaction: again.append(transaction.hash)
    )
    for number, signed in enumerate(SIGNED[:3], start=1):
        receipt = receipt_of(signed.hash, 11, "0x1") if number == 1 else None
        sent = Sent(signed.hash, "accepted", endpoint, (), 0.0, receipt=receipt)
        ended = Ended(number, signed.hash, sent)
        awaiting.add(ended, parse_raw_transaction(signed.raw), None)
    awaiting._send_due_again(awaiting._awaited)
    assert again == [signed.hash for signed in SIGNED[1:3]]


def test_progress_counts_the_others_that_are_waited_for() -> None:
    seen: list[WaitProgress] = []
    with (
        FakeChain([stay, stay, mine]) as chain,
        SequencerClient(chain.url, observer=lambda e: _keep(seen, e)) as client,
    ):
        lines = [Line(number, s.raw) for number, s in enumerate(SIGNED[:3], start=1)]
        list(client.stream(wait=20.0, batch_size=3).run(lines))
    assert [progress.others for progress in seen[:3]] == [0, 1, 2]
    assert [progress.others for progress in seen if progress.ended] == [2, 1, 0]


def test_it_is_not_sent_again_without_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "_SENT_AGAIN_EVERY", 0.1)
    with FakeChain([*[stay] * 4, mine]) as chain, SequencerClient(chain.url) as client:
        list(client.stream(wait=20.0).run([Line(1, TX.raw)]))
    assert chain.hashes == [TX.hash]


def test_a_signal_ends_the_wait_and_leaves_the_hash() -> None:
    with FakeChain() as chain:
        running = start("send", TX.raw, at(chain.url), "--wait")
        assert running.stderr is not None
        assert TX.hash in running.stderr.readline()  # at once, before anything is mined
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=10)
    assert (running.returncode, out) == (130, f"{TX.hash}\n")
    assert "accepted; no receipt came before the interrupt" in err


def test_a_terminal_shows_the_wait_in_place() -> None:
    with FakeChain([stay, stay, stay, mine, stay, safe_is(11)]) as chain:
        seen = on_a_terminal(
            ["send", TX.raw, at(chain.url), "--wait-for=safe"],
            os.environ | {"TERM": "xterm"},
            columns=200,
        )
    assert seen.code == 0
    assert "waiting until its block is safe: not mined yet, " in seen.raw
    assert "waiting until its block is safe: mined in block 11, success, " in seen.raw
    assert not any("waiting until" in line for line in seen.screen)
    assert TX.hash in seen.screen


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--wait-for=deep"], "preconfirmed, latest, safe, finalized"),
        (["--wait-timeout=1s"], "--wait-timeout needs --wait"),
    ],
)
def test_wrong_options_are_usage_errors(words: list[str], said: str) -> None:
    run = seqsend("send", TX.raw, at("http://127.0.0.1:1"), *words)
    assert run.code == 2
    assert said in run.err


def test_a_safe_head_that_is_not_there_yet_is_waited_for() -> None:
    class Young(FakeChain):
        def answer(self, call: dict[str, Any]) -> dict[str, Any]:
            if call["params"][0] == "safe":
                return {"error": {"code": -39001, "message": "safe block not found"}}
            return super().answer(call)

    with Young([mine]) as chain:
        run = send(chain, "--wait-for=safe", "--json", "--wait-timeout=1s")
    assert (run.code, run.document["level"]) == (6, "latest")
