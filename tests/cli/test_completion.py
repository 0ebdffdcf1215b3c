"""Completion, in real shells."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seqsend.cli.completion import FILES
from tests.support.cli import seqsend
from tests.support.machine import find_program
from tests.support.shells import Shell

SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], 'eval "$(seqsend --show-completion bash)"'),
    "zsh": (
        ["-f", "-i"],
        'autoload -Uz compinit; compinit -u -D; eval "$(seqsend --show-completion zsh)"',
    ),
    "fish": (["--no-config", "-i"], "seqsend --show-completion fish | source"),
}
# Text typed before Tab → the line afterwards.
TYPED = {
    "seqsend che": "seqsend check ",
    "seqsend --rollup.sequencer-he": "seqsend --rollup.sequencer-headers ",
    "seqsend send --metr": "seqsend send --metrics-file ",
    "seqsend --rollup.sequencerhttp http://seq1:8545 check --max-l": "8545 check --max-lag ",
    "seqsend rpc --retry-u": "seqsend rpc --retry-unsafe ",
    "seqsend rpc --rollup.sequencer-d": "seqsend rpc --rollup.sequencer-dial-timeout ",
    "seqsend rpc -q eth_getTransactionC": "seqsend rpc -q eth_getTransactionCount ",
    "seqsend send --wait-for fin": "seqsend send --wait-for finalized ",
    "seqsend send --wait-for=pre": "seqsend send --wait-for=preconfirmed ",
    "seqsend send --file only-f": "seqsend send --file only-file.txt ",
    "seqsend check --cacert=only-f": "seqsend check --cacert=only-file.txt ",
    "seqsend check --state-file ./only-f": "seqsend check --state-file ./only-file.txt ",
    "A=1 seqsend check --max-l": "A=1 seqsend check --max-lag ",
    "true; seqsend check --max-l": "true; seqsend check --max-lag ",
    'seqsend check --chain-id "1 0" --max-l': '--chain-id "1 0" --max-lag ',
    # No file names if the value is not a file.
    "seqsend check --chain-id only-f": "seqsend check --chain-id only-fZ",
    "seqsend check --chain-id=only-f": "seqsend check --chain-id=only-fZ",
    "seqsend send --deadline only-f": "seqsend send --deadline only-fZ",
    "seqsend send only-f": "seqsend send only-fZ",
    "seqsend rpc only-f": "seqsend rpc only-fZ",
    "seqsend only-f": "seqsend only-fZ",
}
# Text typed before two Tabs → what each shell lists.
LISTED = {
    "seqsend ": {
        "bash": ["decode", "rpc"],
        "zsh": ["Make one JSON-RPC call"],
        "fish": ["Make one"],
    },
    "seqsend check --rollup.sequencer-h": {
        "bash": ["--rollup.sequencer-headers", "--rollup.sequencer-http"],
        "zsh": ["The sequencer's addresses", "Header for every endpoint"],
        "fish": ["The sequencer's addresses"],
    },
    "seqsend send --wait-for ": {name: ["preconfirmed", "safe", "finalized"] for name in SHELLS},
}


@contextmanager
def _shell(name: str, directory: Path) -> Iterator[Shell]:
    """Return a shell in ``directory`` that has loaded the completion script."""
    program = find_program(name, name)
    words, set_up = SHELLS[name]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(directory), "TERM": "xterm", "LANG": "C.UTF-8"}
    with Shell([program, *words], environment) as shell:
        # In two parts, because the screen also shows what is typed.
        shell.type(f"cd {directory}; {set_up}; echo rea''dy\n")
        shell.wait_for("ready")
        yield shell


@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_completes_commands_options_and_values_but_not_every_file(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "only-file.txt").touch()
    with _shell(name, tmp_path) as shell:
        for text, line in TYPED.items():
            # Once the shell has handled the tab, the Z shows where the cursor is.
            shell.type(f"{text}\tZ")
            shell.wait_for(line if line.endswith("Z") else f"{line}Z")
            shell.type("\x15")  # Ctrl-U: clear the line
    files = (".bashrc", ".zshrc", ".config/fish/completions/seqsend.fish")
    assert not [file for file in files if (tmp_path / file).exists()]


@pytest.mark.parametrize("text", LISTED)
@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_lists_candidates_with_descriptions_if_it_can(
    name: str, text: str, tmp_path: Path
) -> None:
    with _shell(name, tmp_path) as shell:
        shell.type(f"{text}\t\t")
        for part in LISTED[text][name]:
            shell.wait_for(part)


def _complete(*words: str, shell: str = "bash") -> list[str]:
    run = seqsend(*words, environment={"_SEQSEND_COMPLETE": shell})
    assert (run.code, run.err) == (0, "")
    return run.out.split("\n")[:-1]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["send", "--wait", "--wait-"], ["--wait-for", "--wait-timeout"]),
        (["send", "--client-key", "--wait-for", "s"], [""]),  # a value, whatever it looks like
        (["send", "--", "--wait-"], [""]),
        (["check", "--strict-errors", "--no-s"], ["--no-strict-errors"]),
        (["decode", "--dead"], [""]),  # accepted there, but without effect
        (["decode", "-"], ["--file", "--json", "--quiet", "--verbose", "--help"]),
        (["--show-completion", ""], ["bash", "zsh", "fish"]),
        (["--state-file", ""], [FILES]),
        (["rpc", "eth_chainId", "eth_c"], [""]),
        (["nonsense", ""], [""]),
        ([], ["send", "check", "decode", "rpc"]),
    ],
)
def test_candidates_depend_on_the_words_before_the_cursor(
    words: list[str], found: list[str]
) -> None:
    assert _complete(*words) == found


def test_only_options_that_take_a_file_offer_files() -> None:
    offering = {
        f"{command} {option}"
        for command in ("send", "check", "rpc", "decode")
        for option in _complete(command, "--")
        if _complete(command, f"{option}=") == [FILES]
    }
    shared = ("--cacert", "--client-cert", "--client-key", "--state-file", "--metrics-file")
    assert offering == {
        *(f"{command} {option}" for command in ("send", "check", "rpc") for option in shared),
        *("send --file", "decode --file"),
    }


def test_an_unknown_shell_is_refused() -> None:
    run = seqsend("--show-completion", "ksh")
    assert run.code == 2
    assert "'ksh' is not one of bash, zsh, fish" in run.err
    run = seqsend("send", environment={"_SEQSEND_COMPLETE": "ksh"})
    assert (run.code, run.out) == (2, "")
