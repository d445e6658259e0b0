"""A shard and its index: made whole or not at all, the same bytes each time, and not again if it is there.

T samples.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from jointst.common.errors import DataError
from jointst.common.units import Hertz
from jointst.data.shards.sources import Utterance
from jointst.kaldi.audio import Samples, file_behind
from jointst.kaldi.places import Place
from jointst.kaldi.storage import put_bytes, put_file, read_whole, scratch_for, size_of

VERSION = 1
"""Raised when the same utterances give another shard."""
FULL = 32768


@dataclass(frozen=True)
class ShardJob:
    """Some utterances that become a shard.

    Attributes:
        folder: path or URL of the shards.
        number: of this one.
        utterances: what goes into it.
        rate: of its sounds.
        anew: whether to make it even when it is there.
    """

    folder: str
    number: int
    utterances: tuple[Utterance, ...]
    rate: Hertz
    anew: bool = False

    @property
    def shard(self) -> str:
        """The tar file."""
        return f"{self.folder}/{self.number:06d}.tar"

    @property
    def index(self) -> str:
        """The file that says where each sound lies, written last."""
        return f"{self.folder}/{self.number:06d}.jsonl"

    def digest(self) -> str:
        """A hash of all that the shard depends on."""
        files = sorted({file_behind(utterance.entry) for utterance in self.utterances})
        stats = [os.stat(path) for path in files if os.path.exists(path)]
        stamps = [(found.st_size, found.st_mtime_ns) for found in stats]
        parts = (VERSION, self.rate, [asdict(utterance) for utterance in self.utterances], files, stamps)
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class Packed:
    """What a shard holds.

    Attributes:
        sounds: place and samples of each utterance.
        failures: what is wrong with those that are not in it.
        made: whether it was made now.
    """

    sounds: dict[str, tuple[Place, int]]
    failures: dict[str, str]
    made: bool


def pack(job: ShardJob) -> Packed:
    """Make a shard unless it is there already, of these very utterances.

    Raises:
        DataError: it cannot be written.
    """
    digest = job.digest()
    known = None if job.anew else _known(job, digest)
    if known is not None:
        return known
    with tempfile.TemporaryDirectory(prefix="jointst_shard_") as scratch:
        made = scratch_for(job.shard, Path(scratch))
        try:
            samples, failures = _write(job, made)
            places = _places(job, made)
            size = made.stat().st_size
            put_file(made, job.shard)
        finally:
            made.unlink(missing_ok=True)
    sounds = {name: (places[name], samples[name]) for name in samples}
    head = {"digest": digest, "bytes": size, "rate": job.rate, "failures": failures}
    lines = [head, *([name, place.first, place.size, count] for name, (place, count) in sounds.items())]
    content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    put_bytes(content.encode(), job.index)  # the shard is whole by now
    return Packed(sounds, failures, made=True)


def _known(job: ShardJob, digest: str) -> Packed | None:
    """What the shard holds that is there, if it was made of the same and is whole."""
    content = read_whole(job.index)
    if content is None:
        return None
    try:
        head, *lines = [json.loads(line) for line in content.decode().splitlines()]
        if head["digest"] != digest or head["bytes"] != size_of(job.shard):
            return None
        sounds = {name: (Place(job.shard, first, size), count) for name, first, size, count in lines}
        return Packed(sounds, head["failures"], made=False)
    except (ValueError, KeyError, TypeError, IndexError):  # damaged: it is made again
        return None


def _write(job: ShardJob, path: Path) -> tuple[dict[str, int], dict[str, str]]:
    """Write the tar file; samples of each utterance in it, and what is wrong with the others."""
    samples: dict[str, int] = {}
    failures: dict[str, str] = {}
    with open(path, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for utterance in job.utterances:
                try:
                    sound = utterance.samples(job.rate)
                except DataError as fault:
                    failures[utterance.name] = str(fault)
                    continue
                about: dict[str, object] = {
                    "utterance": utterance.name,
                    "text": utterance.text,
                    "language": utterance.language,
                }
                about |= {"speaker": utterance.speaker, "samples": len(sound), "rate": job.rate}
                _add(tar, f"{_key(utterance.name)}.flac", _flac(sound, job.rate))
                _add(tar, f"{_key(utterance.name)}.json", json.dumps(about, ensure_ascii=False).encode())
                samples[utterance.name] = len(sound)
        file.flush()
        os.fsync(file.fileno())
    return samples, failures


def _key(name: str) -> str:
    """An id as webdataset's key: without dots, where its extensions begin, and without slashes."""
    return quote(name, safe="").replace(".", "%2E")


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)  # of the first of January 1970 and of nobody: the same bytes each time
    info.size, info.mode = len(content), 0o644
    tar.addfile(info, io.BytesIO(content))


def _flac(samples: Samples, rate: Hertz) -> bytes:
    """Samples (T,) as FLAC of 16 bits."""
    import soundfile

    buffer = io.BytesIO()
    integers = np.clip(np.round(samples * FULL), -FULL, FULL - 1).astype(np.int16)
    soundfile.write(buffer, integers, round(rate), format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _places(job: ShardJob, path: Path) -> dict[str, Place]:
    """Where the tar file holds the sound of each utterance, as it reads itself."""
    names = {f"{_key(utterance.name)}.flac": utterance.name for utterance in job.utterances}
    found: dict[str, Place] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            if member.name in names:
                found[names[member.name]] = Place(job.shard, member.offset_data, member.size)
    return found
