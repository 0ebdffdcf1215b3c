"""Help that fits on a screen of 80 columns: options in groups, one name each, nothing cut.

A command's help lists its own options; the program's help lists those that every command takes.

typer's help through rich cuts long option names to fit them into a table; its plain help puts all
aliases of an option on one line, which is longer than the terminal.
"""

from collections.abc import Collection
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.exceptions import TyperException

from seqsend.cli.shared_options import GROUPS, OPTIONS
from seqsend.render.streams import print_version, write_stdout

_OTHER = "Other options"
_ELSEWHERE = "Options of every command (addresses, timeouts, --json): seqsend --help"


def _write_options(
    command: Any, context: Any, formatter: Any, without: Collection[str] = ()
) -> None:
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None:
            continue
        is_option = parameter.param_type_name == "option"
        group = getattr(parameter, "rich_help_panel", None)
        group = group or (_OTHER if is_option else "Arguments")
        if group in without:
            continue
        name = _name(parameter, context) if is_option else parameter.metavar
        groups.setdefault(group, []).append((name, record[1]))
    last = groups.pop(_OTHER, [])
    for title, rows in [*groups.items(), (_OTHER, last)]:
        with formatter.section(title):
            formatter.write_dl(rows, col_max=26)


def _name(option: Any, context: Any) -> str:
    short = [name for name in option.opts if not name.startswith("--")]
    first_long = next(name for name in option.opts if name.startswith("--"))
    takes_value = not option.is_flag and not option.count
    value = f" {option.make_metavar(ctx=context)}" if takes_value else ""
    return ", ".join([*short, first_long, *option.secondary_opts]) + value


def _print_help(context: Any, _option: Any, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        raise typer.Exit(int(write_stdout(context.get_help()) == "failed"))


def _print_version(_context: Any, _option: Any, asked: bool) -> None:
    if asked:
        raise typer.Exit(print_version())


# The help shows the program's own `--version`; this one works after a command.
_VERSION = TyperOption(
    param_decls=["--version", "-V"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    hidden=True,
    callback=_print_version,
)


class UnknownCommandError(TyperException):
    """There is no such command."""

    exit_code = 2

    def __init__(self, word: str) -> None:
        """``word`` was typed as the command; it can be a secret."""
        super().__init__("No such command")
        self.word = word


class Command(TyperCommand):
    """A command with help of this form."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return arguments and options, `--version` among them."""
        return [*super().get_params(ctx), _VERSION]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, the command's own options, and where the others are listed."""
        _write_options(self, ctx, formatter, without=GROUPS)
        formatter.write_paragraph()
        formatter.write_text(_ELSEWHERE)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line, with arguments as in the list below it."""
        arguments = [p for p in self.get_params(ctx) if p.param_type_name == "argument"]
        return ["[OPTIONS]", *(str(argument.metavar) for argument in arguments)]

    def get_help_option(self, ctx: Any) -> Any:
        """Return `--help`, which prints like any other answer: stdout may be full or closed."""
        return _answering(super().get_help_option(ctx))


class Group(TyperGroup):
    """The program itself, with help of this form."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, the options, and the variables that can stand for options."""
        self.format_commands(ctx, formatter)
        _write_options(self, ctx, formatter)
        with formatter.section("Environment"):
            formatter.write_text(", ".join(o.environment for o in OPTIONS if o.environment))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that ``args`` name.

        Raises:
            UnknownCommandError: there is no such command.

        """
        if args[0] == "-" or not (args[0].startswith("-") or self.get_command(ctx, args[0])):
            raise UnknownCommandError(args[0])
        return super().resolve_command(ctx, args)

    def get_help_option(self, ctx: Any) -> Any:
        """Return `--help`, as for a command."""
        return _answering(super().get_help_option(ctx))


def _answering(help_option: Any) -> Any:
    help_option.callback = _print_help
    return help_option
