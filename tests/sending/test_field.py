"""Errors met in the field, end to end: endpoint 1 returns them, endpoint 2 is a node."""

import json
from collections.abc import Callable

import pytest

from tests.conftest import FreshTx
from tests.support.calls import answering, calls_in
from tests.support.cli import seqsend
from tests.support.node import Anvil
from tests.support.servers import Replying, Request, http, jsonrpc_error, pass_on
from tests.support.wallet import Signed, Wallet

SEND = "eth_sendRawTransaction"


def at(*urls: str) -> str:
    return f"--rollup.sequencer-http={','.join(urls)}"


def saying(code: int, message: str) -> Callable[[Request], bytes]:
    """Answer every call with this error, alone and in a batch."""
    return answering(lambda _: {"error": {"code": code, "message": message}})


# Code, text, delivered, reason code; sources in cases.md, part B.
NOT_FROM_ME = [
    (-32000, 'Post "https://seq.example": context deadline exceeded', "unknown", "forward_failed"),
    (
        -32000,
        'Post "http://seq:8547/rpc": dial tcp6: address seq: no suitable address found',
        "no",
        "forward_failed",
    ),
    (
        -32000,
        'Post "https://seq.example": tls: failed to verify certificate: x509: certificate signed',
        "no",
        "forward_failed",
    ),
    (-32017, "sender is over rate limit", "no", "rate_limited"),
    (-32007, "50/second request limit reached", "no", "rate_limited"),
    (30, "Request timeout on the free tier, please upgrade", "unknown", "node_timeout"),
    (-32600, f"Unsupported method: {SEND}", "no", "no_such_method"),
    (-32000, "refusing to proxy request to non-leader sequencer", "no", "not_leader"),
]


@pytest.mark.parametrize(("code", "text", "delivered", "reason_code"), NOT_FROM_ME)
@pytest.mark.parametrize("batch", [False, True])
def test_an_error_that_is_not_a_verdict_moves_on_alone_and_in_a_batch(
    *,
    code: int,
    text: str,
    delivered: str,
    reason_code: str,
    batch: bool,
    node: Anvil,
    wallet: Wallet,
) -> None:
    first = node.nonce(wallet.address)
    signed = [wallet.sign(2, nonce=first + i) for i in range(1 + batch)]
    words = ["--batch-size=2"] if batch else []
    with Replying(saying(code, text)) as server:
        run = seqsend("send", *(s.raw for s in signed), *words, at(server.url, node.url), "--json")
    for document in run.documents:
        assert document["status"] == "accepted", run
        attempt = document["attempts"][0]
        assert (attempt["outcome"], attempt["delivered"]) == ("failover", delivered)
        assert attempt["reason_code"] == reason_code
        assert text[:40] in attempt["reason"].replace("***", "")


def test_a_wrapped_verdict_counts_as_a_verdict(node: Anvil, fresh_tx: FreshTx) -> None:
    text = (
        "failed to forward tx to sequencer, please try again. "
        "Error message: 'insufficient funds for gas * price + value'"
    )
    with Replying(saying(-32000, text)) as server:
        run = seqsend("send", fresh_tx().raw, at(server.url, node.url), "--json")
    assert (run.code, run.document["status"]) == (3, "rejected")
    assert len(run.document["attempts"]) == 1


def send_only(node: Anvil) -> Callable[[Request], bytes]:
    """Pass sends on to a node; refuse every other method."""

    def reply(request: Request) -> bytes:
        if all(call["method"] == SEND for call in calls_in(request)):
            return http(200, pass_on(request.body, node.url))
        return jsonrpc_error(request, -32601, "the method does not exist")

    return reply


