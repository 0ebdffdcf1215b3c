"""The program's last net."""

import errno
import sys
from types import SimpleNamespace

import pytest

from seqsend import __main__ as program


def _run_with(monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> object:
    def fail(_arguments: list[str]) -> int:
        raise raised

    # It turns the collector off for its process, which is the tests' here.
    monkeypatch.setattr("seqsend.__main__.gc", SimpleNamespace(disable=int))
    monkeypatch.setattr("os._exit", sys.exit)
    monkeypatch.setattr("seqsend.cli.app.main", fail)
    monkeypatch.setattr(sys, "argv", ["seqsend", "send"])
    with pytest.raises(SystemExit) as caught:
        program.main()
    return caught.value.code


def test_a_defect_is_reported_with_its_place_and_without_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run_with(monkeypatch, RuntimeError("http://user:s3cret@host")) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "a defect of seqsend, please report it: RuntimeError in fail (test_main.py:" in told.err
    assert "s3cret" not in told.err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, "u:s3cret"), "too many open files on this machine"),
        (OSError(errno.ENFILE, "u:s3cret"), "too many open files on this machine"),
        (MemoryError(), "this machine is out of memory"),
    ],
)
def test_what_this_machine_lacks_is_not_a_defect(
    error: Exception,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run_with(monkeypatch, error) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: {said}")
    assert "defect" not in told
    assert "s3cret" not in told


def test_a_defect_with_stderr_closed_has_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert _run_with(monkeypatch, RuntimeError()) == 1


def test_an_interrupt_before_anything_runs_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run_with(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == ""
