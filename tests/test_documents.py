"""The commands in README, the reference and the recipes do what the pages say."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.documents import ROOT, Block, blocks
from tests.support.machine import find_program
from tests.support.node import Anvil
from tests.support.servers import Relaying, dead
from tests.support.wallet import Signed, Wallet

RECIPES = blocks("examples/README.md")
README = blocks("README.md")
REFERENCE = blocks("examples/REFERENCE.md")

# The first lines of blocks that these tests do not run → the reason.
NOT_RUN = {
    "sh tests/bench/run.sh": "downloads its peers",
    "sh tests/pythons.sh": "runs all tests once per Python",
    "sh tests/run.sh": "runs this test",
    "pipx install .": "test_package.py does, into another directory",
    'pipx install "git+https://github.com/OWNER/seqsend"': "the reader fills in the address",
    # test_examples.py runs it with an address filled in.
    'pip install "seqsend @ git+https://github.com/OWNER/seqsend"': "needs the address",
    # test_examples.py verifies the units, and runs their command.
    "$ sudo apt-get install pipx prometheus-node-exporter": "sets up a service",
}


@dataclass
class Reader:
    """A reader who types the commands of a page, in a clone of the project."""

    directory: Path
    environment: Mapping[str, str]
    names: Mapping[str, str]
    """Text on the page → what replaces it here."""

    def types(self, commands: str) -> "subprocess.CompletedProcess[str]":
        """Run ``commands`` as a shell script that stops at the first failure."""
        # These set up an environment; in the project's directory it already exists.
        in_root = commands.startswith(("sh examples/quickstart.sh", "sh tests/"))
        for shown, here in self.names.items():
            commands = commands.replace(shown, here)
        return subprocess.run(
            ["sh", "-eu", "-c", commands],
            cwd=ROOT if in_root else self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader with two working sequencers and transactions that neither has seen."""
    directory = tmp_path_factory.mktemp("clone")
    (directory / "examples").symlink_to(ROOT / "examples")
    # Stands in for Foundry's cast: prints a transaction that is already signed.
    cast = directory / "cast"
    cast.write_text('#!/bin/sh\n[ "$1 $2" = "mktx --rpc-url" ] && printf "%s\\n" "$tx"\n')
    cast.chmod(0o755)
    wallet = Wallet(0)
    with Anvil() as node, Relaying(node.url) as other:
        signed = [wallet.sign(2, nonce=nonce) for nonce in range(4)]
        (directory / "transactions.txt").write_text("".join(f"{s.raw}\n" for s in signed[1:]))
        environment = {
            "PATH": f"{directory}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "KEY": "0x00",
            "TO": wallet.address,
            "SEQSEND_SEQUENCER_HTTP": f"{node.url},{other.url}",
            "tx": signed[0].raw,
            "hash": signed[0].hash,
            "TOKEN": "t0ken",
        }
        names = {"http://seq1:8545": node.url, "http://seq2:8545": other.url}
        yield Reader(directory, environment, names)


def _runs(page: list[Block]) -> list[Block]:
    kinds = ("sh", "indented", "console")
    return [b for b in page if b.kind in kinds and _first(b) not in NOT_RUN]


def _first(block: Block) -> str:
    return block.text.splitlines()[0]


def test_every_block_that_is_not_run_exists() -> None:
    assert set(NOT_RUN) <= {_first(block) for block in README + REFERENCE + RECIPES}


@pytest.mark.parametrize("block", _runs(RECIPES), ids=str)
def test_a_recipe_works(block: Block, reader: Reader) -> None:
    if "promtool" in block.text:
        find_program("promtool", "prometheus")
    done = reader.types(block.text)
    assert done.returncode == 0, done
    assert "t0ken" not in done.stdout + done.stderr


def test_the_recipes_write_every_hash_and_outcome(reader: Reader) -> None:
    """Run the recipes in one test, because tests may run in any order."""
    for title in ("seqsend send --file", "sh examples/submit.sh", "cat transactions.txt"):
        (block,) = [block for block in RECIPES if block.text.startswith(title)]
        assert reader.types(block.text).returncode == 0
    hashes = (reader.directory / "hashes.txt").read_text()
    assert len(hashes.splitlines()) == 3
    assert (reader.directory / "transactions.txt.hashes").read_text() == hashes
    outcomes = (reader.directory / "outcomes.jsonl").read_text()
    assert outcomes.count('"status":"known"') == 3


def _normalise(text: str, names: Mapping[str, str]) -> str:
    """Return ``text`` with placeholders for what differs from run to run."""
    for shown, here in names.items():
        text = text.replace(here, shown)
    text = re.sub(r"0x[0-9a-f]{64}", "0xHASH", text)
    return re.sub(r"\d+(\.\d+)? ms", "N ms", text)


