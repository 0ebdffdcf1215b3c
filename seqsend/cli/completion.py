"""Completion of commands, options and their values in bash, zsh and fish.

A shell calls `seqsend` with :data:`VARIABLE` set and the words up to the cursor as arguments, the
last of them incomplete, and gets one candidate per line, or :data:`FILES`. The metavar of an option
says what it takes: ``PATH`` is a file, and words in lower case stand for themselves, so that
``any|all`` offers both.

typer's own scripts are not used: in zsh they lose apostrophes, and in every shell they offer files
if nothing else fits, even after `--chain-id`.

The script is printed, not installed: only users change the files that their shells read at startup.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import typer

from seqsend.models import LEVELS

VARIABLE = "_SEQSEND_COMPLETE"
"""Set by the scripts, to the name of the shell that asks for completions."""

FILES = ":files"
"""Printed if the shell should offer files."""

# bash splits words at the colons and equals signs of addresses; here they are split at blanks.
_BASH = rf"""_seqsend_completion() {{
    local line=${{COMP_LINE:0:COMP_POINT}} words
    read -ra words <<<"$line"
    [[ $line == *[[:blank:]] ]] && words+=('')
    local IFS=$'\n'
    COMPREPLY=($({VARIABLE}=bash "$1" "${{words[@]:1}}" 2>/dev/null))
    if [[ ${{COMPREPLY[0]}} == {FILES} ]]; then
        COMPREPLY=()
        compopt -o default
    fi
}}
complete -F _seqsend_completion seqsend"""

_ZSH = rf"""_seqsend_completion() {{
    local -a before found
    before=("${{(@Q)words[2,CURRENT-1]}}")
    found=("${{(@f)$({VARIABLE}=zsh "${{(Q)words[1]}}" "${{before[@]}}" "$PREFIX" 2>/dev/null)}}")
    if [[ $PREFIX == -*=* ]]; then compset -P 1 '*='; fi
    if [[ $found[1] == {FILES} ]]; then
        _files
    elif [[ -n $found[1] ]]; then
        _describe seqsend found
    else
        return 1
    fi
}}
compdef _seqsend_completion seqsend"""

_FISH = rf"""function _seqsend_completion
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l found (env {VARIABLE}=fish $program $words "$current" 2>/dev/null)
    set -l option (string match -r -- '^-[^=]*=' "$current")
    set -l value (string replace -- "$option" '' "$current")
    if test "$found" = {FILES}
        set found (__fish_complete_path "$value")
    end
    for each in $found
        echo -- "$option$each"
    end
