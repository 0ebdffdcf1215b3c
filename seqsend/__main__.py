"""The program's entry point, and its last resort for errors that nothing else has caught."""

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> None:
    """Run the command line and leave with its exit code."""
    # A short run makes tens of thousands of objects that live until it ends. Collecting garbage
    # among them, and once more at exit, took a quarter of its time. Commands that may run for long
    # turn the collector on again.
    gc.disable()
    try:
        code = _run(sys.argv[1:])
    except KeyboardInterrupt:  # before signals are handled
        code = 130
    except Exception as error:  # noqa: BLE001 - the last place that can report it properly
        code = _report(_describe_limit(error) or _describe_defect(error))
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process at once.

    Everything is written and closed by now. Python's own clean-up of a few hundred modules would
    take 4 of 100 ms for nothing.
    """
    for stream in (sys.stdout, sys.stderr):
        # It may be full, closed or missing, or a signal may have interrupted a write to it.
        with suppress(OSError, ValueError, AttributeError, RuntimeError):
            stream.flush()
    os._exit(code)


def _run(arguments: list[str]) -> int:
    # Before any other import: a script that asks for the version should not wait for typer.
    if arguments in (["--version"], ["-V"]):
        from seqsend.render.streams import print_version

        return print_version()
    _end_by_signals()
    from seqsend.cli.app import main

    return main(arguments)


def _end_by_signals() -> None:
    """Let signals end the program at once until a command handles them; ignored ones stay so.

    Nothing has begun yet that would have to be reported. A KeyboardInterrupt is not enough: Python
    drops one that comes at certain points of an import ("Exception ignored in …").
    """
    import signal

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: _leave(130))


def _report(message: str) -> int:
    if sys.stderr is not None:
        sys.stderr.write(
            f"error: {message}\nhint: a transaction that was being sent may have been delivered\n"
        )
    return 1


def _describe_limit(error: Exception) -> str | None:
    """Return which limit of this machine caused the error; None if none did."""
    import errno

    if isinstance(error, MemoryError):
        return "this machine is out of memory"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many open files on this machine: raise the limit (ulimit -n)"
    return None


def _describe_defect(error: Exception) -> str:
    """Return where seqsend itself failed, without the message, which may hold a URL with its key.

    Only an ImportError keeps its message: that names the module, which helps to repair an
    installation.
    """
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    calls = " < ".join(
        f"{f.name} ({f.filename.rpartition('/')[2]}:{f.lineno})" for f in frames[::-1]
    )
    what = str(error) if isinstance(error, ImportError) else type(error).__name__
    return f"a defect of seqsend, please report it: {what} in {calls}"


if __name__ == "__main__":
    main()
