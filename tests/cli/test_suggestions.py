"""Suggestions for words that other programs would understand."""

import re

import pytest

from seqsend.cli import suggestions
from seqsend.cli.suggestions import explain_option
from tests.support.cli import seqsend


@pytest.mark.parametrize(
    ("word", "message", "example"),
    [
        ("chek", "chek (did you mean check?)", "seqsend check --roll"),
        ("transaction", "transaction (did you mean send?)", "seqsend send 0x02… --roll"),
        ("health", "health (did you mean check?)", "seqsend check --roll"),
        ("help", "help (did you mean seqsend --help?)", "seqsend --help\n"),
        ("-", "- (did you mean seqsend send -?)", "seqsend send -\n"),
        (
            "http://u:secret@h:1/0123456789abcdef",
            "http://***@h:1/*** (an address goes after check or --rollup.sequencer-http)",
            "seqsend check URL\n",
        ),
        ("seq1:8545", "seq1:8545 (an address goes", "seqsend check URL\n"),
        (
            "0x02f8" + "5ec4e7" * 40,
            "0x… (a raw transaction goes after send)",
            "seqsend send RAWTX\n",
        ),
        # Perhaps a private key.
        ("5ec4e7ab" * 8, "0x… (32 bytes: ", "seqsend rpc eth_getTransactionReceipt HASH\n"),
        (
            "0x" + "5ec4e7ab" * 5,
            "0x… (to ask about an address",
            "seqsend rpc eth_getTransactionCount ADDRESS",
        ),
        (
            "eth_getTransactionReceipt",
            "eth_getTransactionReceipt (to call a method, use rpc)",
            "seqsend rpc eth_getTransactionReceipt\n",
        ),
        ("block-number", "block-number (did you mean seqsend", "seqsend rpc eth_blockNumber\n"),
        ("txs.jsonl", "txs.jsonl (a file goes after send --file)", "seqsend send --file PATH\n"),
        ("sk_live_secret0123456789", "***\n", "seqsend send 0x02… --roll"),
    ],
)
def test_a_wrong_command_gets_a_fitting_suggestion_without_secrets(
    word: str, message: str, example: str
) -> None:
    run = seqsend(word)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"error: No such command: {message}")
    assert f"example: {example}" in run.err
    assert "secret" not in run.err
    assert "5ec4e7" not in run.err


OPTIONS_OF_CHECK = ("--until-usable", "--watch", "--max-age", "--deadline", "--require", "--count")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--wait-for-ready", ["--until-usable"]),
        ("--wait", ["--until-usable"]),
        ("-wait", ["--until-usable"]),
        ("--max-block-age", ["--max-age"]),
        ("--max-time", ["--deadline"]),
        ("--follow", ["--watch"]),
        ("-n", ["--count"]),
        ("--any", ["--require"]),
        ("--rpc-url", []),  # a good guess, but not an option of this command
    ],
)
def test_options_are_suggested_by_their_meaning(typed: str, meant: list[str]) -> None:
    expected = f"did you mean {' or '.join(meant)}?" if meant else ""
    assert explain_option(typed, OPTIONS_OF_CHECK) == expected


def test_no_option_name_of_other_programs_is_one_of_ours() -> None:
    """Otherwise an option of ours would be replaced by another, or the entry never used."""
    commands = ((), ("send",), ("check",), ("rpc",), ("decode",))
    ours = {option for words in commands for option in _options_of(*words)}
    foreign = {name for names in suggestions._MEANT.values() for name in names}
    notes = {name for names in suggestions._NOT_HERE.values() for name in names}
    # An option of one command may be expected in another.
    assert (foreign | notes) & ours <= {"--wait", "--wait-for"}
    assert set(suggestions._COMMANDS) == {"send", "check", "rpc", "decode"}


def _options_of(*words: str) -> list[str]:
    return re.findall(r"(?m)^ +(?:-\w, )?(--[\w.-]+)", seqsend(*words, "--help").out)
