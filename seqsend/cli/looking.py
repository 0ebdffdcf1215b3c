"""The ways in which `check` looks: once, repeatedly, or until the exit code would be 0."""

import time
from collections.abc import Callable
from typing import NamedTuple

from seqsend import waiting
from seqsend.cli.looks import TICK, Look, Looks
from seqsend.diagnosis.report import Diagnosis
from seqsend.render.changes import changes
from seqsend.render.look import CheckView
from seqsend.render.outcome import EXIT_CODES
from seqsend.render.watch_screen import WatchScreen
from seqsend.units import format_duration

_AGAIN_AFTER = 1.0  # seconds, with --until-usable
_MOST_CHANGES = 4  # lines, before the one that says that there are more
_MORE = "further changes are not reported"


class Looking(NamedTuple):
    """What every way of looking needs."""

    looks: Looks
    view: CheckView
    judge: Callable[[Diagnosis], int]
    """Returns the exit code for a diagnosis."""
    keep: Callable[[Diagnosis], None]
    """Writes a diagnosis to the files that the options name."""

    def finish(self, diagnosis: Diagnosis) -> int:
        """Show the last diagnosis and return the exit code of the command."""
        code = self.judge(diagnosis)
        written = self.view.show(diagnosis, code)
        return code or int(written == "failed")


def look_once(looking: Looking) -> int:
    """Look once; if that takes long, show on a terminal what it waits for."""
    diagnosis = _wait_for_look(looking)
    looking.keep(diagnosis)
    return looking.finish(diagnosis)


def _wait_for_look(looking: Looking) -> Diagnosis:
    progress = looking.looks.begin()
    while (look := looking.looks.take(TICK)) is None:
        looking.view.show_status(progress.text)
    looking.view.clear_status()
    return look.diagnosis


def watch_screen(looking: Looking, every: float) -> int:
    """Look repeatedly, redrawing the terminal, until a signal comes; then show the last look."""
    last: Diagnosis | None = None
    looking.view.draws_in_place = True
    try:
        with WatchScreen(looking.view.console, every) as screen:
            while True:
                progress = looking.looks.begin()
                while (look := looking.looks.take(TICK)) is None:
                    if screen.draw(progress) != "written":
                        return EXIT_CODES["interrupted"]
                last = look.diagnosis
                looking.keep(last)
                screen.keep(last)
                until = time.monotonic() + every
                while (left := until - time.monotonic()) > 0:
                    if screen.draw() != "written":
                        return EXIT_CODES["interrupted"]
                    waiting.sleep(min(left, TICK))
    except KeyboardInterrupt:
        if last is not None:
            looking.view.show(last, looking.judge(last))
    return EXIT_CODES["interrupted"]


def watch_lines(looking: Looking, every: float) -> int:
    """Look repeatedly without redrawing: write the first look, then only what changes.

    It ends with a signal, or when stdout is closed. With `--json`, every look is written.
    """
    last: Diagnosis | None = None
    try:
        while True:
            found = _wait_for_look(looking)
            if last is None or looking.view.is_json:
                written = looking.view.show(found, looking.judge(found))
            else:
                written = looking.view.write_changes(last, found)
            if written != "written":
                return int(written == "failed")
            last = found
            looking.keep(found)
            waiting.sleep(every)
    except KeyboardInterrupt:
        return EXIT_CODES["interrupted"]


def look_until_usable(looking: Looking, within: float) -> int:
    """Look every second until the exit code would be 0, for at most ``within`` seconds.

    An endpoint that takes requests but does not answer them holds up only its own look: the next
    looks begin meanwhile.
    """
    began = next_at = time.monotonic()
    ends = began + within
    under_way = lines = 0
    last: Look | None = None
    while (now := time.monotonic()) < ends or last is None:
        if next_at <= now < ends and under_way < looking.looks.most_at_once:
            looking.looks.begin(deadline=ends - now)
            under_way += 1
            next_at = now + _AGAIN_AFTER
        look = looking.looks.take(TICK)
        if look is None:
            looking.view.show_status(_until_text(now - began, within))
            continue
        under_way -= 1
        is_good = looking.judge(look.diagnosis) == 0
        if last is not None and not is_good:
            if look.progress.started < last.progress.started:
                continue  # it was held up, and is older than the last one
            if time.monotonic() >= ends:
                break  # it was cut short, and shows less
        found = changes(None if last is None else last.diagnosis, look.diagnosis)
        if found and lines <= _MOST_CHANGES:
            lines += 1
            looking.view.report_changes(found if lines <= _MOST_CHANGES else [_MORE])
        last = look
        looking.keep(last.diagnosis)
        if is_good:
            break
    return looking.finish(last.diagnosis)


def _until_text(elapsed: float, within: float) -> str | None:
    if elapsed < _AGAIN_AFTER:
        return None
    return f"waiting until all are usable, {elapsed:.0f} of {format_duration(within)}"
