"""The transaction that probes forwarding: its form, its sender, and what the answers mean."""

import time
from collections.abc import Callable
from typing import Any

import pytest

import seqsend
from seqsend import EndpointReport
from seqsend.diagnosis.forward import probe_transaction
from tests.support.neighbours import node
from tests.support.node import Anvil
from tests.support.servers import Replying, Request, http, jsonrpc_error, jsonrpc_result

Answer = Callable[[Request], bytes]
FEE = 7 * 10**9


@pytest.mark.parametrize("chain_id", [1, 10, 31337, 2**64, 2**200])
@pytest.mark.parametrize("base_fee", [None, 0, 7, FEE, 2**255, 2**256 - 1])
def test_each_probe_is_well_formed_and_signed_by_a_new_account(
    chain_id: int, base_fee: int | None
) -> None:
    senders = set()
    for _ in range(3):
        content = seqsend.decode(probe_transaction(chain_id, base_fee)).content
        assert content is not None
        assert (content.problem, content.chain_id, content.value) == (None, chain_id, 1)
        assert (content.nonce, content.gas_limit, content.data) == (0, 21_000, b"")
        fee = content.max_fee_per_gas or content.gas_price or 0
        assert (base_fee or 0) < fee < 2**256 or base_fee == 2**256 - 1 == fee
        assert (content.gas_price is None) == (base_fee is not None)
        assert content.sender is not None
        assert content.to is not None
        senders |= {content.sender, content.to}
    assert len(senders) == 6


def replica(answer: Answer) -> Answer:
    """Return a node that answers an empty transaction as op-geth does, others as ``answer``."""
    healthy = node(probe=lambda r: jsonrpc_error(r, -32000, "typed transaction too short"))

    def reply(request: Request) -> bytes:
        sent = request.json["method"] == "eth_sendRawTransaction"
        return answer(request) if sent and request.json["params"] != ["0x"] else healthy(request)

    return reply


def refusing(code: int, message: str) -> Answer:
    return lambda request: jsonrpc_error(request, code, message)


def check_one(url: str, **options: Any) -> EndpointReport:
    (report,) = seqsend.check(url, probe_forward=True, **options).endpoints
    return report


def test_a_real_node_answers_that_funds_are_missing_and_keeps_nothing(node: Anvil) -> None:
    before = (node.rpc("txpool_status"), node.rpc("eth_blockNumber"))
    report = check_one(node.url)
    assert (report.verdict, report.reason, report.hint) == ("usable", None, None)
    assert report.forward is not None
    assert 0 < report.forward < 5
    assert (node.rpc("txpool_status"), node.rpc("eth_blockNumber")) == before


PROVED = [
    "insufficient funds for gas * price + value: balance 0, tx cost 21000000000001, overshot 2",
    "insufficient funds for transfer",
    "failed to forward tx to sequencer, please try again. Error message: 'insufficient funds'",
    "server returned an error response: error code -32003: insufficient funds for gas * price",
    "Upfront cost exceeds account balance",
    "not enough balance to cover the fee",
]


@pytest.mark.parametrize("words", PROVED)
def test_insufficient_funds_prove_that_it_forwards(words: str) -> None:
    with Replying(replica(refusing(-32000, words))) as server:
        report = check_one(server.url)
    assert (report.verdict, report.reason, report.hint) == ("usable", None, None)
    assert report.forward is not None


def close(_request: Request) -> bytes:
    raise ConnectionError("so the server closes the connection")


FAILURES: list[tuple[Answer, str, str]] = [
    # op-geth returns its client's error
    (
        refusing(-32000, 'Post "https://seq.example": dial tcp 10.0.0.1:443: connection refused'),
        "forward_failed",
        "see its log",
    ),
    (
        refusing(-32000, 'Post "https://seq.example": context deadline exceeded'),
        "forward_failed",
        "see its log",
    ),
    (
        refusing(-32603, "error sending request for url (http://seq.example/)"),
        "forward_failed",
        "see its log",
    ),
    (refusing(-32000, "503 Service Unavailable: no backend"), "forward_failed", "see its log"),
    (
        refusing(-32000, "refusing to proxy request to non-leader sequencer"),
        "not_leader",
        "active sequencer",
    ),
    (refusing(-32000, "sequencer is stopped"), "not_leader", "active sequencer"),
    (lambda _request: http(502, b""), "bad_gateway", "no healthy node"),
    (close, "forward_failed", "see its log"),
]


@pytest.mark.parametrize(("answer", "code", "hint"), FAILURES)
def test_a_forward_that_fails_makes_an_endpoint_unusable(
    answer: Answer, code: str, hint: str
) -> None:
    with Replying(replica(answer)) as server:
        report = check_one(server.url)
        unasked = seqsend.check(server.url).endpoints[0]
    assert (report.verdict, report.reason_code, report.forward) == ("NOT USABLE", code, None)
    assert (report.reason or "").startswith("it fails to forward to the sequencer: ")
    assert hint in (report.hint or "")
    assert unasked.verdict == "usable"  # nobody can know without the probe


def test_an_unanswered_forward_fails_and_the_other_facts_are_kept() -> None:
    def hang(_request: Request) -> bytes:
        server.wait(10)
        return b""

    with Replying(replica(hang)) as server:
        report = check_one(server.url, request_timeout=0.6)
    assert (report.verdict, report.reason_code) == ("NOT USABLE", "forward_failed")
    assert "no answer in time" in (report.reason or "")
    assert report.head is not None
    assert report.client_version == "Node/v1"


INCONCLUSIVE: list[Answer] = [
    refusing(-32000, "intrinsic gas too low"),  # nitro, which checks before it forwards
    refusing(-32000, "transaction underpriced"),
    refusing(-32016, "over rate limit"),
    lambda request: jsonrpc_result(request, "0x" + "11" * 32),
]


@pytest.mark.parametrize("answer", INCONCLUSIVE)
def test_any_other_answer_is_shown_and_proves_nothing(answer: Answer) -> None:
    with Replying(replica(answer)) as server:
        report = check_one(server.url)
    assert (report.verdict, report.reason, report.forward) == ("usable", None, None)
    assert (report.hint or "").startswith("it is not proven that it forwards to the sequencer: ")


@pytest.mark.parametrize("fee", [None, hex(FEE)])
def test_the_probe_bids_above_the_base_fee_of_the_head(fee: str | None) -> None:
    sent: list[str] = []
    block = {"number": "0x1", "timestamp": hex(int(time.time())), "baseFeePerGas": fee}

    def reply(request: Request) -> bytes:
        if request.json["method"] == "eth_getBlockByNumber":
            return jsonrpc_result(request, block)
        return replica(take)(request)

    def take(request: Request) -> bytes:
        sent.append(request.json["params"][0])
        return jsonrpc_error(request, -32000, "insufficient funds")

    with Replying(reply) as server:
        assert check_one(server.url).forward is not None
    (raw,) = sent
    content = seqsend.decode(raw).content
    assert content is not None
    assert (content.chain_id, content.max_fee_per_gas is None) == (31337, fee is None)
    assert (content.max_fee_per_gas or content.gas_price or 0) > (FEE if fee else 0)