def test_a_send_only_endpoint_works_in_front_of_a_full_one(node: Anvil, fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    with Replying(send_only(node)) as sequencer:
        urls = at(sequencer.url, node.url)
        for status in ("accepted", "known"):  # the second time its nonce is too low there
            run = seqsend("send", signed.raw, urls, "--wait", "--json")
            assert (run.code, run.document["status"]) == (0, status)
            assert run.document["receipt"]["transactionHash"] == signed.hash


def test_a_read_moves_on_if_the_endpoint_lacks_its_method(node: Anvil) -> None:
    with Replying(send_only(node)) as first, Replying(send_only(node)) as second:
        read = ["rpc", "eth_getBlockByNumber", "latest", "false", "--json"]
        found = seqsend(*read, at(first.url, node.url))
        missing = seqsend(*read, at(first.url, second.url))
    assert found.document["status"] == "ok"
    assert found.document["endpoint"]["index"] == 2
    assert (missing.code, missing.document["error"]["code"]) == (3, -32601)


@pytest.fixture
def four(node: Anvil, wallet: Wallet) -> list[Signed]:
    first = node.nonce(wallet.address)
    return [wallet.sign(2, nonce=first + i) for i in range(4)]


def test_a_batch_refused_with_http_500_is_split(node: Anvil, four: list[Signed]) -> None:
    def reply(request: Request) -> bytes:
        if len(calls_in(request)) > 3:
            text = "Batch of more than 3 requests are not allowed on free tier"
            error = {"code": 31, "message": text}
            return http(500, json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode())
        return http(200, pass_on(request.body, node.url))

    with Replying(reply) as server:
        lines = "".join(f"{s.raw}\n" for s in four)
        run = seqsend("send", "-", "--batch-size=4", at(server.url), "--json", stdin=lines)
    assert [d["status"] for d in run.documents] == ["accepted"] * 4


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (
            http(200, b'{"jsonrpc":"2.0","id":1,"error":{"details":"the vault is sealed"}}'),
            "the vault is sealed",
        ),
        (
            http(200, b'{"id":1,"error":{"code":"ERR_7","message":"the vault is sealed"}}'),
            "the vault is sealed",
        ),
        (
            http(503, b"<html><title>maintenance until 04:00 UTC</title></html>"),
            "maintenance until 04:00 UTC",
        ),
        (http(503, b"closed for now\nsee our page", {"Retry-After": "30"}), "closed for now"),
        (http(429, b"", {"Retry-After": "30"}), "Retry-After: 30"),
    ],
)
def test_the_words_of_a_failing_server_are_shown(
    answer: bytes, shown: str, fresh_tx: FreshTx
) -> None:
    signed = fresh_tx()
    with Replying(answer) as server:
        run = seqsend("send", signed.raw, at(server.url))
        as_json = seqsend("send", signed.raw, at(server.url), "--json")
    assert shown in run.err
    assert shown in as_json.document["attempts"][0]["reason"]


@pytest.mark.parametrize(
    ("status", "delivered"),
    [
        *((s, "no") for s in (402, 407, 410, 411, 414, 415, 421, 426, 431, 451)),
        *((s, "no") for s in (521, 522, 523, 525, 526, 530)),
        *((s, "unknown") for s in (408, 500, 502, 503, 504, 520, 524, 527)),
    ],
)
def test_the_status_decides_whether_it_may_have_been_delivered(
    status: int, delivered: str, fresh_tx: FreshTx
) -> None:
    with Replying(http(status, b"")) as server:
        run = seqsend("send", fresh_tx().raw, at(server.url), "--json")
    assert run.document["attempts"][0]["delivered"] == delivered
    assert run.document["status"] == ("unreachable" if delivered == "no" else "unknown")


@pytest.mark.parametrize("interim", [100, 102, 103])
def test_interim_answers_are_skipped(interim: int, node: Anvil, fresh_tx: FreshTx) -> None:
    def reply(request: Request) -> bytes:
        before = f"HTTP/1.1 {interim} Wait\r\nLink: </style.css>\r\n\r\n".encode()
        return before + http(200, pass_on(request.body, node.url))

    with Replying(reply) as server:
        run = seqsend("send", fresh_tx().raw, at(server.url), "--json")
    assert run.document["status"] == "accepted"
