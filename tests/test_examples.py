"""The examples do what they promise, also where the sequencer does not."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from seqsend.persistence.metrics import FAMILIES
from tests.conftest import FreshTx
from tests.support.documents import ROOT
from tests.support.machine import find_program
from tests.support.node import Anvil
from tests.support.prometheus import PACKAGE, read_metrics
from tests.support.servers import Closing, Relaying, Replying, Request, dead, http, pass_on
from tests.support.wallet import Wallet

EXAMPLES = ROOT / "examples"
MONITORING = EXAMPLES / "monitoring"
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def run(
    *words: str,
    at: str = "",
    directory: Path = ROOT,
    more: Mapping[str, str] = MappingProxyType({}),
) -> "subprocess.CompletedProcess[str]":
    given = {"PATH": PATH, "HOME": str(directory), "SEQSEND_SEQUENCER_HTTP": at, **more}
    return subprocess.run(
        words,
        cwd=directory,
        env=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def test_every_shell_script_passes_shellcheck() -> None:
    program = find_program("shellcheck", "shellcheck")
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    scripts = [name for name in tracked if name.endswith(".sh")] + [".ci/run"]
    assert "examples/submit.sh" in scripts
    done = run(program, *scripts)
    assert done.stdout == ""


# Submit


def recovering(upstream: str, *statuses: int) -> Replying:
    """Return what answers so, then passes on; what it answers 502 to was delivered all the same."""
    left = list(statuses)

    def reply(request: Request) -> bytes:
        status = left.pop(0) if left else 200
        return http(status, pass_on(request.body, upstream) if status in (200, 502) else b"")

    return Replying(reply)


def _submit(directory: Path, at: str, raws: list[str], **more: str) -> Any:
    file = directory / "transactions.txt"
    file.write_text("# two senders\n" + "".join(f"{raw}\n" for raw in raws))
    return run("sh", str(EXAMPLES / "submit.sh"), str(file), at=at, more={"PAUSE": "0", **more})


def test_submits_a_file_through_every_trouble(tmp_path: Path, wallet: Wallet) -> None:
    with Anvil() as node:
        signed = [wallet.sign(2, nonce=nonce) for nonce in range(4)]
        raws = [each.raw for each in signed]
        with dead() as nobody:
            gone = _submit(tmp_path, nobody.url, raws, TRIES="2")
            assert gone.returncode == 4
            assert gone.stderr.count("nothing was delivered") == 2
        # Not taken; taken, and the look-up fails as well; taken already.
        with recovering(node.url, 403, 502, 503) as server:
            done = _submit(tmp_path, server.url, raws)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("again in 0 s") == 2
        assert "nothing was delivered" in done.stderr
        assert "safe to send again" in done.stderr
        assert node.nonce(wallet.address) == 4
        told = (tmp_path / "transactions.txt.hashes").read_text().split()
        assert told == [each.hash for each in signed]
        spent = _submit(tmp_path, node.url, [wallet.sign(2, nonce=0, value=7).raw])
        assert spent.returncode == 3
        assert "sign it again with the next nonce" in spent.stderr
    wrong = _submit(tmp_path, "http://seq1", ["0x1234"])
    assert wrong.returncode == 2
    with Closing(after="request", how="rst") as closing:
        unknown = _submit(tmp_path, closing.url, raws[:1], TRIES="1")
    assert unknown.returncode == 5
    assert "safe to send again" in unknown.stderr


# Smoke test


def _steps() -> list[dict[str, Any]]:
    workflow = yaml.safe_load((EXAMPLES / "smoke-test.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert job["timeout-minutes"] <= 10
    return [step for step in job["steps"] if "run" in step]


@pytest.mark.parametrize(
    ("second", "chain", "codes"),
    [("node", "31337", [0, 0, 0]), ("dead", "31337", [0, 0, 0]), ("node", "10", [4, 0, 0])],
)
def test_the_smoke_test_fails_only_where_none_is_usable(
    second: str, chain: str, codes: list[int], node: Anvil, fresh_tx: FreshTx
) -> None:
    install, *steps = _steps()
    assert install["run"] == "python -m pip install --quiet ./seqsend"  # as test_package.py does
    environment = {"CHAIN_ID": chain, "RAW_TRANSACTION": fresh_tx().raw}
    with dead() as nobody, Relaying(node.url) as other:
        at = f"{node.url},{nobody.url if second == 'dead' else other.url}"
        # As the runner does: https://docs.github.com/actions, "jobs.<job_id>.steps[*].shell".
        ends = [run("bash", "-e", "-c", step["run"], at=at, more=environment) for step in steps]
    assert [end.returncode for end in ends] == codes
    assert ("::warning::" in ends[0].stdout) == (second == "dead")
    assert re.search(r"head: \d+", ends[1].stdout)
    assert re.search("submitted: 0x[0-9a-f]{64}", ends[2].stdout)


# Library


def test_the_library_example_tells_of_every_end(node: Anvil, fresh_tx: FreshTx) -> None:
    signed, program = fresh_tx(), str(EXAMPLES / "library.py")
    with dead() as nobody:
        done = run(
            sys.executable, program, f"{nobody.url},{node.url}", signed.raw, signed.raw, "0x"
        )
        gone = run(sys.executable, program, nobody.url, signed.raw)
    assert done.stdout.splitlines()[:2] == [
        f"accepted by endpoint 2: {signed.hash}",
        f"known by endpoint 2: {signed.hash}",
    ]
    assert done.stdout.splitlines()[2].startswith("no transaction: ")
    assert done.stderr == (
        f"WARNING eth_sendRawTransaction failed over to endpoint 2 of 2 {node.url}\n"
    )
    assert gone.stdout == "not delivered: try again later\n"
    with Closing(after="request", how="rst") as closing:
        maybe = run(sys.executable, program, closing.url, signed.raw)
    assert maybe.stdout == f"perhaps delivered: {signed.hash}\n"


# Monitoring


def test_the_alerts_are_what_prometheus_takes_and_go_off_when_they_are_to() -> None:
    program = find_program("promtool", PACKAGE)
    for words in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")):
        done = run(program, *words, directory=MONITORING)
        assert done.returncode == 0, done
    alerts = {rule["alert"] for rule in _rules()}
    tests = yaml.safe_load((MONITORING / "alerts_test.yml").read_text())["tests"]
    tried = [case for test in tests for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in tried if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in tried if not case["exp_alerts"]} == alerts


def _rules() -> list[Mapping[str, str]]:
    (group,) = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    rules: list[Mapping[str, str]] = group["rules"]
    return rules


def test_queries_name_only_metrics_that_are_there() -> None:
    written = {family.shown for family in FAMILIES if family.kind != "histogram"} | {
        f"{family.name}_{part}"
        for family in FAMILIES
        if family.kind == "histogram"
        for part in ("bucket", "sum", "count")
    }
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [rule["expr"] for rule in _rules()]
    named = {name for query in queries for name in re.findall(r"seqsend_\w+", query)}
    assert named == written  # and nothing is counted that nobody looks at
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "query",
    [
        target["expr"]
        for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]
        for target in panel["targets"]
    ],
)
def test_prometheus_can_read_every_query_of_the_dashboard(query: str, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    expr = query.replace("$instance", ".*")
    rules.write_text(
        yaml.safe_dump({"groups": [{"name": "g", "rules": [{"record": "a", "expr": expr}]}]})
    )
    done = run(find_program("promtool", PACKAGE), "check", "rules", str(rules))
    assert done.returncode == 0, done


def test_systemd_takes_the_units_and_what_they_start_writes_metrics(
    tmp_path: Path, node: Anvil
) -> None:
    program = find_program("systemd-analyze", "systemd")
    binary = Path(sys.executable).parent / "seqsend"
    for name in ("seqsend-check.service", "seqsend-check.timer"):
        text = (MONITORING / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/local/bin/seqsend", str(binary)))
    done = run(program, "verify", str(tmp_path / "seqsend-check.timer"))
    assert done.returncode == 0, done
    assert "seqsend" not in done.stderr
    (start,) = re.findall("(?m)^ExecStart=(.*)$", (tmp_path / "seqsend-check.service").read_text())
    metrics = tmp_path / "seqsend-check.prom"
    words = start.replace("/var/lib/prometheus/node-exporter", str(tmp_path)).split()
    with Replying(http(503, b"")) as broken:
        ended = run(*words, at=f"{node.url},{broken.url}")
    found = read_metrics(metrics)
    usable = [found["seqsend_endpoint_usable", (("endpoint", n),)] for n in ("1", "2")]
    assert (ended.returncode, usable) == (8, [1, 0])
