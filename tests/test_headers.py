"""Headers: how they are parsed, which endpoint gets them, and that their values stay secret."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend import SequencerClient, check
from seqsend.errors import UsageError
from seqsend.headers import Header, Headers, collect_headers, merge_headers, parse_header
from tests.support.servers import Replying, jsonrpc_result


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("Authorization=Bearer a=b", Header("Authorization", "Bearer a=b")),
        (" X-Key = v ", Header("X-Key", "v")),
        ("X-Empty=", Header("X-Empty", "")),
        ("2:X-Key=v", Header("X-Key", "v", 2)),
        (" 10 : X-Key = 1:v", Header("X-Key", "1:v", 10)),
        ("2=v", Header("2", "v")),
    ],
)
def test_reads_a_header(text: str, header: Header) -> None:
    assert parse_header(text) == header


@pytest.mark.parametrize(
    "text",
    ["", "secret-value", "=secret-value", "X Y=secret-value", "X=secret-value\r\nEvil: 1"]
    + ["X=secret-valueü", "Content-Length=secret-value", "X:secret-value", "Host\n=secret-value"]
    + ["X:Y=secret-value", "2:X:Y=secret-value", "2:secret-value", "2:=secret-value"]
    + ["0:X=secret-value", "-1:X=secret-value", "x:X=secret-value", "2:3:X=secret-value"]
    + ["٢:X=secret-value", "²:X=secret-value"],
)
def test_refuses_a_header_without_showing_its_value(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_header(text)
    assert "secret-value" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_header_or_a_usage_error(text: str) -> None:
    with suppress(UsageError):
        assert parse_header(text).name in text


def _collect(*texts: str) -> Headers:
    return collect_headers(map(parse_header, texts))


@pytest.mark.parametrize(
    ("given_as", "sent"),
    [
        (["X=1", "Y=2"], {1: {"X": "1", "Y": "2"}, 2: {"X": "1", "Y": "2"}}),
        (["X=1", "x=2"], {1: {"x": "2"}, 2: {"x": "2"}}),
        (["X=1", "2:x=2"], {1: {"X": "1"}, 2: {"x": "2"}}),
        (["2:x=2", "X=1"], {1: {"X": "1"}, 2: {"X": "1"}}),
        (["2:X=1", "1:X=2", "2:x=3"], {1: {"X": "2"}, 2: {"x": "3"}}),
        ([], {1: {}, 2: {}}),
    ],
)
def test_the_last_header_of_a_name_wins_for_each_endpoint(
    given_as: list[str], sent: Mapping[int, Mapping[str, str]]
) -> None:
    headers = _collect(*given_as)
    assert merge_headers(headers.everywhere, headers.by_endpoint, 2) == sent


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"endpoint_headers": {3: {"X": "s3cret"}}},
            "for endpoint 3, but the list has 2 endpoints",
        ),
        (
            {"endpoint_headers": {0: {"X": "s3cret"}}},
            "endpoint 0, but endpoints are counted from 1",
        ),
        ({"endpoint_headers": {-1: {"X": "s3cret"}}}, "endpoint -1, but endpoints are counted"),
        ({"endpoint_headers": {1: {"X:Y": "s3cret"}}}, "the name of a header has a character"),
        ({"headers": {"X": "s3cret\n"}}, "the value of header X has a character"),
        ({"headers": {"X": b"s3cret"}}, "must be strings"),
        ({"headers": {"X": None}}, "must be strings"),
    ],
)
def test_the_library_refuses_wrong_headers(arguments: Any, said: str) -> None:
    for use in (SequencerClient, check):
        with pytest.raises(UsageError, match=said) as caught:
            use("http://127.0.0.1:1,http://127.0.0.1:2", **arguments)
        assert "s3cret" not in str(caught.value)


def test_the_headers_of_an_endpoint_go_to_no_other_endpoint() -> None:
    with (
        Replying(lambda _: b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n") as one,
        Replying(lambda request: jsonrpc_result(request, 1)) as two,
        SequencerClient(
            f"{one.url},{two.url}",
            headers={"X-All": "a", "X-Both": "a"},
            endpoint_headers={2: {"x-both": "b", "Authorization": "Bearer b"}},
        ) as client,
    ):
        client.request("eth_chainId")
        (first,), (second,) = one.requests, two.requests
    assert (first.headers["X-All"], first.headers["X-Both"]) == ("a", "a")
    assert "Authorization" not in first.headers
    assert (second.headers["X-All"], second.headers.get_all("X-Both")) == ("a", ["b"])
    assert second.headers["Authorization"] == "Bearer b"
