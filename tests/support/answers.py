"""Answers for each row of the failure table, over any transport."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from seqsend.verdicts import failure_table as table
from seqsend.verdicts.failure_table import Row
from seqsend.verdicts.node_errors import excuse_for
from tests.support.sayings import EXCUSES, Saying
from tests.support.wallet import Signed

Body = Callable[[Any, Signed], bytes]
"""Makes an answer from the id of the request and the transaction that was sent."""


def _fixed(body: bytes) -> Body:
    return lambda _id, _signed: body


def message(**members: Any) -> Body:
    """Return a JSON-RPC message; ``HASH`` in it stands for the transaction's hash."""

    def make(request_id: Any, signed: Signed) -> bytes:
        text = json.dumps({"jsonrpc": "2.0", "id": request_id} | members)
        return text.replace("HASH", signed.hash).encode()

    return make


def error(code: int, text: str, data: Any = None) -> Body:
    """Return a JSON-RPC error."""
    return message(error={"code": code, "message": text, "data": data})


def _template(text: str) -> Body:
    """Return an answer that json.dumps cannot write; ``ID`` and ``HASH`` are filled in."""

    def make(request_id: Any, signed: Signed) -> bytes:
        filled = text.replace("ID", str(request_id)).replace("HASH", signed.hash)
        return filled.encode("utf-8", "surrogatepass")

    return make


HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]\u202e\u2066\r\nendpoint 1 of 1 answered\x00\x9b31m"
OTHER = "0x" + "cd" * 32
"""Not the transaction's hash, which would be believed however odd the rest of the answer is."""
POOR = "insufficient funds for gas * price + value"


def _one_of_each(row: Row) -> list[Saying]:
    """Return one saying per excuse for a send that belongs to ``row``."""
    said = [s for s in EXCUSES if s.row is row and s.method == "eth_sendRawTransaction"]
    return list({excuse_for(s.error): s for s in said}.values())


BODIES: Mapping[Row, Mapping[str, Body]] = {
    table.NO_ANSWER: {
        "nothing": _fixed(b""),
        "blanks": _fixed(b" \r\n\t "),
        "a page": _fixed(b"<html><body>It works!</body></html>"),
        "a number": _fixed(b"42"),
        "an array": _fixed(b"[]"),
        "neither result nor error": message(),
        "both": message(result="HASH", error={"code": -32000, "message": "m"}),
        "an error in words": message(error="nonce too low"),
        "an error without a code": message(error={"message": "nonce too low"}),
        "an error whose message is not text": message(error={"code": -32000, "message": ["m"]}),
        "NaN": _template('{"jsonrpc":"2.0","id":ID,"result":NaN}'),
        "infinity": _template('{"jsonrpc":"2.0","id":ID,"result":1e999}'),
        "deep nesting": _template('{"jsonrpc":"2.0","id":ID,"result":' + "[" * 100_000),
        "an enormous integer": _template('{"jsonrpc":"2.0","id":ID,"result":' + "9" * 5000 + "}"),
        "invalid UTF-8": lambda i, s: message(result=s.hash)(i, s).replace(b"0x", b"\xff\xfe"),
        "UTF-16": lambda i, s: message(result=s.hash)(i, s).decode().encode("utf-16"),
        "a bare surrogate": _template('{"jsonrpc":"2.0","id":ID,"result":"\udc80HASH"}'),
        "half of it": _template('{"jsonrpc":"2.0","id":ID,"resu'),
        "a batch's answer": lambda i, s: b"[" + message(result=OTHER)(i, s) + b"]",
        "the answer to another": message(id=999_999, result=OTHER),
        "its id as text": _template('{"jsonrpc":"2.0","id":"ID","result":"OTHER"}'),
        "its id as a fraction": _template('{"jsonrpc":"2.0","id":ID.0,"result":"OTHER"}'),
        "a true id": message(id=True, result=OTHER),
        "no id": _template('{"jsonrpc":"2.0","result":"OTHER"}'),
        "its id twice": _template('{"jsonrpc":"2.0","id":ID,"result":"OTHER","id":0}'),
        "no version": _template('{"id":ID,"result":"OTHER"}'),
        "no version and no id": _template('{"error":{"code":-32000,"message":"nonce too low"}}'),
        "two of them": lambda i, s: message(result=s.hash)(i, s) * 2,
    },
    table.NULL_RESULT: {"null": message(result=None)},
    table.OTHER_RESULT: {
        "another hash": message(result="0x" + "cd" * 32),
        "the hash without 0x": lambda i, s: message(result=s.hash[2:])(i, s),
        "the hash and more": message(result="HASH "),
        "the hash in a list": message(result=["HASH"]),
        "true": message(result=True),
        "an object": message(result={"transactionHash": "HASH"}),
        "hostile text": message(result=HOSTILE),
        "a surrogate": _template('{"jsonrpc":"2.0","id":ID,"result":"\\ud800"}'),
        "3 MB": message(result="A" * 3_000_000),
        "two results": _template('{"jsonrpc":"2.0","id":ID,"result":"HASH","result":1}'),
    },
    table.VERDICT: {
        "insufficient funds": error(-32000, POOR),
        "hostile text": error(-32000, HOSTILE, {HOSTILE: [HOSTILE]}),
        "a surrogate": error(3, "\ud800", "\udfff"),
        "3 MB": error(-32000, "A" * 3_000_000),
        "a code of its own": error(10**30, "no"),
        "a code as text": message(error={"code": "-32000", "message": POOR}),
        "no version": _template(
            '{"id":ID,"error":{"code":-32000,"message":"insufficient funds for transfer"}}'
        ),
        "no id to answer to": message(id=None, error={"code": -32700, "message": "parse error"}),
    },
    **{
        row: {str(said): error(said.error.code, said.error.message) for said in _one_of_each(row)}
        for row in (table.NOT_FROM_ME, table.PASSED_ON)
    },
}
