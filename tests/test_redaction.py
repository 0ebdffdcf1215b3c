"""Secrets are removed from what is shown."""

import json
import string
import time
import tracemalloc
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend.redaction import (
    LONGEST_SCRUBBED,
    escape,
    redact_url,
    redact_words,
    scrub,
    scrub_json,
    secrets_in_header,
    secrets_in_url,
)

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
        # Secrets in a URL that no parser accepts are redacted, too.
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
def test_redacts_the_secrets_in_a_url(url: str, shown: str) -> None:
    assert redact_url(url) == shown


_PLAIN = st.text(string.ascii_letters + string.digits, min_size=6, max_size=30)


@given(user=_PLAIN, password=_PLAIN, query=_PLAIN, fragment=_PLAIN, long=_PLAIN)
def test_no_planted_secret_in_a_url_is_shown(
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
def test_escapes_characters_that_change_a_terminal(character: str) -> None:
    assert escape(f"a{character}b") == f"a\\u{ord(character):04x}b"


def test_escaping_a_long_text_needs_little_memory() -> None:
    """Escaped all at once, each of a million characters would be an object."""
    text = "\x01a" * 500_000
    tracemalloc.start()
    try:
        escaped = escape(text)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert escaped == "\\u0001a" * 500_000
    assert most < 6 * len(escaped)


def test_escapes_invisible_tags_as_json_does() -> None:
    assert escape("a\U000e0041") == "a\\udb40\\udc41"


def test_leaves_other_scripts_and_markup_alone() -> None:
    assert escape("Grüße, 你好 🚀 [bold]") == "Grüße, 你好 🚀 [bold]"


def test_scrubs_the_longest_secret_first_in_every_string_of_a_json_value() -> None:
    value = {"token-12345": ["see token-12345 and token", 1, None], "n": {"deep": "token"}}
    assert scrub_json(value, {"token", "token-12345"}) == {
        "***": ["see *** and ***", 1, None],
        "n": {"deep": "***"},
    }


def test_does_not_scrub_secrets_as_short_as_words() -> None:
    assert scrub("a cat sat", {"a", "cat"}) == "a cat sat"


def test_redacts_the_words_of_a_command_line_but_not_option_names() -> None:
    quoted = f"No such option: --rollup.sequencer-request-timeoutt ('http://a:b@c' {'ab' * 32})"
    assert (
        redact_words(quoted)
        == "No such option: --rollup.sequencer-request-timeoutt ('http://***@c' ***)"
    )
    assert redact_words("No such option: --key=secret") == "No such option: --key=***"


FLAGS = ("--rollup.sequencer-http", "--rollup.sequencer", "--rollup.sequencer-headers", "--cacert")


@pytest.mark.parametrize(
    ("argument", "quoted", "shown"),
    [
        ("--rollup.sequencer-httphttp://user:s3cret@host", "{}", "--rollup.sequencer-http***"),
        ("--rollup.sequencer-headersAuthorization=s3cret", "{}", "--rollup.sequencer-headers***"),
        # The message quotes it up to the equals sign.
        ("--rollup.sequencer-headersX-s3cret=x", "{0:.34}", "--rollup.sequencer-headers***"),
        ("--rollup.sequencer-http://u:s3cret@h?k=v", "{0:.42}", "--rollup.sequencer-http***"),
        ("--rollup.sequencer-headersA=Basic s3cret", "{}", "--rollup.sequencer-headers***"),
        ("--sequencer-url=http://u:s3cret@h", "{}", "--sequencer-url=***"),
        ("--key:s3cret", "{}", "--key***"),
        ("--cacert/s3cret", "{}", "--cacert***"),
        ("https://h/s3cretk3ys3cretk3y", "({})", "(https://h/***)"),
        ("Bearer s3cret", "{}", "***"),
        ("Bearer\ns3cret", "'Bearer\\ns3cret'", "'***'"),
        # Option names are shown as typed.
        ("--rollup.sequencer-headerss", "{}", "--rollup.sequencer-headerss"),
        ("--rollup.sequencer-retries", "{}", "--rollup.sequencer-retries"),
        ("--rollup.sequencer-http=x", "{0:.23}", "--rollup.sequencer-http"),
        ("--rpc-url", "{}", "--rpc-url"),
        ("-1", "{}", "-1"),
        ("sned", "'{}'", "'sned'"),
        (" ", "a {} b", "a   b"),
        ("", "{}", ""),
    ],
)
def test_redacts_an_argument_that_a_message_quotes(argument: str, quoted: str, shown: str) -> None:
    message = f"No such option: {quoted.format(argument)}"
    assert redact_words(message, ["send", argument], FLAGS) == f"No such option: {shown}"


WRITTEN: dict[str, Callable[[str], str]] = {
    "as given": str,
    "percent-encoded": lambda text: quote(text, safe=""),
    "as a path": quote,
    "as a form": quote_plus,
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "every character percent-encoded": lambda text: "".join(f"%{b:02X}" for b in text.encode()),
    "percent-decoded": unquote,
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64 without padding": lambda text: b64encode(text.encode()).decode().rstrip("="),
    "base64 for URLs": lambda text: urlsafe_b64encode(text.encode()).decode(),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON with escaped slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
}
CASED: dict[str, Callable[[str], str]] = {
    "": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "swapped case": str.swapcase,
}

# Characters that HTTP allows in a value; marked, so that no part occurs in the text around it.
_SECRET = st.text(string.ascii_letters + string.digits + "-._~!$'()*:@/+%<>&\"\\", min_size=2).map(
    lambda text: f"Zq7{text}7qZ"
)
_WORD = _SECRET.map(lambda text: text.replace("&", "+"))


def _in_userinfo(secret: str) -> tuple[frozenset[str], list[str]]:
    sent = quote(secret, safe="")
    return secrets_in_url(f"https://user-name:{sent}@h/"), [secret, f"user-name:{secret}", sent]


def _in_query(secret: str) -> tuple[frozenset[str], list[str]]:
    sent = quote(secret, safe="")
    return secrets_in_url(f"https://h/rpc?a=1&key={sent}&b=2"), [secret, sent]


def _alone_in_query(secret: str) -> tuple[frozenset[str], list[str]]:
    sent = quote(secret, safe="")
    return secrets_in_url(f"https://h/rpc?a=1&{sent}"), [secret, sent]


def _in_path(secret: str) -> tuple[frozenset[str], list[str]]:
    key = (secret.encode().hex() * 3)[:20]
    return secrets_in_url(f"https://h/v3/{key}"), [key]


def _in_header(secret: str) -> tuple[frozenset[str], list[str]]:
    return secrets_in_header("X-Api-Key", secret), [secret]


def _in_words(secret: str) -> tuple[frozenset[str], list[str]]:
    found = secrets_in_header("Authorization", f"Bearer {secret}")
    return found, [secret, f"Bearer {secret}"]


def _in_own_words(secret: str) -> tuple[frozenset[str], list[str]]:
    found = secrets_in_header("X-Two", f"{secret} {secret[::-1]}")
    return found, [secret, secret[::-1], f"{secret} {secret[::-1]}"]


def _in_basic(secret: str) -> tuple[frozenset[str], list[str]]:
    coded = b64encode(f"user-name:{secret}".encode()).decode()
    found = secrets_in_header("authorization", f"Basic {coded}")
    return found, [secret, f"user-name:{secret}", coded, f"Basic {coded}"]


PLACES = (
    _in_userinfo,
    _in_query,
    _alone_in_query,
    _in_path,
    _in_header,
    _in_words,
    _in_own_words,
    _in_basic,
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place.__name__))
@given(secret=_WORD, written=st.sampled_from(sorted(WRITTEN)), cased=st.sampled_from(sorted(CASED)))
def test_a_secret_that_a_server_quotes_is_scrubbed(
    place: Callable[[str], tuple[frozenset[str], list[str]]], secret: str, written: str, cased: str
) -> None:
    secrets, quoted = place(secret)
    for each in quoted:
        said = CASED[cased](WRITTEN[written](each))
        assert scrub(f"401 - {said} - ?", secrets).replace("=", "") == "401 - *** - ?"


