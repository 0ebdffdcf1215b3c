"""The contents of the built packages, and their installation into an empty environment."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from seqsend.version import __version__
from tests.conftest import FreshTx
from tests.support.documents import ROOT
from tests.support.node import Anvil

# Collected by setup.sh, so that these tests need no network.
WHEELS = Path(sys.prefix) / "wheels"
OFFLINE = {
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": str(WHEELS),
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


def _run(*words: str | Path, directory: Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, words)),
        cwd=directory,
        env={**OFFLINE, "HOME": str(directory), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=55,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def _tracked() -> set[str]:
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    return {name for name in listed if (ROOT / name).exists()}


def _build(directory: Path) -> dict[str, Path]:
    """Build an sdist and a wheel from a copy of the tracked files."""
    source = directory / "source"
    for name in _tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    (source / "seqsend" / "left.pyc").touch()
    words = ("-m", "build", "--no-isolation", "--outdir", directory / "dist", ".")
    _run(sys.executable, *words, directory=source)
    return {path.suffix: path for path in (directory / "dist").iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist (``.gz``) and the wheel (``.whl``)."""
    return _build(tmp_path_factory.mktemp("built"))


def test_a_build_in_another_directory_gives_the_same_bytes(
    built: dict[str, Path], tmp_path: Path
) -> None:
    again = _build(tmp_path)
    assert [p.name for p in again.values()] == [p.name for p in built.values()]
    for kind, path in built.items():
        one, two = (hashlib.sha256(p.read_bytes()).hexdigest() for p in (path, again[kind]))
        assert one == two, kind


def test_the_sdist_has_the_tracked_files_and_nothing_else(
    built: dict[str, Path],
) -> None:
    top = f"seqsend-{__version__}"
    with tarfile.open(built[".gz"]) as archive:
        names = {name.removeprefix(f"{top}/") for name in archive.getnames()}
    assert names == {n for n in _tracked() if not n.startswith(".ci/")} | {"PKG-INFO"}


def test_the_wheel_has_the_program_and_nothing_else(built: dict[str, Path]) -> None:
    about = f"seqsend-{__version__}.dist-info"
    with zipfile.ZipFile(built[".whl"]) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"{about}/METADATA").decode()
    program = {n for n in _tracked() if n.startswith("seqsend/")}
    assert "seqsend/py.typed" in program
    files = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    assert names == program | {f"{about}/{name}" for name in files}
    head = metadata.split("\n\n")[0]
    assert "License-Expression: MIT\n" in head
    assert "Requires-Python: >=3.11\n" in head
    assert "Author: seqsend contributors\n" in head
    assert re.findall("Provides-Extra: (.*)", head) == ["fast"]  # what tests need is not an extra
    assert "http" not in head  # the project has no public address yet
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_wheel_installs_into_an_empty_environment(
    built: dict[str, Path], tmp_path: Path, node: Anvil, fresh_tx: FreshTx
) -> None:
    _run(sys.executable, "-m", "venv", "empty", directory=tmp_path)
    python = tmp_path / "empty" / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", built[".whl"], directory=tmp_path)
    _run(python, "-m", "pip", "check", directory=tmp_path)
    signed = fresh_tx()
    words = ("send", signed.raw, f"--rollup.sequencer={node.url}", "--metrics-file=m.prom")
    output = _run(tmp_path / "empty" / "bin" / "seqsend", *words, directory=tmp_path)
    assert output == f"{signed.hash}\n"
    assert (tmp_path / "m.prom").exists()
    output = _run(python, "-c", "import seqsend; print(seqsend.__file__)", directory=tmp_path)
    assert Path(output.strip()).is_relative_to(tmp_path)


def test_installs_with_pipx_as_the_recipes_say(
    built: dict[str, Path], tmp_path: Path, node: Anvil
) -> None:
    with tarfile.open(built[".gz"]) as archive:
        archive.extractall(tmp_path, filter="data")
    own = {f"PIPX_{name}_DIR": str(tmp_path / name) for name in ("BIN", "MAN")}
    own["PIPX_HOME"] = str(tmp_path / "home")
    source = tmp_path / f"seqsend-{__version__}"
    _run("pipx", "install", ".", directory=source, **own)
    program = tmp_path / "BIN" / "seqsend"
    assert _run(program, "--version", directory=tmp_path) == f"seqsend {__version__}\n"
    _run(program, "check", f"--rollup.sequencer={node.url}", directory=tmp_path)
