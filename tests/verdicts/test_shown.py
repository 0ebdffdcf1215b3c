"""The words of a server are shown, whatever their shape."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend.jsonrpc import Call
from seqsend.models import Reply
from seqsend.verdicts.batches import judge_batch
from seqsend.verdicts.failure_table import judge_reply
from seqsend.verdicts.shown import LONGEST_SHOWN, describe_body, shorten

SEND = Call("eth_sendRawTransaction", ["0x02"], expected="0x" + "ab" * 32)


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        (503, b"<html>maintenance until 04:00 UTC", "HTTP 503: maintenance until 04:00 UTC"),
        (
            502,
            b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>",
            "HTTP 502: Bad Gateway",
        ),
        (
            503,
            b"<!DOCTYPE html><style>p{}</style><script>x()</script><!-- <p>no --><p>Down &amp; out",
            "HTTP 503: Down & out",
        ),
        (500, b"\n\nupstream  is\tgone\nat line 5", "HTTP 500: upstream is gone"),
        (500, b"", "HTTP 500"),
        (500, b"\x00\x01\x02", "HTTP 500"),
        (500, b"\xff\xfe\xfd", "HTTP 500"),
        # Errors that bend the standard (skalenetwork/skaled#1909)
        (500, b'{"error": {"details": "no such chain"}}', "HTTP 500: no such chain"),
        (400, b'{"error": {"code": "E42", "message": "no"}}', "HTTP 400: no (code E42)"),
        (400, b'{"error": "rate limit"}', "HTTP 400: rate limit"),
        (400, '{"error": {"details": ["não"]}}'.encode(), 'HTTP 400: ["não"]'),
        (404, b'{"message": "no Route matched"}', "HTTP 404: no Route matched"),
        (403, b'{"error": {"code": 7, "data": {"a": [1]}}}', 'HTTP 403: {"code": 7, "data":'),
        (200, b'{"error": {"code": -32000, "message": "m"}}', "not a JSON-RPC answer: m"),
        (
            200,
            b'{"jsonrpc": "2.0", "id": 1, "error": {"details": "no such chain"}}',
            "a JSON-RPC error without a code and a message: no such chain",
        ),
        (
            200,
            b'{"jsonrpc": "2.0", "id": 1, "error": "no such chain"}',
            "a JSON-RPC error that is not an object: no such chain",
        ),
        (200, b"<title>Explorer</title>", "not JSON but an HTML page: Explorer"),
        (200, b"upstream down", "not JSON but something else: upstream down"),
        (200, b'[{"error": {"details": "no such chain"}}]', "not a JSON-RPC answer: no such chain"),
    ],
)
def test_the_words_of_a_failing_server_are_in_the_reason(
    status: int, body: bytes, shown: str
) -> None:
    reason = judge_reply(Reply(status, body), SEND, 1).reason or ""
    assert reason.startswith(shown)
    if shown == f"HTTP {status}":
        assert reason == shown
    batch = judge_batch(Reply(status, body), {1: SEND, 2: SEND})
    words = shown.rpartition(": ")[2] if ": " in shown else ""
    said = " ".join(item.reason or "" for item in batch.items if item)
    assert words[:10] in (batch.whole.reason or "") + said


def test_retry_after_is_in_the_reason() -> None:
    judgement = judge_reply(Reply(503, b"busy", retry_after="30"), SEND, 1)
    assert judgement.reason == "HTTP 503: busy (Retry-After: 30)"


def test_a_line_is_cut_between_words() -> None:
    """Redaction would not find half a secret."""
    assert shorten("word " * 100) == "word " * 39 + "word …"
    assert shorten("a " + "s3cret" * 100 + " b") == "a …"
    assert shorten("s3cret" * 100) == "…"
    assert shorten(" a\r\n\tb ") == "a b"


@pytest.mark.parametrize(
    "unit", ["<!--", "<script ", "<style>", "<title ", "<title>", "<", "<script></style>", "&lt;"]
)
@pytest.mark.parametrize("before", ["", "<"])
def test_a_hostile_page_costs_little(unit: str, before: str) -> None:
    body = (before + unit * (65_536 // len(unit))).encode()
    started = time.process_time()
    describe_body(body)
    assert time.process_time() - started < 0.5  # at most 0.03 s when this was written


@given(st.binary() | st.text().map(str.encode))
def test_any_body_is_shown_in_one_short_line(body: bytes) -> None:
    shown = describe_body(body)
    assert shown is None or (len(shown) <= 2 * LONGEST_SHOWN and len(shown.splitlines()) <= 1)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "details", "data"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(_JSON)
def test_any_json_is_shown_in_one_short_line(value: object) -> None:
    shown = describe_body(json.dumps(value).encode())
    assert shown is None or (len(shown) <= 2 * LONGEST_SHOWN and len(shown.splitlines()) <= 1)
