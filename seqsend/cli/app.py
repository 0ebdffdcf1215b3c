"""The program: its commands, and what it does with what typer cannot read."""

import os
from importlib import import_module
from typing import Annotated

import typer
from typer.exceptions import TyperException

from seqsend.cli.help import Command, Group
from seqsend.cli.options import RawOptions, takes_shared_options
from seqsend.redaction import redact_words
from seqsend.render.streams import print_version, write_stderr, write_stdout

# On a line of its own, so that it is whole at 80 columns; \b keeps typer from filling the lines.
_EXAMPLE = "\b\nExample:\n  "
_GOOD = "seqsend send 0x02… --rollup.sequencer-http http://seq1:8545,http://seq2:8545"


def _print_version(wanted: bool) -> None:
    if wanted:
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
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    completion: Annotated[
        str | None,
        typer.Option(
            "--show-completion",
            metavar="SHELL",
            help="Print what makes bash, zsh or fish complete commands and options.",
            callback=_print_completion,
            is_eager=True,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Submit transactions to rollup sequencers, with failover.

    stdout gets the answer and nothing else; stderr gets what was tried and who answered.
    """


# Module of seqsend.cli and function in one, by the command's name; an example for its help.
_COMMANDS = {
    "send": "seqsend send 0x02… --rollup.sequencer-http http://seq1:8545",
    "check": "seqsend check --rollup.sequencer-http http://seq1:8545,http://seq2:8545",
    "rpc": "seqsend rpc eth_getBlockByNumber latest false",
}


def _build(arguments: list[str]) -> typer.Typer:
    """Return the program with the commands that ``arguments`` can mean.

    To build one costs time at each start: where a command is named, the others are left out.
    """
    app = typer.Typer(
        name="seqsend",
        cls=Group,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback(epilog=_EXAMPLE + _GOOD)(seqsend)
    named = [name for name in _COMMANDS if name in arguments]
    for name in named or _COMMANDS:
        command = getattr(import_module(f"seqsend.cli.{name}"), name)
        example = _EXAMPLE + _COMMANDS[name]
        app.command(name, cls=Command, epilog=example)(command)
    return app


def main(arguments: list[str]) -> int:
    """Run the program with ``arguments`` and return its exit code."""
    if "_SEQSEND_COMPLETE" in os.environ:  # a shell asks how a line could go on
        from seqsend.cli.completion import prepare

        prepare()
    try:
        code = _build(arguments)(arguments, prog_name="seqsend", standalone_mode=False)
    except TyperException as error:
        return _refuse(error)
    except OSError as error:
        # Of all that typer does itself, only the help can fail so: stdout is full or closed.
        write_stderr(f"error: stdout could not be written: {error.strerror}", "error")
        return 1
    return code if isinstance(code, int) else 0


def _refuse(error: TyperException) -> int:
    """Say what is wrong with a command line that could not be read."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "seqsend"
    if type(error).__name__ == "NoArgsIsHelpError":
        write_stderr(error.format_message(), "note")
    else:
        write_stderr(f"error: {redact_words(error.format_message())}", "error")
        good = context.command.epilog.removeprefix(_EXAMPLE) if context else _GOOD
        write_stderr(f"hint: {path} --help says what it takes; example: {good}", "note")
    return error.exit_code
