"""The program: its commands, and its answer to command lines that typer cannot parse."""

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from seqsend.cli.help import Command, Group, UnknownCommandError
from seqsend.cli.options import RawOptions, takes_shared_options
from seqsend.redaction import glued_option, redact_words
from seqsend.render.streams import print_version, write_stderr, write_stdout

# On a separate line, so that it fits into 80 columns; \b keeps typer from joining the lines.
_EXAMPLE = "\b\nExample:\n  "
_PROGRAM_EXAMPLE = "seqsend send 0x02… --rollup.sequencer-http http://seq1:8545,http://seq2:8545"


def _print_version(asked: bool) -> None:
    if asked:
        raise typer.Exit(print_version())


def _print_completion(shell: str | None) -> None:
    if shell is not None:
        from seqsend.cli.completion import script

        raise typer.Exit(int(write_stdout(script(shell)) == "failed"))


@takes_shared_options
def seqsend(
    options: RawOptions,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            help="Show the version and exit.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
    completion: Annotated[
        str | None,
        typer.Option(
            "--show-completion",
            metavar="SHELL",
            help="Print a completion script: bash, zsh or fish.",
            callback=_print_completion,
            is_eager=True,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Submit signed transactions to rollup sequencers, with failover."""


def _nothing_before() -> None:
    """Replace `seqsend` if the command is the first word: no options come before it."""


# A command is named like its module in seqsend.cli and its function; the example is for its help.
_COMMANDS = {
    "send": "seqsend send 0x02… --rollup.sequencer-http http://seq1:8545",
    "check": "seqsend check --rollup.sequencer-http http://seq1:8545,http://seq2:8545",
    "decode": "seqsend decode 0x02…",
    "rpc": "seqsend rpc eth_getBlockByNumber latest false",
}


def _build(arguments: list[str]) -> typer.Typer:
    """Return the program with the commands that ``arguments`` can name.

    Building a command takes time at each start. If a command is named, the others are left out; if
    it is the first word, so are the program's own options.
    """
    names = {"help_option_names": ["-h", "--help"]}
    app = typer.Typer(
        name="seqsend",
        context_settings=names,
        cls=Group,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    command_first = bool(arguments) and arguments[0] in _COMMANDS
    app.callback(epilog=_EXAMPLE + _PROGRAM_EXAMPLE)(_nothing_before if command_first else seqsend)
    named = [name for name in _COMMANDS if name in arguments]
    for name in named or _COMMANDS:
        command = getattr(import_module(f"seqsend.cli.{name}"), name)
        example = _EXAMPLE + _COMMANDS[name]
        app.command(name, cls=Command, epilog=example, context_settings=names)(command)
    return app


def main(arguments: list[str]) -> int:
    """Run the program with ``arguments`` and return its exit code."""
    if "_SEQSEND_COMPLETE" in os.environ:  # a shell asks for completions
        return _complete(os.environ["_SEQSEND_COMPLETE"], arguments)
    try:
        code = _build(arguments)(arguments, prog_name="seqsend", standalone_mode=False)
    except TyperException as error:
        return _refuse(error, arguments)
    return code if isinstance(code, int) else 0


def _complete(shell: str, words: list[str]) -> int:
    from typer.main import get_command

    from seqsend.cli.completion import SHELLS, complete

    if shell not in SHELLS:
        write_stderr("error: _SEQSEND_COMPLETE is set, but does not name a shell", "error")
        return 2
    return int(write_stdout(complete(shell, get_command(_build(words[:-1])), words)) == "failed")


def _refuse(error: TyperException, arguments: list[str]) -> int:
    """Report what is wrong with a command line that could not be parsed."""
    if isinstance(error, UnknownCommandError):
        return _refuse_command(error, arguments)
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "seqsend"
    if type(error).__name__ == "NoArgsIsHelpError":
        write_stderr(error.format_message(), "note")
        return error.exit_code
    parameters = context.command.params if context else []
    options = [p for p in parameters if p.param_type_name == "option"]
    write_stderr(f"error: {_describe(error, arguments, options)}", "error")
    example = context.command.epilog.removeprefix(_EXAMPLE) if context else _PROGRAM_EXAMPLE
    write_stderr(f"hint: {path} --help lists its options; example: {example}", "note")
    return error.exit_code


def _refuse_command(error: UnknownCommandError, arguments: list[str]) -> int:
    from seqsend.cli.suggestions import suggest_command

    shown, said, example = suggest_command(error.word, _COMMANDS)
    said = f" ({said})" if said else ""
    shown = shown or redact_words(error.word, arguments)
    write_stderr(f"error: No such command: {shown}{said}", "error")
    example = example or _PROGRAM_EXAMPLE
    write_stderr(f"hint: seqsend --help lists the commands; example: {example}", "note")
    return error.exit_code


def _describe(error: TyperException, arguments: list[str], options: Sequence[Any]) -> str:
    """Return the error's message without secrets, with what may have been meant."""
    valued = [flag for o in options if not o.is_flag for flag in o.opts if flag.startswith("--")]
    unknown = getattr(error, "option_name", "") if hasattr(error, "possibilities") else ""
    if not unknown:
        return redact_words(error.format_message(), arguments, valued)
    from seqsend.cli.suggestions import explain_option, find_single_dash  # only after a mistake

    known = ["--help", "--version", *(f for o in options for f in (*o.opts, *o.secondary_opts))]
    # A single letter may come from a long option that was typed with one dash.
    name = (find_single_dash(arguments, known) if len(unknown) == 2 else None) or unknown
    said = redact_words(f"No such option: {name}", arguments, valued)
    glued = glued_option(name, valued)
    if glued is not None:
        return f"{said} (a space is missing after {glued})"
    explanation = explain_option(name, known, _commands_with(name))
    return f"{said} ({explanation})" if explanation else said


def _commands_with(option: str) -> list[str]:
    """Return the commands that have ``option``."""
    from typer.main import get_command

    program: Any = get_command(_build([]))
    return [
        name
        for name, command in program.commands.items()
        if any(option in (*p.opts, *p.secondary_opts) for p in command.params)
    ]