def test_readme_shows_the_real_output_of_a_failover(reader: Reader, wallet: Wallet) -> None:
    (shown,) = [b for b in README if b.text.startswith('$ seqsend send "$tx"')]
    commands = "\n".join(line[2:] for line in shown.text.splitlines() if line.startswith("$ "))
    output = "".join(f"{line}\n" for line in shown.text.splitlines() if not line.startswith("$ "))
    signed: Signed = wallet.sign(2, nonce=0)
    with dead() as one, Anvil() as two:
        names = {"http://seq1:8545": one.url, "http://seq2:8545": two.url}
        at = {"SEQSEND_SEQUENCER_HTTP": f"{one.url},{two.url}", "tx": signed.raw}
        environment = {**reader.environment, **at}
        done = Reader(reader.directory, environment, names).types(f"exec 2>&1\n{commands}")
    assert done.returncode == 0
    assert _normalise(done.stdout, names) == _normalise(output, {})


def test_the_reference_shows_the_real_output_for_a_file(reader: Reader, wallet: Wallet) -> None:
    (shown,) = [b for b in REFERENCE if b.text.startswith("$ seqsend send --file")]
    with dead() as one, Anvil() as two:
        names = {"http://seq1:8545": one.url}
        environment = {**reader.environment, "SEQSEND_SEQUENCER_HTTP": f"{one.url},{two.url}"}
        done = Reader(reader.directory, environment, {}).types(shown.text.splitlines()[0][2:])
    first, last = shown.text.splitlines()[1:]
    said_first, said_last = done.stderr.splitlines()
    assert _normalise(said_first, names) == _normalise(first, {})
    shape = [re.sub(r"[\d.]+", "N", text) for text in (last, said_last)]
    assert set(re.findall("[a-z]+", shape[1])) <= set(re.findall("[a-z]+", shape[0]))
    assert said_last.startswith("3 transactions: 3 accepted; answered by endpoint 2: 3; 1 failover")


@pytest.mark.parametrize(
    "block",
    [
        b
        for b in _runs(README + REFERENCE)
        if b.kind != "console" or b.text.startswith("$ seqsend rpc")
    ],
    ids=str,
)
def test_the_commands_in_readme_and_reference_work(block: Block, reader: Reader) -> None:
    commands = re.sub(r"(?m)^\$ ", "", block.text)
    commands = commands.replace("--chain-id 10 ", "--chain-id 31337 ")
    done = reader.types(commands)
    assert done.returncode == 0, done


def test_the_python_in_readme_and_reference_works(
    reader: Reader, wallet: Wallet, tmp_path: Path
) -> None:
    raw = wallet.sign(2, nonce=0).raw
    code = "\n".join(
        [f"raws = ['{raw}']", *(b.text for b in README + REFERENCE if b.kind == "python")]
    )
    code = code.replace("0x02f8…", raw)
    for name in ("http://seq1:8545", "http://seq2:8545"):
        code = code.replace(name, reader.names[name])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (tmp_path / "seqsend.prom").exists()


def test_every_link_has_a_target() -> None:
    for page in ("README.md", "examples/README.md", "examples/REFERENCE.md", "CHANGELOG.md"):
        text = (ROOT / page).read_text()
        for name, anchor in re.findall(r"\]\(([^)#]*)(?:#([\w-]+))?\)", text):
            if name.startswith("https://"):
                continue
            target = ((ROOT / page).parent / name) if name else ROOT / page
            assert target.exists(), target
            assert not anchor or anchor in _anchors(target.read_text()), anchor


def _anchors(text: str) -> set[str]:
    """Return the anchors that GitHub generates for the headings of a page."""
    titles = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_no_tracked_file_names_a_directory_of_this_machine() -> None:
    done = subprocess.run(
        ["git", "grep", "-nIE", "/home/[a-z]|/work/|/root/"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done  # this file names them
    assert [line for line in done.stdout.splitlines() if "test_documents.py" not in line] == []


def _luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, two: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(two)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("name", ["failover", "check"])
def test_a_picture_is_legible_in_light_and_dark_mode(name: str) -> None:
    svg = (ROOT / "examples" / f"{name}.svg").read_text()
    dark, light = svg.split("</style>")[0].split("@media (prefers-color-scheme: light)")
    colour = "fill: (#[0-9a-f]{6})"
    text = rf"-r\d+ {{ {colour}"
    backgrounds = (
        *re.findall('<rect fill="(#[0-9a-f]{6})"', svg),
        *re.findall(rf"> rect {{ {colour}", light),
    )
    assert len(backgrounds) == 2
    for background, styles in zip(backgrounds, (dark, light), strict=True):
        found = re.findall(text, styles)
        assert len(found) >= 4
        assert min(_contrast(each, background) for each in found) >= 4.5
    (width,) = re.findall(r'viewBox="0 0 (\d+)', svg)
    assert 20 * 900 / int(width) >= 13  # height of its letters, in pixels, in a column of 900
