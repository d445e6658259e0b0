"""tools/install.sh: what can be tested without a network: options, the stamp, no usable Python."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What install.sh reads, in a folder of its own."""
    for name in ("setup.py", "tools/install.sh", "tools/constraints.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def install(tree: Path, *options: str, python: str = "/bin/false") -> subprocess.CompletedProcess[str]:
    # With an interpreter that cannot work, a wrong decision to install fails instead of downloading.
    environment = {**os.environ, "PYTHON": python}
    command = [str(tree / "tools" / "install.sh"), *options]
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=60)


def stamp(tree: Path, *, extras: str = "", version: str | None = None) -> None:
    digest = hashlib.sha256((tree / "setup.py").read_bytes() + (tree / "tools" / "constraints.txt").read_bytes())
    lines = [digest.hexdigest(), version or platform.python_version(), str(tree), extras]
    (tree / ".venv" / ".jointst-stamp").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fast"], "unknown option --fast"),
        (["--extra"], "--extra needs a name"),
        (["--extra", "gpu"], "unknown extra gpu (dev, docs, cuda, corpora, tts, export, "),
    ],
)
def test_option_errors(tree: Path, options: list[str], message: str) -> None:
    done = install(tree, *options)
    assert done.returncode == 1
    assert message in done.stderr


def test_no_usable_python_is_said_clearly(tree: Path) -> None:
    done = install(tree)
    assert done.returncode == 1
    assert "no Python 3.10, 3.11 or 3.12 found" in done.stderr
    assert not (tree / ".venv").exists()


def test_nothing_to_do_is_quick_and_silent(tree: Path) -> None:
    venv.create(tree / ".venv", with_pip=False)
    stamp(tree, extras="dev export")
    seconds = []
    for options in ([], ["--extra", "dev"], ["--extra", "export", "--extra", "dev"]):
        started = time.monotonic()
        done = install(tree, *options)
        seconds.append(time.monotonic() - started)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert min(seconds) < 0.1


def test_changes_are_noticed(tree: Path) -> None:
    venv.create(tree / ".venv", with_pip=False)
    stamp(tree, extras="dev")
    assert install(tree, "--extra", "corpora").returncode == 1, "an extra is missing"
    venv.create(tree / ".venv", with_pip=False)
    stamp(tree)
    assert install(tree).returncode == 0
    stamp(tree, version="3.10.0")
    assert install(tree).returncode == 1, "another Python version"
    venv.create(tree / ".venv", with_pip=False)
    stamp(tree)
    with (tree / "tools" / "constraints.txt").open("a") as stream:
        stream.write("# changed\n")
    assert install(tree).returncode == 1, "other pins"


def test_an_interrupted_environment_is_remade(tree: Path) -> None:
    venv.create(tree / ".venv", with_pip=False)
    stamp(tree)
    (tree / ".venv" / ".jointst-unfinished").touch()
    (tree / ".venv" / "half").touch()
    done = install(tree)
    assert "the last run was interrupted: remaking .venv" in done.stderr
    assert not (tree / ".venv" / "half").exists()


def test_a_link_to_the_environment_of_another_copy_is_left_alone(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "tools").mkdir(parents=True)
    venv.create(other / ".venv", with_pip=False)
    (tree / ".venv").symlink_to(other / ".venv")
    stamp(tree)
    text = (tree / ".venv" / ".jointst-stamp").read_text().replace(str(tree), str(other))
    (other / ".venv" / ".jointst-stamp").write_text(text)
    before = {path: path.read_bytes() for path in other.rglob("*") if path.is_file() and not path.is_symlink()}
    done = install(tree)
    assert done.returncode == 1
    assert f"{tree}/.venv is a link to the environment of {other}: remove the link (rm .venv)" in done.stderr
    assert before == {path: path.read_bytes() for path in before}


def test_pins_hold_for_every_supported_python(tree: Path) -> None:
    from packaging.requirements import Requirement

    lines = (tree / "tools" / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.lstrip().startswith("#")]
    assert all(str(pin.specifier).startswith("==") for pin in pins)
    assert not any("/" in line for line in lines if not line.startswith("#")), "hosts or paths in the lock"
    for version in ("3.10", "3.11", "3.12"):
        environment = {"python_version": version, "python_full_version": f"{version}.1", "sys_platform": "linux"}
        chosen = [pin.name for pin in pins if pin.marker is None or pin.marker.evaluate(environment)]
        assert len(chosen) == len(set(chosen)), version
        assert {"torch", "numpy", "pytest", "uv", "setuptools"} <= set(chosen), version


def test_this_python_is_supported() -> None:
    assert (3, 10) <= sys.version_info[:2] <= (3, 12)
