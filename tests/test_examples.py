"""The examples do what they promise, even if the sequencer fails."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

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
    """Return a server that answers with ``statuses``, then relays; a 502 was delivered, too."""
    left = list(statuses)

    def reply(request: Request) -> bytes:
        status = left.pop(0) if left else 200
        return http(status, pass_on(request.body, upstream) if status in (200, 502) else b"")

    return Replying(reply)


def _submit(directory: Path, at: str, raws: list[str], **more: str) -> Any:
    file = directory / "transactions.txt"
    file.write_text("# two senders\n" + "".join(f"{raw}\n" for raw in raws))
    return run("sh", str(EXAMPLES / "submit.sh"), str(file), at=at, more={"PAUSE": "0", **more})


def test_submit_sh_gets_a_file_through_every_kind_of_failure(
    tmp_path: Path, wallet: Wallet
) -> None:
    with Anvil() as node:
        signed = [wallet.sign(2, nonce=nonce) for nonce in range(4)]
        raws = [each.raw for each in signed]
        with dead() as nobody:
            gone = _submit(tmp_path, nobody.url, raws, TRIES="2")
            assert gone.returncode == 4
            assert gone.stderr.count("nothing was delivered") == 2
        # 403: not delivered; 502: delivered, and 503 fails the look-up; then: already known.
        with recovering(node.url, 403, 502, 503) as server:
            done = _submit(tmp_path, server.url, raws)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("again in 0 s") == 2
        assert "nothing was delivered" in done.stderr
        assert "safe to send again" in done.stderr
        assert node.nonce(wallet.address) == 4
        hashes = (tmp_path / "transactions.txt.hashes").read_text().split()
        assert hashes == [each.hash for each in signed]
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


class Job(NamedTuple):
    """How a run of the smoke test ended."""

    codes: list[int]
    """The exit codes of the steps that ran."""
    log: str
    summary: str

    def annotations(self, level: str) -> list[str]:
        """Return the annotations of one level, which the run's page shows at the top."""
        return re.findall(f"(?m)^::{level}::(.*)$", self.log)


def _run_job(directory: Path, at: str, chain: str, raw: str) -> Job:
    """Run the steps of the job as a runner does, without the installation.

    See https://docs.github.com/actions: "steps[*].shell" and "status check functions".
    """
    summary = directory / "summary.md"
    summary.touch()
    more = {"CHAIN_ID": chain, "RAW_TRANSACTION": raw, "GITHUB_STEP_SUMMARY": str(summary)}
    ends: list[subprocess.CompletedProcess[str]] = []
    for step in _steps()[1:]:
        failed = any(end.returncode for end in ends)
        wanted = step.get("if", "success()")
        if (failed and wanted != "always()") or (wanted.startswith("env.RAW") and not raw):
            continue
        shell = {"python": (sys.executable, "-c")}.get(step.get("shell", ""), ("bash", "-e", "-c"))
        script = step["run"].replace("--until-usable 60s", "--until-usable 2s")
        ends.append(run(*shell, script, at=at, more=more, directory=directory))
    log = "".join(end.stdout + end.stderr for end in ends)
    return Job([end.returncode for end in ends], log, summary.read_text())


def test_the_smoke_test_lands_a_transaction(tmp_path: Path, node: Anvil, fresh_tx: FreshTx) -> None:
    signed = fresh_tx()
    with Relaying(node.url) as other:
        job = _run_job(tmp_path, f"{node.url},{other.url}", "31337", signed.raw)
    assert job.codes == [0, 0, 0], job
    assert "::" not in job.log
    assert f"Transaction {signed.hash}: **accepted**" in job.summary
    assert job.summary.count("| usable |") == 2
    assert json.loads((tmp_path / "sent.json").read_text())["receipt"]["status"] == "0x1"


def test_the_smoke_test_warns_about_each_endpoint_that_fails(tmp_path: Path, node: Anvil) -> None:
    """The text of a server is neither a runner command nor markup, and no secret is shown."""
    said = b"off%0A::error::injected | <b>bold</b>\n::error::again"
    with dead() as nobody, Replying(http(503, said, {"Content-Type": "text/plain"})) as hostile:
        secret = nobody.url.replace("http://", "http://user:s3cret@")
        at = f"{secret},{node.url},{hostile.url}/0123456789abcdef0123"
        job = _run_job(tmp_path, at, "31337", "")
    assert job.codes == [0, 0], job
    refused, off = job.annotations("warning")
    assert refused.startswith(
        f"endpoint 1 {nobody.url.replace('//', '//***@')}: connection refused"
    )
    assert off.startswith(f"endpoint 3 {hostile.url}/***: HTTP 503: off%250A::error::injected |")
    assert not job.annotations("error")
    assert "| usable |" in job.summary
    rows = [line for line in job.summary.splitlines() if line.startswith("|")]
    assert [row.count("|") for row in rows] == [8] * 5
    assert "<b>" not in job.summary
    assert "s3cret" not in job.log + job.summary
    assert "0123456789abcdef" not in job.log + job.summary


