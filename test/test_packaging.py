"""The wheel and the source distribution: what they hold works outside the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str | Path, cwd: Path) -> str:
    """Output of a command that knows nothing of this checkout."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files alone: a build writes beside them."""
    folder = tmp_path_factory.mktemp("sources")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.strip("\0").split("\0"):
        if name.startswith("jointst/") or "/" not in name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    run(*pip, "-w", out, sources, cwd=out)
    [path] = out.glob("jointst-*.whl")
    return path


def test_the_wheel_holds_the_package(wheel: Path, sources: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not re.match(r"jointst-[^/]*\.dist-info/", name)}
    tracked = {str(path.relative_to(sources)) for path in sources.glob("jointst/**/*") if path.is_file()}
    tracked = {name for name in tracked if "__pycache__" not in name}
    assert names == tracked


def test_the_sources_build_the_same_wheel(sources: Path, wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "setup.py", "-q", "sdist", "-d", tmp_path, cwd=sources)
    [path] = tmp_path.glob("jointst-*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path, filter="data")
    [folder] = (path for path in tmp_path.iterdir() if path.is_dir())
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    run(*pip, "-w", tmp_path, folder, cwd=tmp_path)
    [again] = tmp_path.glob("jointst-*.whl")
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_transcribes_outside_the_checkout(wheel: Path, packed_once: Path, tmp_path: Path) -> None:
    """In an environment of its own, which sees the installed dependencies but neither this checkout nor its install."""
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tmp_path)
    python = environment / "bin" / "python"
    [site] = environment.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile", "--target", site]
    run(*pip, wheel, cwd=tmp_path)
    # A folder in a .pth file: the .pth files inside it, and with them the checkout, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    where = run(python, "-c", "import jointst; print(jointst.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(site)
    sound = tmp_path / "a.wav"
    generator = np.random.default_rng(0)
    soundfile.write(sound, 0.1 * generator.standard_normal(16000), 16000)
    told = run(python, "-m", "jointst", "transcribe", "--model", packed_once, "--format", "jsonl", sound, cwd=tmp_path)
    assert '"text"' in told
    assert (site / "jointst" / "py.typed").is_file()
    scripts = [entry for entry in metadata.distributions(path=[str(site)]) if entry.name == "jointst"]
    [installed] = scripts
    assert [entry.value for entry in installed.entry_points if entry.name == "jointst"] == ["jointst.recipe.cli:main"]
    for line in installed.requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            version = metadata.version(requirement.name)
            assert requirement.specifier.contains(version.split("+")[0]), f"{line}, but {version} is installed"
