"""Completion of commands and options in bash, zsh and fish, by typer.

The script is printed and not installed: what a shell reads when it starts is its user's to change.
"""

import typer

# typer says nowhere which of its names are public; the version is bounded, and a test uses them.
from typer.completion import completion_init, get_completion_script  # type: ignore[attr-defined]

VARIABLE = "_SEQSEND_COMPLETE"
"""Set by the script when a shell asks how a line could go on; typer makes the name so."""

# typer's takes the words as bash has split them: at the colons of an address, too, so that what
# follows one before the subcommand was not understood. Here they are split at blanks.
_BASH = rf"""_seqsend_completion() {{
    local line=${{COMP_LINE:0:COMP_POINT}} at words
    read -ra words <<<"$line"
    at=$((${{#words[@]}} - 1))
    [[ $line == *[[:blank:]] ]] && at=$((at + 1))
    local IFS=$'\n'
    COMPREPLY=($(COMP_WORDS=$line COMP_CWORD=$at {VARIABLE}=complete_bash "$1"))
}}
complete -o default -F _seqsend_completion seqsend"""

_SHELLS = ("bash", "zsh", "fish")


def prepare() -> None:
    """Make the shells known that can ask."""
    completion_init()


def script(shell: str) -> str:
    """Return what ``shell`` is to read when it starts.

    Raises:
        typer.BadParameter: it is another shell.

    """
    if shell not in _SHELLS:
        raise typer.BadParameter(f"{shell!r} is not one of {', '.join(_SHELLS)}")
    if shell == "bash":
        return _BASH
    return get_completion_script(prog_name="seqsend", complete_var=VARIABLE, shell=shell)
