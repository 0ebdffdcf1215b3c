"""What README, the reference and the recipes tell a reader to type does what they say."""

import os
import re
import shutil
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

# Why a block is not run by itself.
NOT_RUN = {
    "sh tests/bench/run.sh": "it gets its peers from the network",
    "sh tests/pythons.sh": "it runs all tests again, as often as there are Pythons",
    "sh tests/run.sh": "it is what runs this test",
    "pipx install .": "test_package.py does, into another place",
    'pipx install "git+https://github.com/OWNER/seqsend"': "the reader fills in the address",
    # test_examples.py does, with an address that it fills in.
    'pip install "seqsend @ git+https://github.com/OWNER/seqsend"': "the reader fills it in",
    # test_examples.py judges the units, and runs what they start.
    "$ sudo apt-get install pipx prometheus-node-exporter": "it sets up a service",
}


@dataclass
class Reader:
    """Somebody who types what stands there, in a clone of the project."""

    directory: Path
    environment: Mapping[str, str]
    names: Mapping[str, str]
    """What stands on the page → what it is here."""

    def types(self, commands: str) -> "subprocess.CompletedProcess[str]":
        """Run ``commands`` as a shell script that ends at the first that fails."""
        # What sets up its own environment does so in the project's directory, where it is set up.
        own = commands.startswith(("sh examples/quickstart.sh", "sh tests/"))
        for shown, here in self.names.items():
            commands = commands.replace(shown, here)
        return subprocess.run(
            ["sh", "-eu", "-c", commands],
            cwd=ROOT if own else self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader whose sequencers all work, with transactions that no node has seen."""
    directory = tmp_path_factory.mktemp("clone")
    (directory / "examples").symlink_to(ROOT / "examples")
    # A wallet that has signed already, in place of Foundry's.
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


def test_nothing_is_left_out_that_is_not_there() -> None:
    assert set(NOT_RUN) <= {_first(block) for block in README + REFERENCE + RECIPES}


@pytest.mark.parametrize("block", _runs(RECIPES), ids=str)
def test_a_recipe_works(block: Block, reader: Reader) -> None:
    if "promtool" in block.text:
        find_program("promtool", "prometheus")
    done = reader.types(block.text)
    assert done.returncode == 0, done
    assert "t0ken" not in done.stdout + done.stderr


def test_after_the_recipes_everything_is_there(reader: Reader) -> None:
    """In one go, as the order of tests is not to matter."""
    for title in ("seqsend send --file", "sh examples/submit.sh", "cat transactions.txt"):
        (block,) = [block for block in RECIPES if block.text.startswith(title)]
        assert reader.types(block.text).returncode == 0
    told = (reader.directory / "hashes.txt").read_text()
    assert len(told.splitlines()) == 3
    assert (reader.directory / "transactions.txt.hashes").read_text() == told
    outcomes = (reader.directory / "outcomes.jsonl").read_text()
    assert outcomes.count('"status":"known"') == 3


def _normal(text: str, names: Mapping[str, str]) -> str:
    """Return what a program wrote, without what is another each time."""
    for shown, here in names.items():
        text = text.replace(here, shown)
    text = re.sub(r"0x[0-9a-f]{64}", "0xHASH", text)
    return re.sub(r"\d+(\.\d+)? ms", "N ms", text)


def test_the_failover_is_as_shown(reader: Reader, wallet: Wallet) -> None:
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
    assert _normal(done.stdout, names) == _normal(output, {})


def test_many_are_told_of_as_shown(reader: Reader, wallet: Wallet) -> None:
    (shown,) = [b for b in REFERENCE if b.text.startswith("$ seqsend send --file")]
    with dead() as one, Anvil() as two:
        names = {"http://seq1:8545": one.url}
        environment = {**reader.environment, "SEQSEND_SEQUENCER_HTTP": f"{one.url},{two.url}"}
        done = Reader(reader.directory, environment, {}).types(shown.text.splitlines()[0][2:])
    first, last = shown.text.splitlines()[1:]
    said_first, said_last = done.stderr.splitlines()
    assert _normal(said_first, names) == _normal(first, {})
    shape = [re.sub(r"[\d.]+", "N", text) for text in (last, said_last)]
    assert set(re.findall("[a-z]+", shape[1])) <= set(re.findall("[a-z]+", shape[0]))


@pytest.mark.parametrize(
    "block",
    [
        b
        for b in _runs(README + REFERENCE)
        if b.kind != "console" or b.text.startswith("$ seqsend rpc")
    ],
    ids=str,
)
def test_what_readme_and_reference_say_to_type_works(block: Block, reader: Reader) -> None:
    commands = re.sub(r"(?m)^\$ ", "", block.text)
    commands = commands.replace("--chain-id 10 ", "--chain-id 31337 ")
    done = reader.types(commands)
    assert done.returncode == 0, done


def test_python_works_as_shown(reader: Reader, wallet: Wallet, tmp_path: Path) -> None:
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


def test_every_link_leads_somewhere() -> None:
    for page in ("README.md", "examples/README.md", "examples/REFERENCE.md", "CHANGELOG.md"):
        text = (ROOT / page).read_text()
        for name, anchor in re.findall(r"\]\(([^)#]*)(?:#([\w-]+))?\)", text):
            if name.startswith("https://"):
                continue
            target = ((ROOT / page).parent / name) if name else ROOT / page
            assert target.exists(), target
            assert not anchor or anchor in _anchors(target.read_text()), anchor


def _anchors(text: str) -> set[str]:
    """Return the anchors that a forge makes of a page's titles."""
    titles = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_no_page_names_this_machine() -> None:
    assert shutil.which("git")
    done = subprocess.run(
        ["git", "grep", "-nIE", "/home/[a-z]|/work/|/root/"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
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
def test_a_picture_can_be_read_in_light_and_dark(name: str) -> None:
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
    assert 20 * 900 / int(width) >= 13  # pixels of its letters in a column of 900
