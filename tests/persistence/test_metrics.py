"""What is counted, and how the file with the counts is kept."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend import Diagnosis, EndpointReport, Head, Rejected, SequencerClient, Unreachable
from seqsend.endpoints import parse_endpoints
from seqsend.errors import PersistenceError
from seqsend.persistence.metrics import _BUCKETS, _END, Metrics, _format, _parse
from seqsend.waiting import SignalReceived, Signals
from tests.conftest import FreshTx
from tests.support.cli import read_line, seqsend, start
from tests.support.moments import is_asleep, until
from tests.support.node import Anvil
from tests.support.prometheus import Values, read_metrics
from tests.support.servers import Replying, Silent, dead, jsonrpc_error
from tests.support.wallet import Wallet


def _plain(values: Values) -> Mapping[str, float]:
    """Return the samples without labels, by their names without the common prefix."""
    return {name.removeprefix("seqsend_"): v for (name, labels), v in values.items() if not labels}


def _attempts(values: Values) -> dict[tuple[str, ...], float]:
    return {
        tuple(value for _, value in labels): count
        for (name, labels), count in values.items()
        if name == "seqsend_attempts_total"
    }


def test_counts_add_up_over_runs(tmp_path: Path, node: Anvil, fresh_tx: FreshTx) -> None:
    path = tmp_path / "seqsend.prom"
    kept = f"--metrics-file={path}"
    signed = fresh_tx()
    with dead() as nobody:
        at = f"--rollup.sequencer={nobody.url},{node.url}"
        assert seqsend("send", signed.raw, at, kept).code == 0
        assert seqsend("send", signed.raw, at, kept).code == 0  # known, by a look-up
        assert seqsend("rpc", "eth_noSuchMethod", at, kept).code == 3
        assert seqsend("rpc", "eth_chainId", f"--rollup.sequencer={nobody.url}", kept).code == 4
        assert seqsend("send", "0x", at, kept).code == 2  # no call at all
    found = read_metrics(path)
    plain = _plain(found)
    assert {k: v for k, v in plain.items() if k.endswith("_total")} == {
        "calls_total": 4,
        "successes_total": 2,
        "failures_total": 2,
        "failovers_total": 3,
    }
    assert _attempts(found) == {
        ("1", "failover", "dial"): 3,
        ("1", "outage", "dial"): 1,
        ("2", "answered", "answer"): 1,
        ("2", "verdict", "answer"): 1,
        ("2", "outage", "answer"): 1,  # no such method
        ("2", "found", "answer"): 1,
    }
    assert plain["preferred_endpoint"] == 1  # of the last run
    assert plain["forward_latency_seconds_count"] == 2
    assert 0 < plain["forward_latency_seconds_sum"] < 20
    assert found["seqsend_forward_latency_seconds_bucket", (("le", "+Inf"),)] == 2
    assert path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["seqsend.prom"]


def test_each_transaction_counts_as_a_call_in_a_batch_too_and_no_receipt_does(
    tmp_path: Path, wallet: Wallet
) -> None:
    path = tmp_path / "seqsend.prom"
    with Anvil() as node:
        raws = [wallet.sign(2, nonce=nonce).raw for nonce in range(5)]
        words = (f"--rollup.sequencer={node.url}", f"--metrics-file={path}", "--wait")
        assert seqsend("send", *raws, "--batch-size=3", *words).code == 0
        assert seqsend("send", *raws, *words).code == 0
    found = _plain(read_metrics(path))
    assert (found["calls_total"], found["successes_total"]) == (10, 10)
    assert found["forward_latency_seconds_count"] == 10


def test_check_replaces_everything_that_an_earlier_check_wrote(tmp_path: Path, node: Anvil) -> None:
    path = tmp_path / "seqsend.prom"
    with dead() as nobody:
        words = ("check", f"--metrics-file={path}")
        assert seqsend(*words, f"--rollup.sequencer={node.url},{nobody.url}").code == 8
        both = read_metrics(path)
        assert seqsend(*words, f"--rollup.sequencer={nobody.url}").code == 4
    one, two = (("endpoint", "1"),), (("endpoint", "2"),)
    assert (both["seqsend_endpoint_usable", one], both["seqsend_endpoint_usable", two]) == (1, 0)
    assert 0 < both["seqsend_endpoint_answer_seconds", one] < 10
    assert both["seqsend_endpoint_block_number", one] >= 0
    assert time.time() - both["seqsend_endpoint_head_timestamp_seconds", one] >= 0
    assert ("seqsend_endpoint_answer_seconds", two) not in both
    infos = [dict(labels) for name, labels in both if name == "seqsend_endpoint_info"]
    assert [info["address"] for info in infos] == [node.url, nobody.url]
    assert [info["client"].partition("/")[0] for info in infos] == ["anvil", ""]
    after = read_metrics(path)
    of_check = {key: value for key, value in after.items() if "endpoint_" in key[0]}
    info = (("address", nobody.url), ("client", ""), *one)
    assert of_check == {("seqsend_endpoint_usable", one): 0, ("seqsend_endpoint_info", info): 1}
    # No metrics of calls: a node_exporter that also reads a file of calls would see them twice.
    assert of_check == after


def test_check_writes_the_times_of_heads_and_who_is_active(tmp_path: Path) -> None:
    path = tmp_path / "seqsend.prom"
    endpoints = parse_endpoints(["http://one/key-of-thirty-characters-or-so", "http://two"])
    reports = (
        EndpointReport(endpoints[0], "usable", head=Head(7, 99), safe=Head(5, 90), role="active"),
        EndpointReport(endpoints[1], "STANDBY", head=Head(2**64 - 1), role="standby"),
    )
    metrics = Metrics(str(path))
    metrics.note(Diagnosis(reports, 0.1))
    metrics.save(patience=5)
    found = {
        (name.removeprefix("seqsend_endpoint_"), dict(labels)["endpoint"]): value
        for (name, labels), value in read_metrics(path).items()
    }
    assert found == {
        ("usable", "1"): 1,
        ("usable", "2"): 1,
        ("block_number", "1"): 7,
        ("block_number", "2"): float(2**64 - 1),
        ("head_timestamp_seconds", "1"): 99,
        ("safe_timestamp_seconds", "1"): 90,
        ("active", "1"): 1,
        ("active", "2"): 0,
        ("info", "1"): 1,
        ("info", "2"): 1,
    }
    assert "key-of-thirty" not in path.read_text()


def test_fifty_concurrent_runs_share_their_files_and_lose_no_count(
    tmp_path: Path, node: Anvil
) -> None:
    path, state = tmp_path / "seqsend.prom", tmp_path / "state"
    with dead() as nobody:
        words = [
            *("rpc", "eth_chainId"),
            f"--rollup.sequencer={nobody.url},{node.url}",
            f"--metrics-file={path}",
            f"--state-file={state}",
        ]
        # Other tests measure time meanwhile, hence nice; a higher value would starve the process
        # that holds the lock.
        runs = [start(*words, within=("nice", "-n", "5")) for _ in range(50)]
        ends = [(*run.communicate(timeout=55), run.returncode) for run in runs]
    assert [(out, code) for out, _, code in ends] == [("0x7a69\n", 0)] * 50
    assert not [err for _, err, _ in ends if "warning" in err]
    found = read_metrics(path)
    plain = _plain(found)
    assert (plain["calls_total"], plain["successes_total"], plain["failures_total"]) == (50, 50, 0)
    answered, failed = ("2", "answered", "answer"), ("1", "failover", "dial")
    assert _attempts(found) == {answered: 50, failed: plain["failovers_total"]}
    (entry,) = json.loads(state.read_text())["lists"].values()
    assert entry["preferred"] == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("node_load1 0.5\n", "node_load1"),
        ("<html>", "text format"),
        (
            "# TYPE seqsend_calls_total counter\nseqsend_calls_total NaN\n",
            "not in the form that seqsend",
        ),
        (
            "# TYPE seqsend_calls_total counter\nseqsend_calls_total -1\n",
            "not in the form that seqsend",
        ),
        ("# TYPE seqsend_calls_total gauge\nseqsend_calls_total 1\n", "not one of seqsend"),
        (
            '# TYPE seqsend_calls_total counter\nseqsend_calls_total{a="b"} 1\n',
            "not in the form that seqsend",
        ),
        ("# TYPE seqsend_calls_total counter\nseqsend_calls_total 1", "a part"),
        ("# TYPE seqsend_calls_total counter\nseqsend_calls_total 1\n", "a part"),
    ],
)
def test_an_invalid_file_is_kept_with_a_warning_and_stops_nothing(
    text: str, why: str, tmp_path: Path, node: Anvil
) -> None:
    path = tmp_path / "seqsend.prom"
    path.write_text(text)
    run = seqsend("rpc", "eth_chainId", f"--rollup.sequencer={node.url}", f"--metrics-file={path}")
    assert (run.code, run.out) == (0, "0x7a69\n")
    assert run.err.count("warning: ") == 1
    assert "; nothing is counted there until it is repaired or removed\n" in run.err
    assert f"warning: --metrics-file {path}: " in run.err
    assert why in run.err
    assert path.read_text() == text


def test_a_histogram_with_other_buckets_is_not_added_to(tmp_path: Path) -> None:
    name = "seqsend_forward_latency_seconds"
    ours = _format({(f"{name}_sum", ()): 1.0} | {(f"{name}_bucket", (b,)): 1.0 for b in _BUCKETS})
    assert _parse(ours)[f"{name}_bucket", ("0.5",)] == 1
    with pytest.raises(PersistenceError, match="other buckets"):
        _parse(ours.replace('le="0.5"', 'le="0.6"'))


@pytest.mark.parametrize(
    ("name", "labels"),
    [("seqsend_forward_latency_seconds", ""), ("seqsend_inclusion_latency_seconds", "level")],
)
def test_a_histogram_without_buckets_is_not_added_to(name: str, labels: str) -> None:
    shown = f'{{{labels}="safe"}}' if labels else ""
    with pytest.raises(PersistenceError, match="other buckets"):
        _parse(f"# TYPE {name} histogram\n{name}_sum{shown} 1.0\n{_END}")


SAMPLES = st.dictionaries(
    st.sampled_from(
        [f"seqsend_{name}_total" for name in ("calls", "successes", "failures", "failovers")]
    ),
    st.integers(0, 2**53).map(float),
    min_size=4,
)


@given(SAMPLES, st.data())
def test_a_truncated_file_is_always_recognised(samples: dict[str, float], data: Any) -> None:
    whole = _format({(name, ()): value for name, value in samples.items()})
    assert _parse(whole) == {(name, ()): value for name, value in samples.items()}
    part = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(PersistenceError):
        _parse(part)


def test_a_symbolic_link_is_not_followed(tmp_path: Path, node: Anvil) -> None:
    target, path = tmp_path / "target", tmp_path / "seqsend.prom"
    path.symlink_to(target)
    at = f"--rollup.sequencer={node.url}"
    run = seqsend("rpc", "eth_chainId", at, f"--metrics-file={path}", f"--state-file={path}")
    assert (run.code, run.out) == (0, "0x7a69\n")
    assert run.err.count("symbolic link") == 2
    assert not target.exists()
    assert path.is_symlink()
    quiet = seqsend("rpc", "eth_chainId", at, f"--metrics-file={path}", "-q")
    assert (quiet.code, quiet.err) == (0, "")


def test_a_name_that_no_collector_reads_is_refused(node: Anvil) -> None:
    at = f"--rollup.sequencer={node.url}"
    run = seqsend("rpc", "eth_chainId", at, environment={"SEQSEND_METRICS_FILE": "metrics.txt"})
    assert run.code == 2
    assert "SEQSEND_METRICS_FILE: 'metrics.txt' does not end in .prom" in run.err


def test_counts_are_kept_until_they_can_be_saved(tmp_path: Path, node: Anvil) -> None:
    path = tmp_path / "seqsend.prom"
    path.mkdir()
    metrics = Metrics(str(path))
    with SequencerClient(node.url, observer=metrics) as client:
        client.request("eth_chainId")
        with pytest.raises(PersistenceError):
            metrics.save(patience=1)
        path.rmdir()
        with pytest.raises(Rejected):
            client.request("eth_noSuchMethod")
    metrics.save(patience=1)
    written = path.stat().st_ino
    metrics.save(patience=1)  # nothing new: nothing is counted twice or written
    assert path.stat().st_ino == written
    found = _plain(read_metrics(path))
    assert (found["calls_total"], found["successes_total"], found["failures_total"]) == (2, 1, 1)


def test_an_interrupted_run_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "seqsend.prom"
    with Silent() as silent:
        at = f"--rollup.sequencer={silent.url}"
        process = start("rpc", "eth_chainId", at, f"--metrics-file={path}")
        until(lambda: silent.requests and is_asleep(process))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    found = read_metrics(path)
    assert (_plain(found)["calls_total"], _plain(found)["failures_total"]) == (1, 1)
    assert _attempts(found) == {("1", "interrupted", "answer"): 1}


def test_every_result_of_a_watch_is_saved(tmp_path: Path, node: Anvil) -> None:
    path = tmp_path / "seqsend.prom"
    at = f"--rollup.sequencer={node.url}"
    process = start("check", "--watch=50ms", "-q", at, f"--metrics-file={path}")
    until(path.exists, within=20)
    written = path.stat().st_ino
    until(lambda: path.stat().st_ino != written)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert read_metrics(path)["seqsend_endpoint_usable", (("endpoint", "1"),)] == 1


def test_ctrl_c_ends_a_watch_that_is_saving(tmp_path: Path, node: Anvil) -> None:
    at = f"--rollup.sequencer={node.url}"
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # another run is writing
    process = start("check", "--watch=50ms", at, f"--metrics-file={tmp_path / 'seqsend.prom'}")
    read_line(process)  # the result is printed before it is saved
    until(lambda: is_asleep(process))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    os.close(descriptor)
    assert process.returncode == 130


def test_a_signal_while_another_run_is_writing_loses_no_count(tmp_path: Path) -> None:
    metrics = Metrics(str(tmp_path / "seqsend.prom"))
    with (
        dead() as nobody,
        SequencerClient(nobody.url, observer=metrics) as client,
        pytest.raises(Unreachable),
    ):
        client.request("eth_chainId")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # another run is writing
    with Signals([signal.SIGUSR1]):
        signal.raise_signal(signal.SIGUSR1)
        with pytest.raises(SignalReceived):
            metrics.save(patience=20)
    os.close(descriptor)
    metrics.save(patience=1)
    assert _plain(read_metrics(tmp_path / "seqsend.prom"))["calls_total"] == 1


def test_no_secret_or_address_is_in_the_files_of_a_call(tmp_path: Path) -> None:
    path = tmp_path / "seqsend.prom"

    def quote(request: Any) -> bytes:
        return jsonrpc_error(request, -32000, f"at {request.path} {request.headers}")

    with Replying(quote) as server:
        url = f"http://user:hunter2@127.0.0.1:{server.port}/v2/0123456789abcdef0123?key=s3cret"
        files = (f"--metrics-file={path}", f"--state-file={tmp_path / 'state'}")
        seqsend("rpc", "eth_chainId", f"--rollup.sequencer=http://127.0.0.1:1,{url},{url}2", *files)
    text = path.read_text() + (tmp_path / "state").read_text()
    assert not [s for s in ("hunter2", "0123456789abcdef", "s3cret", "127.0.0.1") if s in text]
