"""`--sync`: one call sends and returns the receipt (EIP-7966), with all the ways it can end."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqsend.jsonrpc import Call
from seqsend.models import Reply
from seqsend.verdicts.failure_table import judge_reply
from tests.support.chain import FakeChain, Step, receipt_of, stay
from tests.support.cli import Run, seqsend
from tests.support.prometheus import read_metrics
from tests.support.servers import Closing, dead
from tests.support.wallet import Wallet

SYNC, PLAIN = "eth_sendRawTransactionSync", "eth_sendRawTransaction"
TX, OTHER = (Wallet(0).sign(2, nonce=nonce) for nonce in range(2))
NOT_YET = "The transaction was added to the transaction pool but wasn't processed in 2s"

Answer = Callable[["Syncing"], dict[str, Any]]


class Syncing(FakeChain):
    """A chain whose node has the method and answers it with ``answer``."""

    def __init__(self, answer: Answer, steps: list[Step] | None = None) -> None:
        super().__init__(steps or [])
        self._sync = answer

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        if call["method"] != SYNC:
            return super().answer(call)
        self.take(call["params"][0])
        assert len(call["params"]) == 1  # no timeout: nodes differ in its form
        return self._sync(self)


def mined(chain: Syncing) -> dict[str, Any]:
    chain.mine()
    return {
        "result": chain.answer({"method": "eth_getTransactionReceipt", "params": [TX.hash]})[
            "result"
        ]
    }


def error(code: int, message: str, data: Any = None) -> Answer:
    return lambda _chain: {"error": {"code": code, "message": message, "data": data}}


def send(*words: str, to: list[str]) -> Run:
    at = f"--rollup.sequencer-http={','.join(to)}"
    return seqsend("send", TX.raw, "--sync", at, "--json", *words)


def outcomes(run: Run) -> list[tuple[int, str]]:
    return [(a["endpoint"]["index"], a["outcome"]) for a in run.document["attempts"]]


def test_the_receipt_is_the_answer() -> None:
    with Syncing(mined) as chain:
        run = send(to=[chain.url])
        assert chain.asked[0] == [SYNC]
        assert len(chain.asked) <= 3  # the others check that its block is in the chain
    found = run.document
    assert (run.code, found["status"], found["level"]) == (0, "accepted", "latest")
    assert (found["hash"], found["result"]) == (TX.hash, TX.hash)
    assert found["receipt"]["transactionHash"] == TX.hash


def test_a_preconfirmed_receipt_is_enough_on_request() -> None:
    with Syncing(lambda _chain: {"result": receipt_of(TX.hash, 11, "0xf")}) as chain:
        run = send("--wait-for=preconfirmed", to=[chain.url])
        assert chain.asked == [[SYNC]]
    assert (run.code, run.document["level"]) == (0, "preconfirmed")


def test_a_reverted_transaction_exits_with_7() -> None:
    def reverts(chain: Syncing) -> dict[str, Any]:
        chain.mine(status=0)
        return {"result": receipt_of(TX.hash, 11, chain.blocks[11], 0)}

    with Syncing(reverts) as chain:
        run = send(to=[chain.url])
    assert (run.code, run.document["status"]) == (7, "reverted")


@pytest.mark.parametrize("data", [None, TX.hash, TX.hash.upper().replace("X", "x", 1), "2s"])
def test_not_mined_yet_is_accepted_and_the_wait_goes_on(data: Any) -> None:
    with Syncing(error(4, NOT_YET, data), [stay, stay, lambda chain: chain.mine()]) as chain:
        run = send(to=[chain.url])
        assert [methods for methods in chain.asked if "send" in methods[0]] == [[SYNC]]
    assert (run.code, run.document["status"]) == (0, "accepted")
    assert outcomes(run) == [(1, "answered")]


def test_a_transaction_that_is_never_mined_exits_with_6() -> None:
    with Syncing(error(4, NOT_YET)) as chain:
        run = send("--deadline=1s", to=[chain.url])
    assert (run.code, run.document["hash"]) == (6, TX.hash)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32601, "the method eth_sendRawTransactionSync does not exist/is not available"),
        (-32601, "rpc method is not whitelisted"),
        (-32600, "Unsupported method: eth_sendRawTransactionSync"),
        (-32004, "method not supported"),
    ],
)
def test_an_endpoint_without_the_method_gets_an_ordinary_send(code: int, message: str) -> None:
    with Syncing(error(code, message), [stay, lambda chain: chain.mine()]) as chain:
        run = send(to=[chain.url])
        assert [m for (m, *_) in chain.asked if "send" in m] == [SYNC, PLAIN]
    assert run.code == 0
    assert outcomes(run) == [(1, "unsupported"), (1, "answered")]
    assert run.document["rounds"] == 1
    assert "sending it and waiting instead" in run.err


def test_the_next_endpoint_is_tried_with_the_method_again() -> None:
    """What one endpoint lacks, another one may have."""
    with Syncing(mined) as second, dead() as gone:

        class Busy(Syncing):
            def answer(self, call: dict[str, Any]) -> dict[str, Any]:
                if call["method"] == PLAIN:
                    return {"error": {"code": -32000, "message": "txpool is full"}}
                return super().answer(call)

        with Busy(error(-32601, "method not found")) as first:
            run = send(to=[gone.url, first.url, second.url])
        assert second.asked[0] == [SYNC]
    assert run.code == 0
    assert outcomes(run) == [(1, "failover"), (2, "unsupported"), (2, "failover"), (3, "answered")]


def test_an_endpoint_without_the_method_is_tried_with_it_once() -> None:
    with Syncing(error(-32601, "method not found")) as chain:
        chain._steps = [lambda chain: chain.mine()] * 8
        at = f"--rollup.sequencer-http={chain.url}"
        run = seqsend("send", TX.raw, OTHER.raw, "--sync", at, "--json")
        assert [m for (m, *_) in chain.asked if "send" in m] == [SYNC, PLAIN, PLAIN]
    assert [d["status"] for d in run.documents] == ["accepted"] * 2


def test_without_an_answer_in_time_it_is_looked_up_and_awaited() -> None:
    def never(chain: Syncing) -> dict[str, Any]:
        chain.wait()
        return {}

    with Syncing(never, [stay, stay, lambda chain: chain.mine()]) as chain:
        run = send("--sequencer-request-timeout=500ms", to=[chain.url])
    assert (run.code, run.document["status"]) == (0, "known")
    assert run.document["receipt"]["transactionHash"] == TX.hash


@pytest.mark.parametrize(
    "result",
    [receipt_of(OTHER.hash, 1, "0x1"), OTHER.hash, {}, True, None, [], {"transactionHash": None}],
)
def test_an_answer_without_its_hash_is_not_believed(result: Any) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"result":%s}' % _json(result)
    judged = judge_reply(Reply(200, body), Call(SYNC, [TX.raw], TX.hash), 1)
    assert (judged.row.kind, judged.row.delivered) == ("outage", "unknown")


@pytest.mark.parametrize(
    "result", [TX.hash, receipt_of(TX.hash, 1, "0x1"), {"transactionHash": TX.hash}]
)
def test_an_answer_with_its_hash_is_believed(result: Any) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"result":%s}' % _json(result)
    assert judge_reply(Reply(200, body), Call(SYNC, [TX.raw], TX.hash), 1).row.kind == "result"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "said", [(4, "something else"), (4, NOT_YET, OTHER.hash), (-32000, NOT_YET)]
)
def test_other_errors_do_not_mean_that_it_was_accepted(said: tuple[Any, ...]) -> None:
    code, message, *data = said
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": code, "message": message, "data": (data or [None])[0]},
    }
    judged = judge_reply(Reply(200, _json(body)), Call(SYNC, [TX.raw], TX.hash), 1)
    assert judged.row.kind != "result"


def test_rpc_treats_the_method_as_a_send() -> None:
    """The first endpoint may have it, so the verdict of the second is not trusted."""
    with (
        Closing(after="request", how="fin") as first,
        Syncing(error(-32000, "nonce too low")) as two,
    ):
        at = f"--rollup.sequencer-http={first.url},{two.url}"
        run = seqsend("rpc", SYNC, TX.raw, at, "--json")
    assert (run.code, run.document["status"]) == (5, "unknown")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--batch-size=2", "--sync cannot be combined with --conditional or --batch-size"),
        ('--conditional={"blockNumberMin":1}', "--sync cannot be combined with --conditional"),
        ("--wait-timeout=0s", "--wait-timeout: '0s' "),
    ],
)
def test_wrong_options_are_usage_errors(option: str, said: str) -> None:
    run = send(option, to=["http://127.0.0.1:1"])
    assert run.code == 2
    assert said in run.document["error"]["message"]


def test_inclusion_latency_is_counted_by_level(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    for level in ("latest", "safe", "latest"):
        steps: list[Step] = [
            lambda chain: chain.mine(),
            stay,
            lambda chain: setattr(chain, "safe", 11),
        ]
        with FakeChain(steps) as chain:
            at = f"--rollup.sequencer-http={chain.url}"
            words = [f"--wait-for={level}", f"--metrics-file={path}"]
            assert seqsend("send", TX.raw, at, *words).code == 0
    with FakeChain() as chain:
        at = f"--rollup.sequencer-http={chain.url}"
        words = ["--wait-timeout=300ms", "--wait", f"--metrics-file={path}"]
        assert seqsend("send", TX.raw, at, *words).code == 6  # not reached: not counted
    found = read_metrics(path)
    name = "seqsend_inclusion_latency_seconds"
    count = {labels: value for (n, labels), value in found.items() if n == f"{name}_count"}
    assert count == {(("level", "latest"),): 2, (("level", "safe"),): 1}
    assert found[f"{name}_bucket", (("le", "30.0"), ("level", "safe"))] == 1
