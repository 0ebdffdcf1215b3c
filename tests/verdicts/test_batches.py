"""Answers to a JSON-RPC batch: judged as a whole, and each item as if it came alone."""

import json
from typing import Any

import pytest

from seqsend.jsonrpc import Call
from seqsend.models import Delivered, ReasonCode, Reply
from seqsend.verdicts import failure_table as table
from seqsend.verdicts.batches import judge_batch
from seqsend.verdicts.failure_table import judge_reply
from tests.support.sayings import SAYINGS, Saying

HASHES = {n: f"0x{n:064x}" for n in (1, 2, 3)}
CALLS = {n: Call("eth_sendRawTransaction", ["0x02"], expected=h) for n, h in HASHES.items()}


def taken(n: int, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": n, "result": HASHES[n], **more}


def refused(n: int | None, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": n, "error": {"code": code, "message": message}}


def reply(value: Any, status: int | None = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())


@pytest.mark.parametrize("saying", SAYINGS, ids=str)
def test_an_item_is_judged_as_if_it_came_alone(saying: Saying) -> None:
    error = refused(2, saying.error.code, saying.error.message)
    calls = CALLS | {2: Call(saying.method, [])}
    found = judge_batch(reply([taken(1), error, taken(3)]), calls)
    assert (found.whole.row, found.refused) == (table.RESULT, False)
    assert found.items[1] == judge_reply(reply(error), calls[2], 2)
    assert [item.row for item in found.items[::2] if item] == [table.RESULT] * 2
    strict = judge_batch(reply([taken(1), error, taken(3)]), calls, strict_errors=True)
    assert strict.items[1] is not None
    assert strict.items[1].row == table.VERDICT


REFUSALS: list[tuple[str, Reply, Delivered]] = [
    ("geth", reply([refused(None, -32600, "batch too large")]), "no"),
    ("reth", reply(refused(None, -32007, "The batch request was too large")), "no"),
    ("jsonrpsee", reply(refused(None, -32005, "Batched requests are not supported")), "no"),
    ("erigon", reply(refused(None, -32000, "batch limit 100 exceeded (can increase …)")), "no"),
    ("besu", reply(refused(None, -32005, "Number of requests exceeds max batch size"), 400), "no"),
    ("nethermind", reply(refused(None, -32005, "Batch size limit exceeded"), 503), "no"),
    ("proxyd", reply(refused(None, -32014, "too many RPC calls in batch request"), 413), "no"),
    ("dRPC", reply(refused(None, 31, "Batch of more than 3 requests are not allowed"), 500), "no"),
    ("in each item", reply([refused(n, 31, "Batch of more than 2 requests") for n in CALLS]), "no"),
    ("no arrays", reply(refused(None, -32600, "Invalid Request"), 400), "no"),
    ("no arrays, Go", reply(refused(None, -32000, "cannot unmarshal array into Go value")), "no"),
    ("text", Reply(403, b"batch requests are disabled"), "no"),
    ("nginx", Reply(413, b"<html><title>413 Request Entity Too Large</title>"), "no"),
    ("only a status", Reply(400, b"Bad Request"), "unknown"),
    ("only a status", Reply(503, b""), "unknown"),
    ("unknown words", reply(refused(None, -32000, "the moon is blue")), "unknown"),
    ("unknown words", reply(refused(None, -32000, "the moon is blue"), 500), "unknown"),
]


@pytest.mark.parametrize(
    ("answer", "delivered"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_a_refused_batch_can_be_split(answer: Reply, delivered: Delivered) -> None:
    found = judge_batch(answer, CALLS)
    assert found.refused
    assert found.items == (None,) * 3
    assert (found.whole.row.kind, found.whole.row.delivered) == ("outage", delivered)
    assert found.whole.reason_code == "batch_refused"
    assert (found.whole.reason or "").startswith("batch of 3 refused: ")


@pytest.mark.parametrize(
    ("answer", "delivered", "reason_code"),
    [
        # An error that belongs to no item says nothing about the items before it.
        (reply(refused(None, -32016, "over rate limit")), "unknown", "rate_limited"),
        (reply(refused(None, -32016, "over rate limit"), 503), "unknown", "rate_limited"),
        (reply([refused(None, -32603, "Internal error")]), "unknown", "internal_error"),
        # A status does: the request as a whole was refused.
        (reply(refused(None, -32016, "over rate limit"), 429), "no", "rate_limited"),
        (Reply(401, b""), "no", "unauthorized"),
        (Reply(502, b"<html>"), "unknown", "bad_gateway"),
        (Reply(200, b"<html>"), "unknown", "html"),
        (Reply(200, b"[]"), "unknown", "not_json_rpc"),
        (Reply(200, b"[1, null, {}]"), "unknown", "not_json_rpc"),
        (Reply(200, b"7"), "unknown", "not_json_rpc"),
    ],
)
def test_a_failed_batch_is_not_split(
    answer: Reply, delivered: Delivered, reason_code: ReasonCode
) -> None:
    found = judge_batch(answer, CALLS)
    assert (found.refused, found.items) == (False, (None,) * 3)
    assert (found.whole.row.kind, found.whole.row.delivered) == ("outage", delivered)
    assert found.whole.reason_code == reason_code


def test_an_item_without_an_answer_is_none() -> None:
    found = judge_batch(reply([taken(3), taken(1)]), CALLS)
    assert [item and item.row for item in found.items] == [table.RESULT, None, table.RESULT]
    late = judge_batch(reply([taken(1), refused(2, 31, "Batch of more than 1 request")]), CALLS)
    assert [item and item.row for item in late.items] == [table.RESULT, None, None]


@pytest.mark.parametrize(
    "message",
    [
        {"id": 2, "result": HASHES[2]},
        taken(2, error=None),
        {**taken(2), "id": "2"},
        {**taken(2), "id": None},
        {**taken(2), "id": 99},
        {**taken(2), "result": HASHES[2].upper()},
    ],
)
def test_its_own_hash_is_believed_however_odd_the_envelope(message: Any) -> None:
    found = judge_batch(reply([taken(1), message]), CALLS)
    assert found.items[1] is not None
    assert found.items[1].row == table.RESULT
    assert found.items[2] is None


def test_two_answers_to_one_request_are_not_trusted() -> None:
    found = judge_batch(reply([taken(1), taken(2), refused(2, 1, "nonce too low")]), CALLS)
    assert found.items[1] is not None
    assert found.items[1].row == table.NO_ANSWER


def test_another_items_hash_is_not_its_own() -> None:
    found = judge_batch(reply([taken(1), {**taken(2), "result": HASHES[1]}]), CALLS)
    assert found.items[1] is not None
    assert found.items[1].row == table.OTHER_RESULT