@given(secret=_SECRET, before=st.integers(0, 40))
def test_a_long_text_is_cut_without_showing_part_of_a_secret(secret: str, before: int) -> None:
    text = "-" * (LONGEST_SCRUBBED - before) + quote(secret, safe="") + "-" * 9_000_000
    shown = scrub(text, [secret])
    assert len(shown) <= LONGEST_SCRUBBED + 4
    assert shown.strip("-*…") == ""


def test_scrubbing_a_long_text_takes_little_time() -> None:
    text = "a text without end, 100% of it " * 330_000
    secrets = [f"{word * 4}-{n}" for n, word in enumerate(["one", "two", "three"] * 5)]
    scrub(text[:9], secrets)  # compiles the patterns
    started = time.process_time()
    scrub(text, secrets)
    assert time.process_time() - started < 0.5


def test_overlapping_secrets_are_scrubbed_as_one() -> None:
    assert scrub("see abcdefghij now", ["abcdef", "defghij"]) == "see *** now"
    assert scrub("see abcdefghij now", ["abcdefghij", "defg"]) == "see *** now"
    assert scrub("see abcdabcd now", ["abcd"]) == "see *** now"
    assert scrub("abcdef abcdefgh", ["abcdefgh", "abcdef"]) == "*** ***"


@given(st.text(), st.lists(st.text(), max_size=4))
def test_any_text_can_be_scrubbed_of_any_secrets(text: str, secrets: list[str]) -> None:
    shown = scrub(f"{text}{''.join(secrets)}", secrets)
    assert not [secret for secret in secrets if len(secret) > 3 and secret in shown]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=4))
def test_a_secret_in_any_script_is_scrubbed_in_any_case(secret: str) -> None:
    for said in (secret, secret.upper(), secret.lower(), quote(secret), quote(secret).lower()):
        assert scrub(f"({said})", [secret]).startswith("(***")


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("X-Key", "abc", {"abc"}),
        ("Authorization", "Bearer abc", {"Bearer abc", "abc"}),
        ("X-Auth", "token abc", {"token abc", "abc"}),
        ("X-Two", "one two", {"one two", "one", "two"}),
        ("Authorization", "abc", {"abc"}),
        ("Cookie", 'a="b"; c=d', {'a="b"; c=d', 'a="b"', "b", "c=d", "d"}),
        ("Authorization", "Basic dTpwOnc=", {"Basic dTpwOnc=", "dTpwOnc=", "u", "p:w", "u:p:w"}),
        ("Authorization", "Basic dTpwOnc", {"Basic dTpwOnc", "dTpwOnc", "u", "p:w", "u:p:w"}),
        ("Authorization", "Basic ????", {"Basic ????", "????", ":"}),
        ("X-Empty", "", set()),
    ],
)
def test_finds_the_secrets_in_a_header(name: str, value: str, found: set[str]) -> None:
    assert secrets_in_header(name, value) - {"="} == found
