"""Numbers of any size and kind in answers: none of them ends a run."""

import json
import re

import pytest

from tests.support.cli import seqsend
from tests.support.servers import Replying, Request, http
from tests.support.wallet import Wallet

SIGNED = [Wallet(0).sign(2, nonce=nonce, value=1) for nonce in range(2)]

NUMBERS = {
    "5,000 digits": "9" * 5000,
    "5,000 digits below 0": "-" + "9" * 5000,
    "4,000 digits": "9" * 4000,
    "hex of 5,000 digits": f'"0x{"f" * 5000}"',
    "text of 5,000 digits": f'"{"9" * 5000}"',
    "2**300": str(2**300),
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "1e400": "1e400",
    "1e308": "1e308",
    "fraction": "1.5",
    "negative": "-1",
    "negative hex": '"-0x1"',
    "true": "true",
    "null": "null",
    "list": "[1]",
    "object": '{"a": 1}',
    "empty": '""',
    "0x": '"0x"',
    "surrogate": '"\\ud800"',
    "NUL": '"\\u0000"',
    "escape": '"\\u001b[31m"',
    "bidi": '"\\u202e1x0"',
}

_RECEIPT = {"transactionHash": "", "blockNumber": "0x10", "blockHash": "0x" + "ab" * 32}
_BLOCK = {"number": "0x10", "hash": "0x" + "ab" * 32, "timestamp": "0x6553f100"}
_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")


def _node(field: str, number: str) -> Replying:
    """Return a node whose answers hold ``number`` in one field."""

    def one(call: dict[str, object]) -> str:
        method, params = call["method"], call["params"]
        assert isinstance(params, list)
        known = next((s.hash for s in SIGNED if params and params[0] in (s.raw, s.hash)), "0x1")
        shown: object = {
            "eth_sendRawTransaction": known,
            "eth_getTransactionReceipt": _RECEIPT
            | {"transactionHash": known, "status": "0x1", "gasUsed": "0x1"},
            "eth_getBlockByNumber": dict(_BLOCK),
        }.get(str(method), "0x1")
        if isinstance(shown, dict) and field in shown:
            shown[field] = "@"
        if method == field:
            shown = "@"
        whole: dict[str, object] = {"jsonrpc": "2.0", "id": call["id"], "result": shown}
        if field in ("code", "message", "data") and method == "eth_sendRawTransaction":
            error = {"code": -32000, "message": "no", "data": None} | {field: "@"}
            whole = {"jsonrpc": "2.0", "id": call["id"], "error": error}
        if field == "id":
            whole["id"] = "@"
        return json.dumps(whole).replace('"@"', number)

    def answer(request: Request) -> bytes:
        if not request.body:
            return http(404, b"")
        if isinstance(request.json, list):
            return http(200, f"[{','.join(map(one, request.json))}]".encode())
        return http(200, one(request.json).encode())

    return Replying(answer)


def _some(*fields: str) -> list[tuple[str, str]]:
    """Return a quarter of all pairs, with every number and field in it: a run costs 0.4 s."""
    return [
        (field, number)
        for column, field in enumerate(fields)
        for row, number in enumerate(NUMBERS)
        if (row + column) % 4 == 0
    ]


@pytest.mark.parametrize(
    ("field", "number"),
    _some("gasUsed", "status", "blockNumber", "number", "code", "message", "data", "id"),
)
def test_an_odd_number_does_not_end_a_run(field: str, number: str) -> None:
    with _node(field, NUMBERS[number]) as node:
        run = seqsend(
            "send",
            *(signed.raw for signed in SIGNED),
            "--keep-going",
            "--wait",
            "--wait-timeout=50ms",
            "--json",
            f"--rollup.sequencer-http={node.url}",
        )
    assert [document["hash"] for document in run.documents] == [signed.hash for signed in SIGNED]
    assert not _UNSAFE.search(run.out + run.err)


@pytest.mark.parametrize(
    ("field", "number"), _some("eth_chainId", "number", "timestamp", "web3_clientVersion")
)
def test_an_odd_number_does_not_break_a_check(field: str, number: str) -> None:
    with _node(field, NUMBERS[number]) as node:
        run = seqsend("check", f"--rollup.sequencer-http={node.url}")
    assert run.code in (0, 4, 8)
    assert not _UNSAFE.search(run.out + run.err)
    assert len(run.out) < 10_000
