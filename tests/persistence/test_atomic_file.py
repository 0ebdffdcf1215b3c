"""A file kept between runs: read with care, replaced whole, left alone if it is not ours."""

import fcntl
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seqsend.errors import PersistenceError
from seqsend.persistence import atomic_file


def _add(path: Path, text: str, *, mode: int = 0o600, patience: float = 1) -> None:
    atomic_file.replace(str(path), lambda old: (old or "") + text, mode=mode, patience=patience)


def test_a_file_is_created_then_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert atomic_file.read(str(path)) is None
    _add(path, "a")
    first = path.stat()
    _add(path, "b", mode=0o666)
    assert (atomic_file.read(str(path)), path.read_text()) == ("ab", "ab")
    assert path.stat().st_ino != first.st_ino  # by rename: no reader sees half of it
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(first.st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_umask_limits_the_mode_of_a_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        _add(tmp_path / "file", "a", mode=0o666)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_an_empty_file_counts_as_new(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert atomic_file.read(str(tmp_path / "file")) is None
    _add(tmp_path / "file", "a")
    assert (tmp_path / "file").read_text() == "a"


def _symlink(path: Path) -> None:
    (path.parent / "target").write_text("precious")
    path.symlink_to("target")


def _read_only(path: Path) -> None:
    path.write_text("precious")
    path.chmod(0o444)


def _foreign(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give a file away")
    path.write_text("precious")
    os.chown(path, 12345, -1)


UNFIT: dict[str, Callable[[Path], object]] = {
    "symbolic link": _symlink,
    "read-only": _read_only,
    "another user": _foreign,
    "not a plain file": os.mkfifo,
    "a plain file": Path.mkdir,
    "not text": lambda path: path.write_bytes(b"\xff\xfe"),
    "too large": lambda path: path.write_bytes(b" " * 1024 * 1024),
}


@pytest.mark.parametrize("why", UNFIT)
def test_anything_but_a_plain_text_file_of_ours_is_left_unchanged(why: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    UNFIT[why](path)
    before = {p.name: (p.lstat(), p.is_file() and p.read_bytes()) for p in tmp_path.iterdir()}
    with pytest.raises(PersistenceError, match=why):
        atomic_file.read(str(path))
    with pytest.raises(PersistenceError, match=why):
        _add(path, "a")
    after = {p.name: (p.lstat(), p.is_file() and p.read_bytes()) for p in tmp_path.iterdir()}
    assert [(n, s.st_ino, s.st_mtime, d) for n, (s, d) in after.items()] == [
        (n, s.st_ino, s.st_mtime, d) for n, (s, d) in before.items()
    ]


def test_a_missing_directory_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(PersistenceError, match="no such file"):
        _add(tmp_path / "missing" / "file", "a")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_change_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    _add(path, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seqsend.persistence.atomic_file.os.replace", full)
    with pytest.raises(PersistenceError, match="no space left"):
        _add(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_ctrl_c_during_the_change_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    replace = os.replace

    def interrupted(*names: str) -> None:
        replace(*names)
        raise KeyboardInterrupt

    monkeypatch.setattr("seqsend.persistence.atomic_file.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _add(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "new"


def test_another_runs_lock_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "file"
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    started = time.monotonic()
    with pytest.raises(PersistenceError, match="locked"):
        _add(path, "a", patience=0.05)
    assert time.monotonic() - started >= 0.05
    os.close(descriptor)
    _add(path, "a")


ADD_MANY = """
import sys
from seqsend.persistence import atomic_file
for _ in range(50):
    atomic_file.replace(sys.argv[1], lambda old: str(int(old or 0) + 1), mode=0o600, patience=20)
"""


def test_no_change_is_lost_among_six_processes(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    runs = [subprocess.Popen([sys.executable, "-c", ADD_MANY, path]) for _ in range(6)]
    assert [run.wait(timeout=40) for run in runs] == [0] * 6
    assert atomic_file.read(path) == "300"
