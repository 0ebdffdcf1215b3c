"""JSON-RPC messages."""

import json
import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend import jsonrpc
from seqsend.errors import UsageError
from seqsend.jsonrpc import (
    MAX_DEPTH,
    Call,
    NotAnAnswer,
    Result,
    decode_answer,
    decode_error,
    encode_request,
    parse_json,
)
from seqsend.models import JsonRpcError


def test_encodes_a_request() -> None:
    body = encode_request(Call("eth_call", [{"to": "0x1"}, "latest", 10**30, None]), 7)
    assert json.loads(body) == {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "eth_call",
        "params": [{"to": "0x1"}, "latest", 10**30, None],
    }


def test_a_request_preserves_any_string() -> None:
    body = encode_request(Call("m", ["ü \ud800 \x00"]), 1)
    assert body.isascii()
    assert json.loads(body)["params"] == ["ü \ud800 \x00"]


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("param", [object(), float("nan"), float("inf"), {1: {(): 1}}])
def test_refuses_a_parameter_that_is_not_json(param: object) -> None:
    with pytest.raises(UsageError, match="cannot be sent"):
        encode_request(Call("m", [param]), 1)


def test_refuses_parameters_nested_too_deeply() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)  # Python's default, which eth_account's dependencies raise
    try:
        with pytest.raises(UsageError, match="nested too deeply"):
            encode_request(Call("m", _nested(100_000)), 1)
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, False),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), True),
        ('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), True),
        ("[" + ",".join(["[]"] * 5000) + "]", False),
        ("[" + ",".join(["[" * 499 + "]" * 499] * 20) + "]", False),
        ("[" + ",".join(["[" * 500 + "]" * 500] * 20) + "]", True),
        (json.dumps(["[" * 5000, '\\"' + "{" * 5000]), False),
        (json.dumps(["]" * 5000]) + "[" * 5000, True),
    ],
)
def test_depth_is_checked_before_python_parses(text: str, refused: bool) -> None:  # noqa: FBT001
    if refused:
        with pytest.raises(RecursionError):
            parse_json(text)
    else:
        assert parse_json(text) == json.loads(text)


_SMALL = {
    "numbers": ("1,", "1"),
    "fractions": ("1.5,", "1"),
    "strings": ('"ab",', "1"),
    "arrays": ("[],", "1"),
    "objects": ("{},", "1"),
    "members": ('{"a":1},', "1"),
    "nothing but brackets": ("[[[]]],", "1"),
    "wide strings": ('"\\ud83d\\ude00",', "1"),
}


