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


def test_accepts_a_list_of_urls() -> None:
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
def test_accepts_a_valid_endpoint(url: str) -> None:
    assert parse_endpoints(url)[0].url == url


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "target"),
    [
        ("http://seq1", "seq1", 80, "seq1", "/"),
        ("https://seq1", "seq1", 443, "seq1", "/"),
        ("https://seq1:80", "seq1", 80, "seq1:80", "/"),
        ("WS://SEQ1:80/Rpc", "seq1", 80, "seq1", "/Rpc"),
        ("wss://seq1:8546?a=b", "seq1", 8546, "seq1:8546", "/?a=b"),
        ("http://a.b.c.:8545/", "a.b.c.", 8545, "a.b.c:8545", "/"),
        ("http://[2001:DB8::1]", "2001:db8::1", 80, "[2001:db8::1]", "/"),
        ("http://[fe80::1%25eth0]:8545", "fe80::1%eth0", 8545, "[fe80::1]:8545", "/"),
        ("http://[fe80::1%252]", "fe80::1%2", 80, "[fe80::1]", "/"),
        ("http://u:p@h:1/a/../b;c?d=ü&e=%41#f", "h", 1, "h:1", "/a/../b;c?d=%C3%BC&e=%41"),
        ("http://u:p@x@h/ä{}", "h", 80, "h", "/%C3%A4%7B%7D"),
        # IDNA 2008. Python's codec would turn it into "strasse.example", which is another name.
        ("http://straße.example", "xn--strae-oqa.example", 80, "xn--strae-oqa.example", "/"),
        ("http://BÜCHER.example", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/"),
        ("http://127.1", "127.1", 80, "127.1", "/"),
    ],
)
def test_an_endpoint_carries_its_parsed_address(
    url: str, host: str, port: int, authority: str, target: str
) -> None:
    address = parse_endpoints(url)[0].address
    assert (address.host, address.port) == (host, port)
    assert (address.authority, address.target) == (authority, target)
    assert address.scheme == url.partition(":")[0].lower()


def test_the_repr_of_an_endpoint_shows_no_secret() -> None:
    (endpoint,) = parse_endpoints("http://us%65r:p%61ss@seq1/k3y4567890123456?token=t0ken#fragm3nt")
    assert endpoint.address.authorization == "Basic dXNlcjpwYXNz"
    secrets = {"us%65r", "p%61ss", "k3y4567890123456", "t0ken", "fragm3nt"}
    assert secrets <= endpoint.address.secrets
    assert not [secret for secret in (*secrets, "dXNlcjpwYXNz") if secret in repr(endpoint)]


@pytest.mark.parametrize(
    "host",
    ["[::%2531]", "[::1%25lo]", "[2001:db8::1%25eth0]", "[fe80::1%eth0]", "[fe80::1%2]"]
    + ["[fe80::1%25]", "[fe80::1%25a%2Fb]", "[fe80::1%251%252]", "[fe80::1%25eth0", "[]", "[v1.x]"]
    + ["evil[::1]", "[::1]evil", "[::1]:80:80", "127.0.0.%31", "%5B::1%5D", "seq1%2eevil"]
    + [
        "seq1。evil",
        "seq1\uff0eevil",
        "\uff11\uff12\uff17.0.0.1",
        "ſeq1",
        "seq1:+80",
        "seq1:８０",
    ],
)
def test_a_host_that_could_turn_into_another_is_refused(host: str) -> None:
    """By double decoding, by a lenient parser, or by Unicode compatibility forms."""
    with pytest.raises(UsageError, match="has no valid host and port"):
        parse_endpoints(f"http://{host}")


@pytest.mark.parametrize(
    "text",
    ["http://a:8545 http://b:8545", "http://a:8545;http://b:8545", "http://a http://b,http://c"]
    + ["http://a:8545\nhttp://b:8545", "http://a;b", "http://a/rpc;https://b", "http://a|http://b"]
    + ["a:8545 b:8545", "a;b", "http://a ;http://b"],
)
def test_a_list_with_another_separator_is_refused_and_asks_for_commas(text: str) -> None:
    with pytest.raises(UsageError, match="separate endpoints with commas"):
        parse_endpoints(text)


