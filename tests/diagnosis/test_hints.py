"""Hints, by the reason code of an attempt."""

from typing import get_args

import pytest

from seqsend.diagnosis.hints import HINTS, hint_for
from seqsend.endpoints import parse_endpoints
from seqsend.jsonrpc import Call
from seqsend.models import Attempt, FindingCode, ReasonCode, Reply
from seqsend.verdicts.failure_table import judge_reply
from tests.support.cli import CHECK_SCHEMA

# Codes of a verdict, of something done locally, or that no check of an endpoint meets.
WITHOUT_HINT = {
    "rejected",
    "batch_refused",
    "batch_shortened",
    "not_an_answer",
    "interrupted",
    "abandoned",
}


def _failed(reason_code: ReasonCode | None) -> Attempt:
    (endpoint,) = parse_endpoints("http://a")
    return Attempt(endpoint, "m", "outage", "answer", "no", 0.1, reason_code=reason_code)


def test_every_reason_has_a_hint_and_is_in_the_schema() -> None:
    codes = {*get_args(ReasonCode), *get_args(FindingCode)}
    listed = CHECK_SCHEMA["$defs"]["endpoint"]["properties"]["reason_code"]["enum"]
    assert {*listed} == {None, *codes}
    assert codes - set(HINTS) == WITHOUT_HINT


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (403, b"invalid host specified\n", "--http.vhosts"),  # go-ethereum#16526
        (401, b"missing token\n", "requires a JWT: use the RPC port"),  # geth's port 8551
        (403, b"", "put credentials into"),
        (429, b"", "rate limited"),
        (200, b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"node is syncing"}}', "synced"),
        (200, b"<html>", "a web page"),
    ],
)
def test_a_hint_fits_the_answer(status: int, body: bytes, hint: str) -> None:
    judgement = judge_reply(Reply(status, body), Call("eth_chainId", []), 1)
    assert hint in hint_for(_failed(judgement.reason_code))


def test_a_machine_without_certificate_authorities_gets_its_own_hint() -> None:
    assert hint_for(_failed("tls_no_authorities")) == (
        "this machine has no certificate authorities: install ca-certificates"
    )
    assert hint_for(_failed(None)) == "see the server's own message"