@pytest.mark.parametrize(("item", "last"), _SMALL.values(), ids=_SMALL)
def test_the_memory_cost_of_a_text_is_not_underestimated(item: str, last: str) -> None:
    text = f"[{item * (200_000 // len(item))}{last}]"
    tracemalloc.start()
    parse_json(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sys.getsizeof(text) + peak <= jsonrpc._cost(text)


@pytest.mark.parametrize(("item", "last"), _SMALL.values(), ids=_SMALL)
def test_too_many_small_values_are_refused(item: str, last: str) -> None:
    text = f"[{item * (32 * 2**20 // len(item))}{last}]"
    with pytest.raises(jsonrpc.TooCostly):
        parse_json(text)
    with pytest.raises(NotAnAnswer, match="too many values") as refused:
        decode_answer(text.encode(), 1)
    assert refused.value.reason_code == "too_large"


def test_a_large_but_realistic_answer_is_accepted() -> None:
    topics = ["0x" + "b" * 64] * 3
    log = {"address": "0x" + "a" * 40, "topics": topics, "data": "0x" + "d" * 64, "logIndex": "0x1"}
    logs = json.dumps({"jsonrpc": "2.0", "id": 1, "result": [log] * 50_000}).encode()
    assert len(logs) > 18_000_000
    found = decode_answer(logs, 1)
    assert isinstance(found, Result)
    assert len(found.value) == 50_000


@pytest.mark.parametrize(("digits", "good"), [(4300, True), (5000, False)])
def test_a_number_may_have_as_many_digits_as_python_accepts(
    digits: int,
    good: bool,  # noqa: FBT001
) -> None:
    body = f'{{"jsonrpc":"2.0","id":1,"result":{"9" * digits}}}'.encode()
    if good:
        assert decode_answer(body, 1) == Result(int("9" * digits))
    else:
        with pytest.raises(NotAnAnswer, match="too long"):
            decode_answer(body, 1)


@pytest.mark.parametrize("before", [",", ", ", ",-", ",\n"])
def test_many_long_numbers_are_refused(before: str) -> None:
    """Time grows with the square of the digits: 31 MiB took 0.7 s to read and 1.7 s to print."""
    text = "[0" + f"{before}{'9' * 4000}" * 1000 + "]"
    assert len(text) > 3_000_000
    with pytest.raises(NotAnAnswer, match="too long"):
        decode_answer(f'{{"jsonrpc":"2.0","id":1,"result":{text}}}'.encode(), 1)


def test_many_digits_are_accepted_if_no_number_is_long() -> None:
    text = json.dumps(["9" * 5000] * 500 + [10**400] * 5000)
    found = decode_answer(f'{{"jsonrpc":"2.0","id":1,"result":{text}}}'.encode(), 1)
    assert found == Result(json.loads(text))


ERROR = {"code": -32000, "message": "nonce too low"}


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        ({"jsonrpc": "2.0", "id": 1, "result": "0x1"}, Result("0x1")),
        ({"jsonrpc": "2.0", "id": 1, "result": None}, Result(None)),
        ({"jsonrpc": "2.0", "id": 1, "result": 2**4000}, Result(2**4000)),
        ({"jsonrpc": "2.0", "id": 1, "result": "0x1", "error": None}, Result("0x1")),
        ({"jsonrpc": "2.0", "id": 1, "error": ERROR}, JsonRpcError(-32000, "nonce too low")),
        ({"id": 1, "error": ERROR}, JsonRpcError(-32000, "nonce too low")),
        (
            {"jsonrpc": "2.0", "id": 1, "error": {**ERROR, "code": "-32000"}},
            JsonRpcError(-32000, "nonce too low"),
        ),
        ({"jsonrpc": "2.0", "id": None, "error": ERROR}, JsonRpcError(-32000, "nonce too low")),
        (
            {"jsonrpc": "2.0", "id": 1, "result": None, "error": {**ERROR, "data": [1]}},
            JsonRpcError(-32000, "nonce too low", [1]),
        ),
    ],
)
def test_decodes_an_answer(answer: object, means: object) -> None:
    assert decode_answer(json.dumps(answer).encode(), 1) == means


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "an empty answer"),
        (b" \n", "an empty answer"),
        (b"<html>", "not JSON but an HTML page"),
        (b"upstream down", "not JSON but something else"),
        (b'{"jsonrpc":"2.0","id":1,"result":"0x', "not JSON but something else"),
        (b"\xff\xfe", "not JSON: invalid UTF-8"),
        (b"[" * 200_000, "JSON nested too deeply"),
        (b"9" * 5000, "JSON with a number that is too long or out of range"),
        (b"1e999", "JSON with a number that is too long or out of range"),
        (b"NaN", "not JSON but something else"),
        (b"[]", "not a JSON-RPC answer"),
        (b'"ok"', "not a JSON-RPC answer"),
        (b'{"id":1,"result":"0x1"}', "not a JSON-RPC answer"),
        (b'{"jsonrpc":"1.0","id":1,"result":"0x1"}', "not a JSON-RPC answer"),
        (b'{"jsonrpc":"2.0","id":1}', "neither result nor error"),
        (b'{"jsonrpc":"2.0","id":1,"error":null}', "neither result nor error"),
        (b'{"jsonrpc":"2.0","id":1,"result":1,"error":{}}', "both result and error"),
        (b'{"jsonrpc":"2.0","id":2,"result":"0x1"}', "wrong id"),
        (b'{"jsonrpc":"2.0","id":"1","result":"0x1"}', "wrong id"),
        (b'{"jsonrpc":"2.0","id":true,"result":"0x1"}', "wrong id"),
        (b'{"jsonrpc":"2.0","id":null,"result":"0x1"}', "wrong id"),
        (b'{"jsonrpc":"2.0","result":"0x1"}', "wrong id"),
        (b'{"jsonrpc":"2.0","id":2,"error":{"code":1,"message":"m"}}', "wrong id"),
        (b'{"jsonrpc":"2.0","id":1,"error":"nope"}', "a JSON-RPC error that is not an object"),
        (b'{"jsonrpc":"2.0","id":1,"error":{}}', "without a code and a message"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":"E1","message":"m"}}', "without a code"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"m"}}', "without a code"),
        (b'{"id":"1","error":{"code":1,"message":"m"}}', "not a JSON-RPC answer"),
        (b'{"id":null,"error":{"code":1,"message":"m"}}', "not a JSON-RPC answer"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":true,"message":"m"}}', "without a code"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":null}}', "without a code"),
    ],
)
def test_says_why_a_body_is_not_an_answer(body: bytes, said: str) -> None:
    with pytest.raises(NotAnAnswer, match=said):
        decode_answer(body, 1)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_KEYS = st.sampled_from(["jsonrpc", "id", "result", "error", "code", "message"])
_BODIES = st.binary() | st.one_of(
    _JSON, st.dictionaries(_KEYS, _JSON | st.sampled_from(["2.0", 1, ERROR]))
).map(lambda value: json.dumps(value).encode())


@given(_BODIES)
def test_any_bytes_are_decoded_or_are_not_an_answer(body: bytes) -> None:
    try:
        decoded = decode_answer(body, 1)
    except NotAnAnswer:
        return
    said = json.loads(body)
    assert said.get("jsonrpc", "2.0") == "2.0"
    if isinstance(decoded, Result):
        assert (said["jsonrpc"], said["id"]) == ("2.0", 1)
        assert said["result"] == decoded.value
    else:
        assert int(said["error"]["code"]) == decoded.code


def test_decode_error_finds_an_error_with_any_id_and_nothing_else() -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 99, "error": ERROR}).encode()
    assert decode_error(body) == JsonRpcError(-32000, "nonce too low")
    for other in (b"<html>", b"{}", b'{"error":{"code":400,"message":"Bad Request"}}'):
        assert decode_error(other) is None
