"""Ctrl-C and SIGTERM where more than one thing is done: let through only where nothing is lost."""

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Self


def is_ignored(number: int) -> bool:
    """Tell whether whoever started this process wants it to go on in spite of a signal.

    A shell does for what a script puts into the background (POSIX, XCU 2.11), and `nohup` does.
    """
    return signal.getsignal(number) is signal.SIG_IGN


class Interrupts:
    """Holds both signals back, but for what is run by it; a context manager.

    Between the answer of a sequencer and the line that tells of it an exception would lose what is
    known. So a signal is noted there, and raised by the next thing that takes time. So is one that
    was lost, because a finalizer was running: Python can only report that, and here need not.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        """The one that came, if one did."""
        self._open = False
        self._before: dict[int, Any] = {}
        self._report_lost = sys.unraisablehook

    def run(self, takes_time: Callable[[], Any]) -> Any:
        """Run something that a signal may end.

        Raises:
            KeyboardInterrupt: a signal came, now or before.

        """
        self._open = True
        try:
            if self.signal is not None and self._before:
                raise KeyboardInterrupt
            return takes_time()
        finally:
            self._open = False

    def forget(self) -> None:
        """Go on after a signal has been dealt with; the next ends the process."""
        self._restore()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        first, self.signal = self.signal is None, number
        if self._open or not first:
            raise KeyboardInterrupt

    def _lost(self, what: "sys.UnraisableHookArgs") -> None:
        if not isinstance(what.exc_value, KeyboardInterrupt):
            self._report_lost(what)

    def _restore(self) -> None:
        sys.unraisablehook = self._report_lost
        while self._before:
            signal.signal(*self._before.popitem())

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            if not is_ignored(number):
                self._before[number] = signal.signal(number, self._note)
        sys.unraisablehook = self._lost
        return self

    def __exit__(self, *_exception: object) -> None:
        self._restore()
