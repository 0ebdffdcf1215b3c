"""Draws examples/check.svg: what `seqsend check` shows of five endpoints, from a real run.

sh tests/support/setup.sh test && .venv/bin/python examples/check_picture.py
"""

import re
import sys
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from seqsend import check  # noqa: E402
from seqsend.render.table import picture  # noqa: E402
from tests.support.neighbours import op_node  # noqa: E402
from tests.support.node import Anvil  # noqa: E402
from tests.support.servers import Replying, blackhole, http  # noqa: E402

COLUMNS = 168


def main() -> None:
    """Run the endpoints, look at them, draw what is seen."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(server)
            for server in (
                Anvil(),
                blackhole(),
                Replying(http(503, b"")),
                Anvil(chain_id=31338),
                Replying(op_node),
            )
        ]
        diagnosis = check([server.url for server in servers], dial_timeout=1, count=20)
    console = Console(
        file=StringIO(), record=True, width=COLUMNS, force_terminal=True, color_system="standard"
    )
    console.print(picture(diagnosis, console))
    svg = console.export_svg(title="seqsend check", theme=DIMMED_MONOKAI, unique_id="check")
    # The viewer's own monospaced font will do: nothing is to be fetched for a picture.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (HERE / "check.svg").write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE))


if __name__ == "__main__":
    main()
