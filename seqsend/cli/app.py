"""The program: its commands, and what it does with what typer cannot read."""

from typing import Annotated

import typer
from typer.exceptions import TyperException

from seqsend.cli.check import check
from seqsend.cli.help import Command, Group
from seqsend.cli.options import Given, takes_shared_options
from seqsend.cli.rpc import rpc
from seqsend.cli.send import send
from seqsend.render.streams import print_version, tell
from seqsend.shown import redact_words

_EXAMPLE = "Example: "
_GOOD = "seqsend send 0x02f8… --rollup.sequencer-http http://seq1:8545,http://seq2:8545"

app = typer.Typer(
    name="seqsend",
    cls=Group,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        raise typer.Exit(print_version())


@app.callback(epilog=_EXAMPLE + _GOOD)
@takes_shared_options
def seqsend(
    given: Given,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Submit transactions to rollup sequencers, with failover.

    stdout gets the answer and nothing else; stderr gets what was tried and who answered.
    """


for name, command, example in (
    ("send", send, "seqsend send 0x02f8… --rollup.sequencer-http http://seq1:8545"),
    ("check", check, "seqsend check --rollup.sequencer-http http://seq1:8545,http://seq2:8545"),
    ("rpc", rpc, "seqsend rpc eth_getBlockByNumber latest false"),
):
    takes_words = command is not check
    app.command(name, cls=Command, no_args_is_help=takes_words, epilog=_EXAMPLE + example)(command)


def main(arguments: list[str]) -> int:
    """Run the program with ``arguments`` and return its exit code."""
    try:
        code = app(arguments, prog_name="seqsend", standalone_mode=False)
    except TyperException as error:
        return _refuse(error)
    except OSError as error:
        # Of all that typer does itself, only the help can fail so: stdout is full or closed.
        tell(f"error: stdout could not be written: {error.strerror}", "error")
        return 1
    return code if isinstance(code, int) else 0


def _refuse(error: TyperException) -> int:
    """Say what is wrong with a command line that could not be read."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "seqsend"
    if type(error).__name__ == "NoArgsIsHelpError":
        tell(error.format_message(), "note")
    else:
        tell(f"error: {redact_words(error.format_message())}", "error")
        good = context.command.epilog.removeprefix(_EXAMPLE) if context else _GOOD
        tell(f"hint: {path} --help says what it takes; good: {good}", "note")
    return error.exit_code
