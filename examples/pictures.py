"""Draws the pictures of README from real runs: examples/failover.svg and examples/check.svg.

sh tests/support/setup.sh test && .venv/bin/python examples/pictures.py
"""

import os
import re
import sys
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
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


def failover() -> Text:
    """Return what a terminal shows of a transaction that the third endpoint took."""
    with dead() as one, Replying(http(503, b"")) as two, Anvil() as three:
        urls = f"{one.url},{two.url},{three.url}"
        raw = Wallet(0).sign(2, nonce=0).raw
        environment = dict(os.environ) | {"TERM": "xterm-256color", "SEQSEND_SEQUENCER_HTTP": urls}
        seen = on_a_terminal(["send", raw], environment, columns=120)
    shown = Text.from_ansi(seen.raw.replace("\r", "").rstrip("\n"))
    typed = f"$ export SEQSEND_SEQUENCER_HTTP={urls}\n$ seqsend send {raw[:24]}…\n"
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
    """Write what was printed as examples/NAME.svg."""
    svg = console.export_svg(title=title, theme=DIMMED_MONOKAI, unique_id=name)
    # The viewer's own monospaced font will do: nothing is to be fetched for a picture.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (HERE / f"{name}.svg").write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE))


def main() -> None:
    """Draw both."""
    console = _console(120)
    console.print(failover(), soft_wrap=True)
    save(console, "failover", "seqsend send")
    console = _console(168)
    console.print(diagnosis(console), soft_wrap=True)
    save(console, "check", "seqsend check")


if __name__ == "__main__":
    main()
