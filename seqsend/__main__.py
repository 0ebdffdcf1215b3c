"""The program's first lines, and its last: what nothing else has caught ends here."""

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> None:
    """Run the command line and leave with its exit code."""
    # A short run makes objects that live to its end, by the ten thousands: to look for garbage
    # among them while they are made, and once more at the end, took a quarter of its time. What
    # runs for long turns it on again.
    gc.disable()
    try:
        code = _run(sys.argv[1:])
    except KeyboardInterrupt:  # before signals are handled
        code = 130
    except Exception as error:  # noqa: BLE001 - the last place where it can be told decently
        code = _report(_describe_limit(error) or _describe_defect(error))
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process at once.

    Everything is written and closed by now. To take a few hundred modules apart, object by object,
    would only take time: 4 of 100 ms.
    """
    for stream in (sys.stdout, sys.stderr):
        # Full, closed, not there at all, or being written to when a signal came.
        with suppress(OSError, ValueError, AttributeError, RuntimeError):
            stream.flush()
    os._exit(code)


def _run(arguments: list[str]) -> int:
    # Before anything is imported: a script that asks for the version should not wait for typer.
    if arguments in (["--version"], ["-V"]):
        from seqsend.render.streams import print_version

        return print_version()
    _end_by_signals()
    from seqsend.cli.app import main

    return main(arguments)


def _end_by_signals() -> None:
    """Have signals end the program at once, unless they are ignored, until a command handles them.

    Nothing has begun by then that could be reported. A KeyboardInterrupt would not do: Python drops
    one that comes at certain moments of an import ("Exception ignored in …").
    """
    import signal

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: _leave(130))


def _report(said: str) -> int:
    if sys.stderr is not None:
        sys.stderr.write(
            f"error: {said}\nhint: a transaction that was being sent may have been delivered\n"
        )
    return 1


def _describe_limit(error: Exception) -> str | None:
    """Return what this machine lacks, if that is what has failed; None otherwise."""
    import errno

    if isinstance(error, MemoryError):
        return "this machine is out of memory"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many open files on this machine: raise the limit (ulimit -n)"
    return None


def _describe_defect(error: Exception) -> str:
    """Say where seqsend itself failed, without the message, which may hold a URL with its key.

    A missing module's message holds its name only, and an installation is mended by it.
    """
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    way = " < ".join(f"{f.name} ({f.filename.rpartition('/')[2]}:{f.lineno})" for f in frames[::-1])
    what = str(error) if isinstance(error, ImportError) else type(error).__name__
    return f"a defect of seqsend, please report it: {what} in {way}"


if __name__ == "__main__":
    main()
