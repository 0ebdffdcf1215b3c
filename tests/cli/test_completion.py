"""Completion, in the shells that people type into."""

import os
import sys
from pathlib import Path

import pytest

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
TYPED = {
    "seqsend che\t": "seqsend check",
    "seqsend --rollup.sequencer-he\t": "seqsend --rollup.sequencer-headers",
    "seqsend send --metr\t": "seqsend send --metrics-file",
    "seqsend --rollup.sequencerhttp http://seq1:8545 check --max-l\t": "8545 check --max-lag",
    "seqsend rpc --retry-u\t": "seqsend rpc --retry-unsafe",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_completes_commands_and_dotted_options(shell: str, tmp_path: Path) -> None:
    program = find_program(shell, shell)
    words, set_up = SHELLS[shell]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(tmp_path), "TERM": "xterm", "LANG": "C.UTF-8"}
    with Shell([program, *words], environment) as typed:
        # In two parts, for the screen shows what is typed as well.
        typed.type(f"{set_up}; echo rea''dy\n")
        typed.wait_for("ready")
        for text, line in TYPED.items():
            typed.type(text)
            typed.wait_for(line)
            typed.type("\x15")  # Ctrl-U: begin anew
    assert not [p for p in tmp_path.iterdir() if p.name in (".bashrc", ".zshrc", ".config/fish")]


def test_an_unknown_shell_is_refused() -> None:
    run = seqsend("--show-completion", "ksh")
    assert run.code == 2
    assert "'ksh' is not one of bash, zsh, fish" in run.err
