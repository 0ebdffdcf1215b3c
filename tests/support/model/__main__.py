"""The long run: python -m tests.support.model --scenarios 5000 --seeds 5 --signals 500.

To repeat one scenario and print everything: python -m tests.support.model one 7.12
"""

import argparse
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import get_args

from tests.support.model.invariants import it_ends_in_time, violations
from tests.support.model.observation import Observation
from tests.support.model.runs import run_scenario
from tests.support.model.scenario import Mode

# A scenario mostly waits; a process mostly computes.
THREADS = {"one": 12, "rpc": 12, "stream": 12, "program": 4, "signals": 4}


@dataclass
class Summary:
    """The results of several scenarios."""

    scenarios: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    bad: dict[tuple[Mode, str], list[str]] = field(default_factory=dict)
    """Mode and seed → violations."""

    def add(self, seen: Observation) -> None:
        """Count a run, and keep its violations."""
        self.scenarios += 1
        self.requests += len(seen.log)
        self.ends.update(end.status for end in seen.ends)
        found = violations(seen)
        if found:
            self.bad[seen.scenario.mode, seen.scenario.seed] = found

    def lines(self, most: int = 40) -> Iterator[str]:
        """Yield the summary as text."""
        ends = ", ".join(f"{count} {status}" for status, count in self.ends.most_common())
        yield f"{self.scenarios} scenarios, {self.requests} requests; {ends}"
        rules = Counter(what.partition(":")[0] for each in self.bad.values() for what in each)
        yield f"{len(self.bad)} scenarios with violations; {dict(rules.most_common())}"
        for (mode, seed), found in list(self.bad.items())[:most]:
            for what in found[:3]:
                yield f"  {mode} {seed}: {what}"


def run_many(
    mode: Mode, seeds: Sequence[str], *, until: float | None = None, threads: int | None = None
) -> Summary:
    """Run the scenarios of ``seeds``; start none after the time ``until``."""

    def run(seed: str) -> Observation | None:
        if until is not None and time.monotonic() >= until:
            return None
        return run_scenario(mode, seed)

    summary = Summary()
    with ThreadPoolExecutor(threads or THREADS[mode]) as pool:
        for seen in pool.map(run, seeds):
            if seen is not None:
                summary.add(seen)
    _repeat_the_late_ones_alone(summary)
    return summary


def _repeat_the_late_ones_alone(summary: Summary) -> None:
    """Drop scenarios that were only late, if one of three repetitions on its own is in time."""
    for (mode, seed), found in list(summary.bad.items()):
        if not all(what.startswith(it_ends_in_time.__name__) for what in found):
            continue
        for _ in range(3):
            again = violations(run_scenario(mode, seed))
            if not again:
                del summary.bad[mode, seed]
                break


def _print(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def _run_verbosely(mode: Mode, seed: str) -> int:
    seen = run_scenario(mode, seed)
    _print(seen.scenario)
    _print(f"\nelapsed {seen.elapsed:.3f} s, exit code {seen.exit_code}, raised {seen.raised!r}")
    for record in seen.log:
        _print(record)
    for end in seen.ends:
        _print(end.line, end.status, end.hash, "taken" if end.hash in seen.taken else "not taken")
        _print("   ", end.endpoint, end.code, end.message)
        for attempt in end.attempts:
            _print("   ", attempt)
    _print(seen.answer or "", seen.stderr)
    found = violations(seen)
    _print("\n".join(found) or "all rules hold")
    return int(bool(found))


def main() -> int:
    """Run what the command line asks for; return 1 if a rule was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.model")
    parser.add_argument("mode", nargs="?", choices=get_args(Mode), help="repeat one scenario")
    parser.add_argument("seed", nargs="?", help="its seed")
    parser.add_argument("--scenarios", type=int, default=1000, help="with the library, per seed")
    parser.add_argument(
        "--programs", type=int, default=60, help="streams with the program, per seed"
    )
    parser.add_argument("--signals", type=int, default=100, help="interrupted streams, in total")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, help="default: a new one each time")
    given = parser.parse_args()
    # In the background of a script these are ignored, and children inherit that.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    if given.mode is not None:
        return _run_verbosely(given.mode, given.seed or "1")
    first = given.first_seed or random.SystemRandom().randrange(1, 10**6)
    counts: dict[Mode, int] = {
        "one": given.scenarios * 6 // 10,
        "stream": given.scenarios * 3 // 10,
        "rpc": given.scenarios // 10,
        "program": given.programs,
        "signals": -(-given.signals // given.seeds),
    }
    bad = 0
    for seed in range(first, first + given.seeds):
        for mode, count in counts.items():
            started = time.monotonic()
            summary = run_many(mode, [f"{seed}.{n}" for n in range(count)])
            _print(f"seed {seed}, {mode}, {time.monotonic() - started:.1f} s:")
            _print("\n".join(summary.lines()))
            bad += len(summary.bad)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
