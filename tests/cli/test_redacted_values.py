"""Text typed into the wrong place is quoted without its secret."""

import os

import pytest

from seqsend.cli.options import parse_option
from seqsend.cli.shared_options import OPTIONS, Option
from seqsend.errors import UsageError
from seqsend.redaction import redact_value
from tests.support.cli import seqsend

SECRET = "Sesame-op3n-now"
TYPED = (
    f"http://u:{SECRET}@host",
    f"https://host/{SECRET}-1234",
    f"u:{SECRET}@host",
    f"Bearer {SECRET}",
    f"basic {SECRET}",
)


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize(
    "option", [o for o in OPTIONS if o.kind != "flag"], ids=lambda option: option.field
)
def test_no_shared_option_quotes_a_secret(option: Option, typed: str) -> None:
    message = ""
    try:
        parse_option(option.name, typed, option.parse, None)
    except UsageError as error:
        message = str(error)
    assert SECRET not in message


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize(
    "words",
    [
        ("send", "0x02", "--chain-id"),
        ("send", "0x02", "--wait-for"),
        ("send", "0x02", "--batch-size"),
        ("send", "0x02", "--conditional"),
        ("send", "--file"),
        ("check", "--count"),
        ("check", "--watch"),
        ("rpc", "m", "--cacert"),
        ("rpc", "m", "--client-cert"),
        ("rpc", "m", "--state-file"),
        ("rpc", "m", "--rollup.sequencer-http"),
    ],
)
def test_no_command_quotes_a_secret(words: tuple[str, ...], typed: str) -> None:
    value = f"@{typed}" if words[-1] == "--conditional" else typed
    environment = dict(os.environ) | {"SEQSEND_SEQUENCER_HTTP": "https://127.0.0.1:1"}
    run = seqsend(*words, value, "--deadline=500ms", environment=environment)
    assert run.code in (2, 4)
    assert SECRET not in run.out + run.err


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("typed", [*TYPED, f"socks5://u:{SECRET}@host"])
def test_no_proxy_variable_is_quoted_with_a_secret(variable: str, typed: str) -> None:
    environment = dict(os.environ) | {variable: typed}
    words = ("rpc", "m", "--rollup.sequencer-http=http://seq.invalid", "--deadline=500ms")
    run = seqsend(*words, environment=environment)
    assert SECRET not in run.out + run.err


@pytest.mark.parametrize(
    "text", ["5 parsecs", "1m 30", "/etc/seqsend/a-very-long-directory-name/ca.pem", "", "@x", "٣"]
)
def test_text_without_a_secret_is_quoted_unchanged(text: str) -> None:
    assert redact_value(text) == text