def test_the_error_for_a_wrong_zone_shows_a_valid_one() -> None:
    with pytest.raises(UsageError, match=r"example: http://\[fe80::1%25eth0\]:8545"):
        parse_endpoints("http://[fe80::1%eth0]:8545")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no sequencer endpoint given"),
        (" , ,", "no sequencer endpoint given"),
        ("http://ok,seq1:8545", "endpoint 2 'seq1:8545': is not a URL"),
        ("http://ok,localhost", "endpoint 2 'localhost': is not a URL"),
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
        ("http://a,http://b,http://a", "endpoint 3 'http://a' repeats endpoint 1"),
        ("http://a,HTTP://A:80/", "endpoint 2 'HTTP://A:80/' repeats endpoint 1"),
        (
            "http://a,wss://u:secret@b",
            "endpoint 2 'wss://***@b': a WebSocket endpoint must be the only",
        ),
        ("ws://a,http://b", "endpoint 1 'ws://a': a WebSocket endpoint must be the only one"),
        ("ws://a,ws://b", "endpoint 1 'ws://a': a WebSocket endpoint must be the only one"),
        ("http://user:secret@:1", "endpoint 1 'http://***@:1'"),
        ("http//user:secret@seq1", "endpoint 1 '***@seq1': is not a URL"),
        # Split by a comma within a URL.
        (
            "http://u:1secret,x@h:8545",
            "endpoint 1 '***': has no valid host and port (a comma within",
        ),
        (
            "http://u:1,secret@h:8545",
            "endpoint 2 '***': is not a URL (a comma within",
        ),
        (
            "http://u:1,secret,2@h:8545",
            "endpoint 2 '***': is not a URL (a comma within",
        ),
        ("http://h/?key=1,secret", "endpoint 2 '***': is not a URL (a comma within"),
        (
            "http://h/0123456789,secret",
            "endpoint 2 '***': is not a URL (a comma within",
        ),
        ("http://u:secret", "endpoint 1 'http://***': has no valid host and port;"),
    ],
)
def test_an_error_names_the_position_of_the_endpoint_and_no_secret(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_endpoints(text)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "other",
    [
        "https://host:8545/path?key=1",
        "http://other:8545/path?key=1",
        "http://host:8546/path?key=1",
        "http://host:8545/?key=1",
        "http://host:8545/path?key=2",
        "http://user@host:8545/path?key=1",
    ],
)
def test_endpoints_that_differ_in_one_part_are_not_duplicates(other: str) -> None:
    assert len(parse_endpoints(f"http://host:8545/path?key=1,{other}")) == 2


def test_two_keys_for_one_host_are_two_endpoints() -> None:
    assert len(parse_endpoints("http://a/?k=1,http://a/?k=2,http://u:1@a,http://u:2@a")) == 4


@pytest.mark.parametrize("url", ["http://h/{}", "http://h?{}", "http://u:{}@h", "http://{}", "{}"])
def test_bytes_that_are_not_utf_8_are_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_endpoints(url.format("a\udcffsesame-open"))
    assert "not valid UTF-8" in str(caught.value)
    str(caught.value).encode("utf-8", errors="strict")


@given(st.text() | st.text(st.characters()))
def test_any_text_is_a_list_of_endpoints_or_a_usage_error(text: str) -> None:
    with suppress(UsageError):
        assert parse_endpoints(text)


@given(st.text(min_size=4).filter(lambda s: "," not in s and s.strip(" \t\r\n")))
def test_no_password_is_shown_whatever_its_characters(password: str) -> None:
    planted = f"S3cr3t{password}S3cr3t"
    try:
        shown = parse_endpoints(f"http://user:{planted}@seq1")[0].redacted
    except UsageError as error:
        shown = str(error)
    assert "S3cr3t" not in shown