end
complete --command seqsend --no-files --arguments '(_seqsend_completion)'"""

_SCRIPTS: Mapping[str, str] = MappingProxyType({"bash": _BASH, "zsh": _ZSH, "fish": _FISH})
SHELLS = tuple(_SCRIPTS)
"""The shells that can complete."""

# Those that the operator of a sequencer calls by hand. Execution API
# (https://ethereum.github.io/execution-apis), geth's txpool and admin, op-node and op-conductor
# (https://docs.optimism.io/operators/node-operators/json-rpc).
_METHODS = (
    *("eth_blockNumber", "eth_chainId", "eth_syncing", "eth_gasPrice", "eth_feeHistory"),
    *("eth_getBlockByNumber", "eth_getBlockByHash", "eth_getBlockReceipts"),
    *("eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getTransactionCount"),
    *("eth_getBalance", "eth_getCode", "eth_call", "eth_estimateGas", "eth_getLogs"),
    *("eth_sendRawTransaction", "net_version", "net_peerCount", "web3_clientVersion"),
    *("txpool_status", "txpool_content", "txpool_contentFrom", "admin_peers", "admin_nodeInfo"),
    *("optimism_syncStatus", "optimism_rollupConfig", "optimism_version", "admin_sequencerActive"),
    *("conductor_active", "conductor_leader", "conductor_sequencerHealthy"),
    "conductor_clusterMembership",
)
# The values of a metavar that does not list them itself.
_VALUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"LEVEL": LEVELS, "SHELL": SHELLS, "METHOD": _METHODS, "PATH": (FILES,), "PATH.prom": (FILES,)}
)


class _Candidate(NamedTuple):
    """A possible next word of the line."""

    value: str
    help: str = ""


_FORMATS: Mapping[str, Callable[[_Candidate], str]] = MappingProxyType(
    {
        "bash": lambda candidate: candidate.value,
        # As zsh's _describe reads it.
        "zsh": lambda c: c.value.replace(":", "\\:") + (f":{c.help}" if c.help else ""),
        "fish": lambda c: f"{c.value}\t{c.help}",
    }
)


def script(shell: str) -> str:
    """Return the script that ``shell`` should read at startup.

    Raises:
        typer.BadParameter: ``shell`` is not one of :data:`SHELLS`.

    """
    if shell not in _SCRIPTS:
        raise typer.BadParameter(f"{shell!r} is not one of {', '.join(SHELLS)}")
    return _SCRIPTS[shell]


def complete(shell: str, program: Any, words: Sequence[str]) -> str:
    """Return what ``shell`` should offer, in the form that its script reads.

    Args:
        shell: one of :data:`SHELLS`.
        program: the command that typer has built, with its subcommands.
        words: of the command line, up to the cursor; the last may be empty.

    """
    found = list(_candidates(program, words[:-1], words[-1] if words else ""))
    if found == [_Candidate(FILES)]:
        return FILES
    return "\n".join(map(_FORMATS[shell], found))


class _Position(NamedTuple):
    """Where a line stands after its complete words."""

    command: Any
    option: Any = None
    """The option whose value comes next."""
    arguments: int = 0
    """How many arguments of the command there are already."""
    options_ended: bool = False
    """By `--`."""


def _after(program: Any, words: Sequence[str]) -> _Position | None:
    """Return where a line stands after ``words``; None after a command that does not exist."""
    at = _Position(program)
    for word in words:
        if at.option is not None:
            at = at._replace(option=None)
        elif word == "--" and not at.options_ended:
            at = at._replace(options_ended=True)
        elif word.startswith("-") and word != "-" and not at.options_ended:
            name, equals, _ = word.partition("=")
            at = at._replace(option=None if equals else _valued_option(at.command, name))
        elif at.command is not program:
            at = at._replace(arguments=at.arguments + 1)
        elif word in program.commands:
            at = at._replace(command=program.commands[word])
        else:
            return None
    return at


def _candidates(program: Any, before: Sequence[str], word: str) -> Iterable[_Candidate]:
    """Return what ``word`` can become, after the complete words ``before``."""
    at = _after(program, before)
    if at is None:
        return []
    if at.option is not None:
        return _values(at.option, word)
    if word.startswith("-") and not at.options_ended:
        name, equals, value = word.partition("=")
        if not equals:
            return _options(at.command, word)
        option = _valued_option(at.command, name)
        return _values(option, value) if option else []
    if at.command is program:
        return _beginning(_commands(program), word)
    arguments = [p for p in at.command.params if p.param_type_name == "argument"]
    return _values(arguments[at.arguments], word) if at.arguments < len(arguments) else []


def _commands(program: Any) -> list[_Candidate]:
    return [
        _Candidate(name, command.get_short_help_str(limit=100))
        for name, command in program.commands.items()
    ]


def _valued_option(command: Any, name: str) -> Any:
    """Return the option called ``name`` if it takes a value."""
    valued = (p for p in command.params if p.param_type_name == "option" and not p.is_flag)
    return next((option for option in valued if name in option.opts), None)


def _values(parameter: Any, word: str) -> Iterable[_Candidate]:
    """Return the values of an option or argument that begin with ``word``."""
    metavar = parameter.metavar or ""
    literal = [part for part in metavar.split("|") if re.fullmatch("[a-z][a-z-]*", part)]
    values = [_Candidate(value) for value in _VALUES.get(metavar, literal)]
    return values if values == [_Candidate(FILES)] else _beginning(values, word)


def _options(command: Any, word: str) -> Iterable[_Candidate]:
    """Return the options that begin with ``word``; aliases only if no main name does."""
    from typer import Context

    options = [
        option
        for option in command.get_params(Context(command))
        if option.param_type_name == "option" and not option.hidden
    ]
    first, others = [], []
    for option in options:
        help_text = re.split(r"(?<=[.]) | \[", option.help or "")[0].rstrip(".")
        names = [*option.opts, *option.secondary_opts]
        main = [next(n for n in option.opts if n.startswith("--")), *option.secondary_opts]
        first += [_Candidate(name, help_text) for name in main]
        others += [_Candidate(name, help_text) for name in names if name not in main]
    return _beginning(first, word) or _beginning(others, word)


def _beginning(candidates: Iterable[_Candidate], word: str) -> list[_Candidate]:
    return [candidate for candidate in candidates if candidate.value.startswith(word)]
