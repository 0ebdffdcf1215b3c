"""One run of a command; only here, errors and signals become messages and exit codes."""

from types import TracebackType
from typing import Self

from seqsend import waiting
from seqsend.cli.options import Connection, RawOptions, Settings, read_settings, read_style
from seqsend.client import SequencerClient
from seqsend.errors import CallError, Interrupted, UsageError
from seqsend.failover.requester import Observer
from seqsend.models import Event
from seqsend.render.outcome import (
    Command,
    Outcome,
    outcome_of_error,
    outcome_of_interrupt,
    outcome_of_usage,
)
from seqsend.render.report import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.cli.run_files import RunFiles
    from seqsend.diagnosis.report import Diagnosis


class CommandRun:
    """A run of a command, from what was typed to its exit code; a context manager.

        with CommandRun("rpc", options) as run, run.open_client(run.report) as client:
            run.finish(outcome_of_answer(client.request("eth_chainId")))
        return run.exit_code

    Inside the block, signals end waits and nothing else. Usage errors, errors of calls and signals
    that leave the block are reported and go no further; any other exception is a defect.
    """

    def __init__(self, command: Command, options: RawOptions) -> None:
        """Nothing is checked yet, so that every failure can be reported in the right style."""
        self._command = command
        self._options = options
        self._files: RunFiles | None = None
        self.style = read_style(options)
        self.report = Report(self.style)
        self.signals = waiting.Signals()
        self.exit_code = 0
        """The exit code of the process, once the block is left."""

    def open_client(self, observer: Observer) -> SequencerClient:
        """Return the client that the shared options describe; ``observer`` gets its events.

        Raises:
            UsageError: one of the options is wrong.

        """
        settings = self._read_settings()
        files = self._files

        def both(event: Event) -> None:
            observer(event)
            if files is not None:
                files(event)

        return SequencerClient(
            **settings.connection,
            reads_from=settings.reads_from,
            strict_errors=settings.strict_errors,
            failback_after=settings.failback_after,
            retry_for=settings.retry_for,
            hedge_after=settings.hedge_after,
            begin_at=None if files is None else files.begin_at,
            observer=observer if files is None else both,
        )

    def connection(self) -> Connection:
        """Return how to reach the endpoints, without a client; report a remembered endpoint.

        Raises:
            UsageError: one of the options is wrong.

        """
        settings = self._read_settings()
        if self._files is not None:
            self._files.report_preferred()
        return settings.connection

    def keep(self, diagnosis: "Diagnosis") -> None:
        """Keep what `check` has found, in the files that the options name."""
        if self._files is not None:
            self._files.keep(diagnosis)

    @property
    def keeps_files(self) -> bool:
        """Whether anything is kept between runs."""
        return self._files is not None

    def save_in_passing(self) -> None:
        """Write the files every few seconds, so that a long run can be watched."""
        if self._files is not None:
            self._files.save_in_passing()

    def finish(self, outcome: Outcome, error: CallError | None = None) -> None:
        """Report how the command ended; its exit code is that of the outcome."""
        self.exit_code = self.report.finish(outcome, error)

    def _read_settings(self) -> Settings:
        settings = read_settings(self._options)
        if settings.state_file is not None or settings.metrics_file is not None:
            from seqsend.cli.run_files import RunFiles  # few runs keep anything

            self._files = RunFiles(settings, quiet=self.style.quiet)
        return settings

    def _report_error(self, error: BaseException | None) -> bool:
        if isinstance(error, UsageError):
            self.finish(outcome_of_usage(self._command, str(error)))
        elif isinstance(error, CallError):
            self.finish(outcome_of_error(self._command, error), error)
        elif isinstance(error, KeyboardInterrupt):
            attempts = error.attempts if isinstance(error, Interrupted) else ()
            self.finish(outcome_of_interrupt(self._command, attempts, None))
        return error is None or isinstance(error, UsageError | CallError | KeyboardInterrupt)

    def __enter__(self) -> Self:
        self.signals.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        try:
            reported = self._report_error(error)
            if reported and self._files is not None:
                self._files.save()
        finally:
            self.signals.retire()
            self.signals.__exit__()
        return reported
