"""The tools of the benchmark: commands, runs in turns, and tables of ratios."""

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PEERS = HERE / "peers"
PYTHON = str(PEERS / "seqsend" / "bin" / "python")
SEQSEND = str(PEERS / "seqsend" / "bin" / "seqsend")
CAST = str(next(iter(PEERS.glob("node_modules/@foundry-rs/cast-*/bin/cast")), "cast"))
Command = list[str]


def script(name: str, *words: str) -> Command:
    """Return the command that runs a script of this directory with ``words``."""
    path = HERE / "scripts" / name
    if path.suffix == ".js":
        # Next to the packages, where node looks for them.
        copy = PEERS / name
        copy.write_text(path.read_text())
        return ["node", str(copy), *words]
    python = PEERS / "venv" / "bin" / "python" if "web3" in name else PYTHON
    return [str(python), str(path), *words]


def run(command: Command) -> float:
    """Run a command and return the seconds that it took."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return time.perf_counter() - started


def side_by_side(makers: Mapping[str, Callable[[], float]], runs: int) -> dict[str, float]:
    """Return the median of each, measured in turns so that conditions are the same for all."""
    for measure in makers.values():
        measure()  # warm-up: fills the file cache, writes byte code
    seen: dict[str, list[float]] = {name: [] for name in makers}
    for _ in range(runs):
        for name, measure in makers.items():
            seen[name].append(measure())
    return {name: statistics.median(values) for name, values in seen.items()}


def table(title: str, medians: dict[str, float], base: str, unit: str = "ms") -> None:
    """Print medians and their ratios to ``base``."""
    print(f"\n{title}")
    for name, median in sorted(medians.items(), key=lambda item: item[1]):
        shown = f"{median * 1000:8.0f} ms" if unit == "ms" else f"{median:8.0f} /s"
        print(f"  {name:32} {shown}   {median / medians[base]:6.2f} x {base}")


def verdict(said: str, ratio: float, limit: float, *, at_most: bool) -> None:
    """Print a ratio and whether it is within its limit."""
    good = ratio <= limit if at_most else ratio >= limit
    word = "at most" if at_most else "at least"
    print(f"  {'ok  ' if good else 'MISS'} {said}: {ratio:.2f} (to be {word} {limit})")
