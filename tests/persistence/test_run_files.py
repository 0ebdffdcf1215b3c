"""Files kept between runs are saved in time, and never hold up a run."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seqsend.cli.options import Connection, Settings
from seqsend.cli.run_files import RunFiles
from seqsend.endpoints import parse_endpoints
from seqsend.models import Attempt, Preferred

URLS = "http://seq1:8545,http://seq2:8545"


def _run_files(directory: Path, *, quiet: bool = False, deadline: float | None = None) -> RunFiles:
    connection = Connection(
        endpoints=URLS,
        headers={},
        endpoint_headers={},
        rollup_rpc=None,
        cacert=None,
        client_cert=None,
        client_key=None,
        dial_timeout=1,
        request_timeout=1,
        deadline=deadline,
        max_response_size=1,
    )
    settings = Settings(
        connection,
        reads_from=None,
        strict_errors=False,
        failback_after=None,
        retry_for=None,
        hedge_after=None,
        state_file=str(directory / "state"),
        metrics_file=str(directory / "m.prom"),
    )
    files = RunFiles(settings, quiet=quiet)
    second = parse_endpoints(URLS)[1]
    files(Preferred(second))
    files(Attempt(second, "eth_chainId", "answered", "answer", "yes", 0.1))
    return files


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    os.close(descriptor)


def test_a_long_run_saves_at_intervals_and_waits_for_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = _run_files(tmp_path)
    files.save_in_passing()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("seqsend.cli.run_files._EVERY", 0.0)
    with _locked(tmp_path):
        started = time.monotonic()
        files.save_in_passing()
        assert time.monotonic() - started < 1.0
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err == ""
    files.save_in_passing()
    assert {path.name for path in tmp_path.iterdir()} == {"state", "m.prom"}


def test_a_defect_while_saving_is_reported_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("seqsend.persistence.atomic_file.replace", fail)
    files = _run_files(tmp_path)
    files.save()
    files.save()
    err = capsys.readouterr().err
    assert err.count("a defect of seqsend, ZeroDivisionError") == 2  # once per file


def test_ctrl_c_while_saving_is_reported_and_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seqsend.persistence.atomic_file.replace", interrupt)
    _run_files(tmp_path).save()
    assert "interrupted by Ctrl-C; nothing is counted there this time" in capsys.readouterr().err
    _run_files(tmp_path, quiet=True).save()
    assert capsys.readouterr().err == ""


def test_the_deadline_bounds_the_wait_for_other_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = _run_files(tmp_path, deadline=0.3)
    with _locked(tmp_path):
        started = time.monotonic()
        files.save()
        assert time.monotonic() - started < 0.3 + 0.25 + 1  # without the deadline: twice 5 s
    assert "locked by another process" in capsys.readouterr().err