def test_the_smoke_test_fails_if_no_endpoint_is_usable(
    tmp_path: Path, node: Anvil, fresh_tx: FreshTx
) -> None:
    for chain, code, said in (
        ("10", 4, f"endpoint 1 {node.url}: chain id 31337"),
        ("", 2, "--chain-id: '' is not a whole number"),
    ):
        job = _run_job(tmp_path, node.url, chain, fresh_tx().raw)
        assert job.codes == [code, 0], job  # nothing was sent
        (error,) = job.annotations("error")
        assert said in error


def test_the_smoke_test_says_why_a_transaction_is_refused(
    tmp_path: Path, node: Anvil, wallet: Wallet, fresh_tx: FreshTx
) -> None:
    spent = fresh_tx()
    assert run("seqsend", "send", spent.raw, "--wait", at=node.url).returncode == 0
    other = wallet.sign(2, nonce=0, value=7)
    job = _run_job(tmp_path, node.url, "31337", other.raw)
    assert job.codes == [0, 3, 0], job
    (error,) = job.annotations("error")
    assert error.startswith(f"transaction {other.hash}: rejected: nonce too low")
    assert f"Transaction {other.hash}: **rejected**" in job.summary


# pip asks for a partial clone, for which git would fetch the rest of a local one again and again.
GIT = """#!/bin/sh
for word; do
    shift
    case $word in
    --filter=*) ;;
    *) set -- "$@" "$word" ;;
    esac
done
exec "$GIT" "$@"
"""


def test_the_smoke_test_installs_from_a_git_url(tmp_path: Path) -> None:
    """pip and git install from this clone instead of the address that the reader fills in."""
    clone, installed, wrapper = (tmp_path / name for name in ("clone.git", "installed", "git"))
    for words in (
        ("clone", "--quiet", "--bare", str(ROOT), str(clone)),
        ("-C", str(clone), "branch", "--quiet", "--force", "main", "HEAD"),
    ):
        subprocess.run(["git", *words], check=True)
    wrapper.write_text(GIT)
    wrapper.chmod(0o755)
    config = {
        f"url.{clone.as_uri()}.insteadOf": "https://github.com/OWNER/seqsend",
        "protocol.https.allow": "never",
    }
    more = {
        "PATH": f"{tmp_path}:{PATH}",
        "GIT": find_program("git", "git"),
        "GIT_CONFIG_COUNT": str(len(config)),
        **{f"GIT_CONFIG_KEY_{n}": key for n, key in enumerate(config)},
        **{f"GIT_CONFIG_VALUE_{n}": value for n, value in enumerate(config.values())},
        "PIP_TARGET": str(installed),
        # No network: what the build needs is already installed.
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip stores the option's value: 0 means no isolation
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    done = run("bash", "-e", "-c", _steps()[0]["run"], directory=tmp_path, more=more)
    assert done.returncode == 0, done
    assert (installed / "seqsend" / "__main__.py").is_file()


# Library


def test_the_library_example_reports_every_outcome(node: Anvil, fresh_tx: FreshTx) -> None:
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


def test_prometheus_accepts_the_alerts_and_each_is_tested_firing_and_silent() -> None:
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


def test_dashboard_and_alerts_use_every_metric_and_no_other() -> None:
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
    assert named == written
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_dashboards_table_joins_and_names_every_endpoint_column() -> None:
    """Rows are joined by machine and endpoint; each column has a name and a position."""
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    (table,) = [panel for panel in panels if panel["type"] == "table"]
    first, *others = table["targets"]
    assert "by (instance, endpoint, address, client) (seqsend_endpoint_info" in first["expr"]
    assert all("max by (instance, endpoint) (" in target["expr"] for target in others)
    assert all(target["format"] == "table" and target["instant"] for target in table["targets"])
    merge, organize = table["transformations"]
    assert (merge["id"], organize["id"]) == ("merge", "organize")
    # Grafana's names for the results of a panel's queries.
    values = [f"Value #{target['refId']}" for target in others]
    columns = ["instance", "endpoint", "address", "client", *values]
    names = organize["options"]["renameByName"]
    assert list(names) == columns == list(organize["options"]["indexByName"])
    overridden = {each["matcher"]["options"] for each in table["fieldConfig"]["overrides"]}
    assert overridden == {names[value] for value in values}


def test_no_panel_covers_another() -> None:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    covered = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(covered)) == len(covered)
    assert max(x for x, _ in covered) < 24  # the width of Grafana's grid


@pytest.mark.parametrize(
    "query",
    [
        target["expr"]
        for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]
        for target in panel["targets"]
    ],
)
def test_prometheus_parses_each_query_of_the_dashboard(query: str, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    expr = query.replace("$instance", ".*")
    rules.write_text(
        yaml.safe_dump({"groups": [{"name": "g", "rules": [{"record": "a", "expr": expr}]}]})
    )
    done = run(find_program("promtool", PACKAGE), "check", "rules", str(rules))
    assert done.returncode == 0, done


def test_systemd_accepts_the_units_and_their_command_writes_metrics(
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
