"""`seqsend decode`, as a user runs it: no endpoint, no network."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.support.cli import SCHEMA, seqsend
from tests.support.wallet import Wallet

DECODED = json.loads((Path(__file__).parents[1] / "decoded.schema.json").read_text())
WALLET = Wallet(0)
SIGNED = [WALLET.sign(kind, nonce=7, value=15 * 10**17) for kind in (0, 1, 2, 3, 4)]


def test_a_transaction_is_shown_in_aligned_lines_with_units_and_checksums() -> None:
    shown = seqsend("decode", SIGNED[2].raw)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines() == [
        f"hash            {SIGNED[2].hash}",
        "type            2 (EIP-1559)",
        "chain id        31337",
        f"sender          {WALLET.address}",
        "nonce           7",
        f"to              {WALLET.address}",
        "value           1500000000000000000 wei (1.5 ether)",
        "gas limit       21000",
        "max fee         100000000000 wei (100 gwei)",
        "priority fee    1000000000 wei (1 gwei)",
        "data            none",
        "access list     0 addresses",
        "size            120 bytes",
    ]


def test_json_is_one_object_per_transaction() -> None:
    shown = seqsend("decode", "--json", *(signed.raw for signed in SIGNED), "0x7bc0")
    found = [json.loads(line) for line in shown.out.splitlines()]
    for each in found:
        jsonschema.validate(each, DECODED)
    assert [each["hash"] for each in found[:-1]] == [signed.hash for signed in SIGNED]
    assert [each["type"] for each in found] == [0, 1, 2, 3, 4, 0x7B]
    assert {each["sender"] for each in found[:-1]} == {WALLET.address}
    assert [each["line"] for each in found] == [1, 2, 3, 4, 5, 6]
    assert (shown.code, shown.err) == (0, "")


def test_a_single_transaction_has_no_line_number() -> None:
    found = json.loads(seqsend("decode", "--json", SIGNED[4].raw).out)
    jsonschema.validate(found, DECODED)
    assert "line" not in found


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_reads_files_and_stdin_as_send_does(source: str, tmp_path: Path) -> None:
    text = f"# two\n{SIGNED[0].raw}\n\nzz\n{SIGNED[1].raw}\n"
    (tmp_path / "transactions.txt").write_text(text)
    words = ["--file", str(tmp_path / "transactions.txt")] if source == "file" else ["-"]
    shown = seqsend("decode", *words, stdin=text)
    assert shown.code == 2
    assert shown.err.startswith("error: line 4: raw transaction is not hex")
    blocks = shown.out.split("\n\n")
    assert [block.splitlines()[0].split() for block in blocks] == [["line", "2"], ["line", "5"]]
    as_json = seqsend("decode", *words, "--json", stdin=text)
    first, second, third = [json.loads(line) for line in as_json.out.splitlines()]
    jsonschema.validate(second, SCHEMA)
    assert (second["status"], second["line"], as_json.code) == ("usage", 4, 2)
    assert (first["line"], third["line"]) == (2, 5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no transaction given"),
        (["zz"], "is not hex"),
        (["-"], "the input holds no transaction"),
        (["--file", "/nowhere"], "no such file"),
        (["-", SIGNED[0].raw], "must be the only argument"),
    ],
)
def test_a_missing_or_invalid_transaction_is_a_usage_error(words: list[str], message: str) -> None:
    shown = seqsend("decode", *words)
    assert (shown.code, shown.out) == (2, "")
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert message in seqsend("decode", "--json", *words).document["error"]["message"]


def test_needs_no_endpoint_and_ignores_a_given_one() -> None:
    nobody = "--rollup.sequencer-http=http://seq.invalid:8545"
    assert seqsend("decode", SIGNED[0].raw, nobody).code == 0
    assert "--rollup.sequencer-http" not in seqsend("decode", "--help").out
