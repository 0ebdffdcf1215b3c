"""The program's outermost error handler."""

import errno
import sys
from types import SimpleNamespace

import pytest

from seqsend import __main__ as program


def _run_with(monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> object:
    def fail(_arguments: list[str]) -> int:
        raise raised

    # main() turns off the garbage collector of its process, which here runs the tests.
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
    out, err = capsys.readouterr()
    assert out == ""
    assert "a defect of seqsend, please report it: RuntimeError in fail (test_main.py:" in err
    assert "s3cret" not in err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EMFILE, "u:s3cret"), "too many open files on this machine"),
        (OSError(errno.ENFILE, "u:s3cret"), "too many open files on this machine"),
        (MemoryError(), "this machine is out of memory"),
    ],
)
def test_a_lack_of_memory_or_descriptors_is_not_a_defect(
    error: Exception,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run_with(monkeypatch, error) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert "defect" not in err
    assert "s3cret" not in err


def test_a_defect_exits_1_even_if_stderr_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert _run_with(monkeypatch, RuntimeError()) == 1


def test_an_interrupt_before_anything_runs_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run_with(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == ""
