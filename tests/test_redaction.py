"""What may be shown."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend.redaction import escape, redact_url, redact_words, scrub, scrub_json, secrets_in_url

KEY = "a1B2c3D4e5F6g7H8"  # 16 characters: the shortest that counts


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://seq1:8545", "http://seq1:8545"),
        ("https://user:pass@seq1/rpc", "https://***@seq1/rpc"),
        ("https://user@seq1", "https://***@seq1"),
        (f"https://seq1/v3/{KEY}", "https://seq1/v3/***"),
        (f"https://seq1/v3/{KEY[:-1]}", f"https://seq1/v3/{KEY[:-1]}"),
        (f"https://seq1/v3/x.{KEY}/end", "https://seq1/v3/***/end"),
        ("https://seq1/rpc?key=abc", "https://seq1/rpc?***"),
        ("https://seq1/rpc#abc", "https://seq1/rpc#***"),
        # What no parser takes is not shown either.
        ("http//user:pass@seq1", "***@seq1"),
        ("user:pass@seq1:8545", "***@seq1:8545"),
        ("http://user:pa?ss@seq1", "http://***"),
        ("http://user:pa/ss@seq1/x", "http://***@seq1/x"),
        ("http://seq1/\x1b[31m", "http://seq1/\\u001b[31m"),
        ("", ""),
        (f"{KEY}://seq1", "***://seq1"),
        ("user@seq1://x", "***://x"),
    ],
)
def test_redacts_what_is_secret_in_a_url(url: str, shown: str) -> None:
    assert redact_url(url) == shown


_PLAIN = st.text(string.ascii_letters + string.digits, min_size=6, max_size=30)


@given(user=_PLAIN, password=_PLAIN, query=_PLAIN, fragment=_PLAIN, long=_PLAIN)
def test_no_planted_secret_is_let_through(
    user: str, password: str, query: str, fragment: str, long: str
) -> None:
    key = (long * 3)[:18]
    secrets = [f"s1{user}", f"s2{password}", f"s3{query}", f"s4{fragment}", key]
    url = f"https://{secrets[0]}:{secrets[1]}@h.example/v1/{key}?k={secrets[2]}#{secrets[3]}"
    shown = redact_url(url)
    assert shown == "https://***@h.example/v1/***?***"
    echoed = scrub(f"could not reach {url} as {secrets}", secrets_in_url(url))
    assert not [secret for secret in secrets if secret in echoed]


@given(st.text())
def test_any_text_can_be_redacted_and_is_then_harmless(text: str) -> None:
    shown = redact_url(text)
    assert shown == escape(shown)


@given(st.text())
def test_escaped_text_is_one_printable_line_and_means_the_same_in_json(text: str) -> None:
    escaped = escape(text)
    assert "\n" not in escaped
    assert "\x1b" not in escaped
    escaped.encode()  # no lone surrogate is left
    assert json.loads(escape(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize("character", ["\x1b", "\x9b", "\n", "\x7f", "\u202e", "\u2066", "\ud800"])
def test_escapes_what_changes_a_terminal(character: str) -> None:
    assert escape(f"a{character}b") == f"a\\u{ord(character):04x}b"


def test_escapes_invisible_tags_as_json_does() -> None:
    assert escape("a\U000e0041") == "a\\udb40\\udc41"


def test_leaves_other_writing_alone() -> None:
    assert escape("Grüße, 你好 🚀 [bold]") == "Grüße, 你好 🚀 [bold]"


def test_scrubs_the_longest_secret_first_and_in_every_string_of_a_json_value() -> None:
    value = {"token-12345": ["see token-12345 and token", 1, None], "n": {"deep": "token"}}
    assert scrub_json(value, {"token", "token-12345"}) == {
        "***": ["see *** and ***", 1, None],
        "n": {"deep": "***"},
    }


def test_leaves_secrets_alone_that_would_blot_out_words() -> None:
    assert scrub("a cat sat", {"a", "cat"}) == "a cat sat"


def test_redacts_the_words_of_a_command_line_but_not_option_names() -> None:
    quoted = f"No such option: --rollup.sequencer-request-timeoutt ('http://a:b@c' {'ab' * 32})"
    assert (
        redact_words(quoted)
        == "No such option: --rollup.sequencer-request-timeoutt ('http://***@c' ***)"
    )
    assert redact_words("No such option: --key=secret") == "No such option: --key=***"
