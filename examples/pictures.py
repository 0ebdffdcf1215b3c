"""Draws the pictures of README from real runs: examples/failover.svg and examples/check.svg.

Each follows the reader's light or dark mode, and is narrow enough for a column of 900 pixels.

sh tests/support/setup.sh test && .venv/bin/python examples/pictures.py
"""

import os
import re
import sys
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from seqsend import check  # noqa: E402
from seqsend.render.table import picture  # noqa: E402
from tests.support.neighbours import op_node  # noqa: E402
from tests.support.node import Anvil  # noqa: E402
from tests.support.servers import Replying, blackhole, dead, http  # noqa: E402
from tests.support.terminal import on_a_terminal  # noqa: E402
from tests.support.wallet import Wallet  # noqa: E402

FAILOVER_COLUMNS, CHECK_COLUMNS = 92, 110
# Background, foreground, then black, red, green, yellow, blue, magenta, cyan and white. Each has a
# contrast of at least 4.5 with its background (WCAG 2.2, 1.4.3); a dimmed foreground as well.
DARK = TerminalTheme(
    (22, 27, 34),
    (230, 237, 243),
    [
        (110, 118, 129),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (230, 237, 243),
    ],
)
LIGHT = TerminalTheme(
    (255, 255, 255),
    (13, 17, 23),
    [
        (36, 41, 47),
        (190, 20, 30),
        (17, 99, 41),
        (125, 78, 0),
        (5, 80, 174),
        (102, 57, 186),
        (15, 92, 105),
        (110, 119, 129),
    ],
)


def failover() -> Text:
    """Return what a terminal shows of a transaction that the third endpoint took."""
    with dead() as one, Replying(http(503, b"")) as two, Anvil() as three:
        urls = f"{one.url},{two.url},{three.url}"
        raw = Wallet(0).sign(2, nonce=0).raw
        environment = dict(os.environ) | {"TERM": "xterm-256color", "SEQSEND_SEQUENCER_HTTP": urls}
        seen = on_a_terminal(["send", raw], environment, columns=FAILOVER_COLUMNS)
    shown = Text.from_ansi(seen.raw.replace("\r", "").rstrip("\n"))
    listed = urls.replace(",", ",\\\n> ")
    typed = f"$ export SEQSEND_SEQUENCER_HTTP={listed}\n$ seqsend send {raw[:24]}…\n"
    return Text.assemble((typed, "bold"), shown)


def diagnosis(console: Console) -> Text:
    """Return what `seqsend check` shows of five endpoints."""
    with ExitStack() as stack:
        urls = [
            stack.enter_context(Anvil()).url,
            stack.enter_context(blackhole()).url,
            stack.enter_context(Replying(http(503, b""))).url,
            stack.enter_context(Anvil(chain_id=31338)).url,
            stack.enter_context(Replying(op_node)).url,
        ]
        found = check(urls, dial_timeout=1, count=20)
    return Text("\n").join(picture(found, console))


def _console(columns: int) -> Console:
    return Console(
        file=StringIO(), record=True, width=columns, force_terminal=True, color_system="standard"
    )


def save(console: Console, name: str, title: str) -> None:
    """Write what was printed as examples/NAME.svg, in light colours for a reader in light mode."""
    dark, light = (
        console.export_svg(title=title, theme=theme, unique_id=name, clear=False)
        for theme in (DARK, LIGHT)
    )
    styles = re.findall(rf"\.{name}-r\d+ \{{.*?\}}", light)
    background, foreground = LIGHT.background_color.hex, LIGHT.foreground_color.hex
    styles += [
        f".rich-terminal > rect {{ fill: {background}; stroke: #d0d7de }}",
        f".{name}-title {{ fill: {foreground} }}",
    ]
    adapted = f"@media (prefers-color-scheme: light) {{ {' '.join(styles)} }}\n    </style>"
    svg = dark.replace("</style>", adapted, 1)
    # The viewer's own monospaced font will do: nothing is to be fetched for a picture.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (HERE / f"{name}.svg").write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE))


def main() -> None:
    """Draw both."""
    console = _console(FAILOVER_COLUMNS)
    console.print(failover(), soft_wrap=True)
    save(console, "failover", "seqsend send")
    console = _console(CHECK_COLUMNS)
    console.print(diagnosis(console), soft_wrap=True)
    save(console, "check", "seqsend check")


if __name__ == "__main__":
    main()
