"""What is kept between runs is written in its time, and never in the way."""

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


def _memory(directory: Path, *, quiet: bool = False, deadline: float | None = None) -> RunFiles:
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
    memory = RunFiles(settings, quiet=quiet)
    second = parse_endpoints(URLS)[1]
    memory(Preferred(second))
    memory(Attempt(second, "eth_chainId", "answered", "answer", "yes", 0.1))
    return memory


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    os.close(descriptor)


def test_a_long_run_writes_now_and_then_and_waits_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = _memory(tmp_path)
    memory.save_in_passing()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("seqsend.cli.run_files._EVERY", 0.0)
    with _locked(tmp_path):
        started = time.monotonic()
        memory.save_in_passing()
        assert time.monotonic() - started < 1.0
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err == ""
    memory.save_in_passing()
    assert {path.name for path in tmp_path.iterdir()} == {"state", "m.prom"}


def test_even_a_defect_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("seqsend.persistence.atomic_file.replace", fail)
    memory = _memory(tmp_path)
    memory.save()
    memory.save()
    told = capsys.readouterr().err
    assert told.count("a defect of seqsend, ZeroDivisionError") == 2  # once for each file


def test_ctrl_c_while_it_is_written_is_no_end_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seqsend.persistence.atomic_file.replace", interrupt)
    _memory(tmp_path).save()
    assert "interrupted by Ctrl-C; nothing is counted there this time" in capsys.readouterr().err
    _memory(tmp_path, quiet=True).save()
    assert capsys.readouterr().err == ""


def test_the_deadline_bounds_the_wait_for_other_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = _memory(tmp_path, deadline=0.3)
    with _locked(tmp_path):
        started = time.monotonic()
        memory.save()
        assert time.monotonic() - started < 0.3 + 0.25 + 1  # without the deadline: twice 5 s
    assert "locked by another process" in capsys.readouterr().err
