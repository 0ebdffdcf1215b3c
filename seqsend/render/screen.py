"""The terminal's alternate screen, on which each picture replaces the last."""

from collections.abc import Sequence
from typing import Self

from seqsend.render.streams import Written, write_raw_stdout

# xterm's control sequences (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html): the
# alternate screen has no scrollback, and leaving it brings back what was there before.
_ENTER = "\x1b[?1049h\x1b[?25l"  # save the cursor and switch; hide the cursor
_HOME = "\x1b[H"
_CLEAR_BELOW = "\x1b[J"
# Cleared first: a tmux that was resized meanwhile would put a part of the picture into its
# scrollback.
_LEAVE = f"{_HOME}{_CLEAR_BELOW}\x1b[?25h\x1b[?1049l"


class AlternateScreen:
    """Takes over the terminal on stdout; a context manager, which gives it back."""

    def draw(self, lines: Sequence[str]) -> Written:
        """Show ``lines``, which fit on the screen, in place of what was shown."""
        shown = "\r\n".join(lines)
        return write_raw_stdout(f"{_HOME}{_CLEAR_BELOW}{shown}")

    def __enter__(self) -> Self:
        write_raw_stdout(_ENTER)
        return self

    def __exit__(self, *_exception: object) -> None:
        write_raw_stdout(_LEAVE)
