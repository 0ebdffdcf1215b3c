"""The endpoint list."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend.endpoints import parse_endpoints
from seqsend.errors import UsageError


def test_splits_trims_and_counts_from_one() -> None:
    endpoints = parse_endpoints(" http://seq1:8545 ,\n https://user:pw@seq2/rpc ,, ")
    assert [(e.index, e.total, e.url, e.redacted) for e in endpoints] == [
        (1, 2, "http://seq1:8545", "http://seq1:8545"),
        (2, 2, "https://user:pw@seq2/rpc", "https://***@seq2/rpc"),
    ]


def test_takes_several_urls_as_well() -> None:
    assert [e.url for e in parse_endpoints(["http://a", "http://b,http://c"])] == [
        "http://a",
        "http://b",
        "http://c",
    ]


@pytest.mark.parametrize(
    "url",
    ["http://[::1]:8545", "HTTP://Seq1", "http://seq_1", "http://seq1:", "http://10.0.0.1/a?b#c"]
    + ["ws://seq1:8546", "WSS://seq1/rpc"]
    + ["http://bücher.example", "http://a.b.c./"],
)
def test_takes_what_is_an_endpoint(url: str) -> None:
    assert parse_endpoints(url)[0].url == url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no sequencer endpoint given"),
        (" , ,", "no sequencer endpoint given"),
        ("http://ok,seq1:8545", "endpoint 2 'seq1:8545': is no URL"),
        ("http://ok,localhost", "endpoint 2 'localhost': is no URL"),
        ("ftp://seq1", "endpoint 1 'ftp://seq1': scheme must be http or https, or ws"),
        ("http://", "endpoint 1 'http://': has no valid host and port"),
        ("http://:8545", "endpoint 1 'http://:8545': has no valid host and port"),
        ("http://seq1:0", "has no valid host and port"),
        ("http://seq1:65536", "has no valid host and port"),
        ("http://seq1:eth", "has no valid host and port"),
        ("http://[::1", "has no valid host and port"),
        ("http://[seq1]", "has no valid host and port"),
        ("http://se%71", "has no valid host and port"),
        ("http://" + "ü" * 70, "has no valid host and port"),
        ("http://seq 1", "endpoint 1 'http://seq 1': has a space"),
        ("http://seq1\\@evil", "has a space, a control character or a backslash"),
        ("http://se\x00q1", "has a space, a control character"),
        ("http://a,http://b,http://a", "endpoint 3 'http://a' is endpoint 1 again"),
        ("http://a,HTTP://A:80/", "endpoint 2 'HTTP://A:80/' is endpoint 1 again"),
        ("http://a,wss://u:secret@b", "endpoint 2 'wss://***@b': a WebSocket endpoint is the only"),
        ("ws://a,http://b", "endpoint 1 'ws://a': a WebSocket endpoint is the only one"),
        ("ws://a,ws://b", "endpoint 1 'ws://a': a WebSocket endpoint is the only one"),
        ("http://user:secret@:1", "endpoint 1 'http://***@:1'"),
        ("http//user:secret@seq1", "endpoint 1 '***@seq1': is no URL"),
        # Cut in two by a comma of its own.
        (
            "http://u:1secret,x@h:8545",
            "endpoint 1 '***': has no valid host and port (a comma within",
        ),
        ("http://u:1,secret@h:8545", "endpoint 2 '***': is no URL (a comma within an address is"),
        ("http://u:1,secret,2@h:8545", "endpoint 2 '***': is no URL (a comma within an address is"),
        ("http://h/?key=1,secret", "endpoint 2 '***': is no URL (a comma within an address is"),
        ("http://h/0123456789,secret", "endpoint 2 '***': is no URL (a comma within an address is"),
        ("http://u:secret", "endpoint 1 'http://***': has no valid host and port;"),
    ],
)
def test_refuses_and_names_the_part_by_position(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_endpoints(text)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_two_keys_on_one_host_are_two_endpoints() -> None:
    assert len(parse_endpoints("http://a/?k=1,http://a/?k=2,http://u:1@a,http://u:2@a")) == 4


@given(st.text())
def test_any_text_is_a_list_of_endpoints_or_a_usage_error(text: str) -> None:
    with suppress(UsageError):
        assert parse_endpoints(text)


@given(st.text(min_size=4).filter(lambda s: "," not in s and s.strip(" \t\r\n")))
def test_no_password_is_shown_however_odd(password: str) -> None:
    planted = f"S3cr3t{password}S3cr3t"
    try:
        shown = parse_endpoints(f"http://user:{planted}@seq1")[0].redacted
    except UsageError as error:
        shown = str(error)
    assert "S3cr3t" not in shown
