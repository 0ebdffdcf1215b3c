"""Checks the metrics that seqsend writes with Prometheus' own tool."""

import subprocess
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.support.machine import find_program

PACKAGE = "prometheus"

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""A sample's name and sorted labels → its value."""


def promtool(*words: str, stdin: str = "") -> str:
    """Run `promtool`, which must succeed, and return its output."""
    program = find_program("promtool", PACKAGE)
    done = subprocess.run(
        [program, *words], input=stdin, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def read_metrics(path: Path) -> Values:
    """Return the samples of a metrics file that `promtool check metrics` has accepted."""
    text = path.read_text()
    assert promtool("check", "metrics", stdin=text) == ""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
