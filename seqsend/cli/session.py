"""One run of a command: what it was given, its client, and what is kept of it for the next."""

from seqsend.cli.options import Connection, RawOptions, Settings, read_settings, read_style
from seqsend.client import SequencerClient
from seqsend.failover.requester import Observer
from seqsend.models import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.cli.run_files import RunFiles
    from seqsend.diagnosis.report import Diagnosis


class Session:
    """Opens what a command needs, and at its end writes down what is kept."""

    def __init__(self, given: RawOptions) -> None:
        """Nothing is checked yet, so that every failure can be told in the right style."""
        self._given = given
        self._memory: RunFiles | None = None
        self.style = read_style(given)

    def open_client(self, observer: Observer) -> SequencerClient:
        """Return the client that the shared options ask for; ``observer`` is told what happens.

        Raises:
            UsageError: one of the options is wrong.

        """
        settings = self._begin()
        memory = self._memory

        def both(event: Event) -> None:
            observer(event)
            if memory is not None:
                memory(event)

        return SequencerClient(
            **settings.connection,
            strict_errors=settings.strict_errors,
            failback_after=settings.failback_after,
            begin_at=None if memory is None else memory.begin_at,
            observer=observer if memory is None else both,
        )

    def connection(self) -> Connection:
        """Return how to reach the endpoints, where no client is needed; say what is remembered.

        Raises:
            UsageError: one of the options is wrong.

        """
        settings = self._begin()
        if self._memory is not None:
            self._memory.tell_preferred()
        return settings.connection

    def found(self, diagnosis: "Diagnosis") -> None:
        """Keep what `check` has found."""
        if self._memory is not None:
            self._memory.found(diagnosis)

    def save_in_passing(self) -> None:
        """Write down now and then what is kept: a long run is to be seen while it lasts."""
        if self._memory is not None:
            self._memory.save_in_passing()

    def end(self) -> None:
        """Write down what is kept, after everything was told."""
        if self._memory is not None:
            self._memory.save()

    def _begin(self) -> Settings:
        settings = read_settings(self._given)
        if settings.state_file is not None or settings.metrics_file is not None:
            from seqsend.cli.run_files import RunFiles  # few runs keep anything

            self._memory = RunFiles(settings, quiet=self.style.quiet)
        return settings
