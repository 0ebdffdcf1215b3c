"""The long run: python -m tests.support.model --scenarios 5000 --seeds 5 --signals 500.

One scenario again, with everything that was seen: python -m tests.support.model one 7.12
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

# Most of a scenario is waiting, most of a process is not.
THREADS = {"one": 12, "rpc": 12, "stream": 12, "program": 4, "signals": 4}


@dataclass
class Summary:
    """What some scenarios have come to."""

    scenarios: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    bad: dict[tuple[Mode, str], list[str]] = field(default_factory=dict)
    """What did not hold, by mode and seed."""

    def add(self, seen: Observation) -> None:
        """Count a run, and keep what did not hold in it."""
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
    """Run the scenarios of ``seeds``, as many as are begun before the moment ``until``."""

    def run(seed: str) -> Observation | None:
        if until is not None and time.monotonic() >= until:
            return None
        return run_scenario(mode, seed)

    summary = Summary()
    with ThreadPoolExecutor(threads or THREADS[mode]) as pool:
        for seen in pool.map(run, seeds):
            if seen is not None:
                summary.add(seen)
    _run_the_late_ones_alone(summary)
    return summary


def _run_the_late_ones_alone(summary: Summary) -> None:
    """Let go of what only came too late because the machine was busy, with others or with all."""
    for (mode, seed), found in list(summary.bad.items()):
        if not all(what.startswith(it_ends_in_time.__name__) for what in found):
            continue
        for _ in range(3):
            again = violations(run_scenario(mode, seed))
            if not again:
                del summary.bad[mode, seed]
                break


def _say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def _explain(mode: Mode, seed: str) -> int:
    seen = run_scenario(mode, seed)
    _say(seen.scenario)
    _say(f"\nelapsed {seen.elapsed:.3f} s, exit code {seen.exit_code}, raised {seen.raised!r}")
    for record in seen.log:
        _say(record)
    for end in seen.ends:
        _say(end.line, end.status, end.hash, "taken" if end.hash in seen.taken else "not taken")
        _say("   ", end.endpoint, end.code, end.message)
        for attempt in end.attempts:
            _say("   ", attempt)
    _say(seen.answer or "", seen.stderr)
    found = violations(seen)
    _say("\n".join(found) or "everything holds")
    return int(bool(found))


def main() -> int:
    """Run what the command line says; return 1 if something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.model")
    parser.add_argument("mode", nargs="?", choices=get_args(Mode), help="run one scenario again")
    parser.add_argument("seed", nargs="?", help="its seed")
    parser.add_argument("--scenarios", type=int, default=1000, help="by the library, per seed")
    parser.add_argument("--programs", type=int, default=60, help="streams by the program, per seed")
    parser.add_argument("--signals", type=int, default=100, help="interrupted streams, in all")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, help="default: a new one each time")
    given = parser.parse_args()
    # In the background of a script these are ignored, and by the children, too.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    if given.mode is not None:
        return _explain(given.mode, given.seed or "1")
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
            _say(f"seed {seed}, {mode}, {time.monotonic() - started:.1f} s:")
            _say("\n".join(summary.lines()))
            bad += len(summary.bad)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
