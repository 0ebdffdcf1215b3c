"""The one place where an error becomes a message and an exit code."""

from collections.abc import Callable
from dataclasses import dataclass

import typer

from seqsend.cli.options import Given, Settings, read_settings, read_style
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


def run(command: Command, given: Given, prepare: Callable[[], Task]) -> None:
    """Run a command, report how it ends, and leave with its exit code.

    ``prepare`` checks the command's own arguments; it may raise `UsageError`.

    Raises:
        typer.Exit: always.

    """
    report = Report(read_style(given))
    task = None
    try:
        task = prepare()
        with _client(read_settings(given), report) as client:
            outcome = task.act(client)
    except UsageError as error:
        code = report.finish(outcome_of_usage(command, str(error)))
    except CallError as error:
        code = report.finish(outcome_of_error(command, error), error)
    except KeyboardInterrupt:
        tried, known_hash = tuple(report.attempts), task.hash if task else None
        code = report.finish(outcome_of_interrupt(command, tried, known_hash))
    else:
        code = report.finish(outcome)
    raise typer.Exit(code)


def _client(settings: Settings, report: Report) -> SequencerClient:
    return SequencerClient(
        settings.endpoints,
        dial_timeout=settings.dial_timeout,
        request_timeout=settings.request_timeout,
        deadline=settings.deadline,
        headers=settings.headers,
        cacert=settings.cacert,
        max_response_size=settings.max_response_size,
        strict_errors=settings.strict_errors,
        observer=report,
    )
