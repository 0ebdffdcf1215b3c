"""The one place where an error becomes a message and an exit code."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

import typer

from seqsend.cli.interrupts import is_ignored
from seqsend.cli.options import RawOptions
from seqsend.cli.session import Session
from seqsend.client import SequencerClient
from seqsend.errors import CallError, UsageError
from seqsend.render.outcome import (
    Command,
    Outcome,
    outcome_of_error,
    outcome_of_interrupt,
    outcome_of_usage,
)
from seqsend.render.report import Report


@dataclass(frozen=True, slots=True)
class Task:
    """What a command does with a client, once its own arguments are checked."""

    act: Callable[[SequencerClient], Outcome]
    hash: str | None = None
    """The transaction's, where there is one: it is told also when Ctrl-C ends the task."""


def run(command: Command, given: RawOptions, prepare: Callable[[], Task]) -> None:
    """Run a command, report how it ends, and leave with its exit code.

    ``prepare`` checks the command's own arguments; it may raise `UsageError`.

    Raises:
        typer.Exit: always.

    """
    task: Task | None = None

    def act(session: Session, report: Report) -> int:
        nonlocal task
        task = prepare()
        with session.open_client(report) as client:
            return report.finish(task.act(client))

    guard(command, given, act, known_hash=lambda: task.hash if task else None)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def guard(
    command: Command,
    given: RawOptions,
    act: Callable[[Session, Report], int],
    *,
    known_hash: Callable[[], str | None] = lambda: None,
) -> NoReturn:
    """Do what a command does, report how it failed if it did, and leave with its exit code.

    Raises:
        typer.Exit: always.

    """
    session = Session(given)
    report = Report(session.style)
    # Whoever ends it by SIGTERM (a time limit, a service manager) is told what was sent, too.
    if not is_ignored(signal.SIGTERM):
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = act(session, report)
    except UsageError as error:
        code = report.finish(outcome_of_usage(command, str(error)))
    except CallError as error:
        code = report.finish(outcome_of_error(command, error), error)
    except KeyboardInterrupt:
        tried = tuple(report.attempts)
        code = report.finish(outcome_of_interrupt(command, tried, known_hash()))
    session.end()
    raise typer.Exit(code)
