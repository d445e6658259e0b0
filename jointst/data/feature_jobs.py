"""Features of some utterances of a set in an ark, or where their audio is: what one process of stage 4 does in turn."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.common.processes import temporary
from jointst.common.units import Seconds
from jointst.config import AudioEncoderConfig, FeatureConfig
from jointst.data.on_the_fly import SUFFIX, Recipe, Spoken
from jointst.data.shards import LENGTHS
from jointst.kaldi.audio import Samples, file_behind, load_audio
from jointst.kaldi.directory import Segment
from jointst.kaldi.speed import change_speed, speed_ratio, with_speed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# N frames, F values of a frame

VERSION = 3
"""Raised when the same settings give other features, so that arks of before are not taken over."""
TOGETHER = 64
"""Utterances whose audio is in memory at a time, for a pretrained encoder to read with others of their length."""


@dataclass(frozen=True)
class Hearing:
    """A pretrained encoder that features are made with or for.

    Attributes:
        settings: which.
        folder: where its weights are.
        sha256: of its files.
    """

    settings: AudioEncoderConfig
    folder: Path
    sha256: str


@dataclass(frozen=True)
class Job:
    """Some utterances of one set at one speed; what it makes follows from this and from its audio files alone.

    ``utterances`` holds (utterance in the set, its ``wav.scp`` entry, its segment). ``encoder`` is a pretrained one, if
    there is one. ``anew`` says to do it even when it is finished. ``seconds`` are the lengths of utterances in shards,
    of which every ``measured``-th is read for the statistics, or none for 0. A frozen
    encoder works on one of ``ngpu`` GPUs.
    """

    folder: Path
    number: int
    wav_scp: Path
    utterances: tuple[tuple[str, str, Segment | None], ...]
    speed: float
    config: FeatureConfig
    encoder: Hearing | None = None
    anew: bool = False
    seconds: tuple[Seconds, ...] = ()
    measured: int = 1
    ngpu: int = 0

    @property
    def ark(self) -> Path:
        """The ark it writes, or the file that says where the audio is of which features are made each time."""
        return self.folder / f"feats.{self.number}{'.ark' if self.config.stored else SUFFIX}"

    @property
    def recipe(self) -> Recipe:
        """What its features are made with."""
        encoder = None if self.encoder is None else (self.encoder.settings, self.encoder.folder)
        return Recipe(self.config, encoder, self.wav_scp)

    @property
    def record(self) -> Path:
        """The file that says it is finished, written last."""
        return self.folder / f"feats.{self.number}.json"

    def digest(self) -> str:
        """A hash of all that its features depend on."""
        audio = sorted({file_behind(entry) for _, entry, _ in self.utterances})
        stats = [os.stat(path) for path in audio if os.path.exists(path)]
        settings = self.config.stated()
        for unused in ("speed_perturbation", "cmvn", "max_failures"):
            del settings[unused]
        encoder = self.encoder
        heard: list[object] = [] if encoder is None else [(encoder.settings.kind, encoder.settings.use, encoder.sha256)]
        heard += [(self.seconds, self.measured)] if self.seconds else []
        parts = (
            VERSION,
            settings,
            self.speed,
            self.utterances,
            audio,
            [(s.st_size, s.st_mtime_ns) for s in stats],
            *heard,
        )
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def do_job(job: Job) -> dict[str, Any]:
    """Compute a job's features unless they are there already.

    Returns:
        Its record: offsets and frames by utterance, failures, and the sums that CMVN needs.
    """
    digest = job.digest()
    if job.ark.is_file() and job.record.is_file() and not job.anew:
        try:
            record: dict[str, Any] = json.loads(job.record.read_text())
        except ValueError:
            record = {}  # half written by a killed run of before: made again
        if record.get("digest") == digest:
            return record
    import torch

    torch.set_num_threads(1)  # one process for each core
    job.folder.mkdir(parents=True, exist_ok=True)
    ark, written = temporary(job.ark), temporary(job.record)
    try:
        record = {"digest": digest, **_write_ark(job, ark)}
        write_atomically(written, json.dumps(record))
        # Both are whole: from here on a full disk stops nothing, and a kill leaves an ark without a record.
        job.record.unlink(missing_ok=True)
        os.replace(ark, job.ark)
        os.replace(written, job.record)
        for other in {".ark", SUFFIX} - {job.ark.suffix}:  # of before, which feats.scp will name no more
            job.ark.with_suffix(other).unlink(missing_ok=True)
    except OSError as error:
        error.filename = str(job.ark)  # a full disk does not say where
        raise
    finally:
        ark.unlink(missing_ok=True)
        written.unlink(missing_ok=True)
    return record


def _write_ark(job: Job, path: Path) -> dict[str, Any]:
    import numpy as np

    frames: dict[str, int] = {}
    offsets: dict[str, int] = {}
    failures: dict[str, str] = {}
    sums: NDArray[np.float64] | None = None
    counted = 0
    with open(path, "wb") as ark:
        write = _writer(job, ark)
        for (utterance, entry, segment), (count, matrix) in zip(job.utterances, _found(job), strict=True):
            key = with_speed(utterance, job.speed)
            if isinstance(count, DataError):
                failures[utterance] = str(count)
                continue
            offsets[key] = write(Spoken(job.recipe, utterance, entry, segment, job.speed, count), matrix)
            frames[key] = count
            if matrix is not None:
                counted += count
                own = np.stack((matrix.sum(axis=0, dtype=np.float64), np.square(matrix, dtype=np.float64).sum(axis=0)))
                sums = own if sums is None else sums + own
        ark.flush()
        os.fsync(ark.fileno())
    part = {"counted": counted} if job.seconds else {}
    record = {"frames": frames, "offsets": offsets, "failures": failures, **part}
    return {**record, "sums": [] if sums is None else sums.tolist()}


def _found(job: Job) -> Iterator[tuple[int | DataError, NDArray[np.float32] | None]]:
    """Frames of each utterance of a job, or what is wrong with its audio; and its features, where its audio is read."""
    if not job.seconds:
        for made in _features_of(job):
            yield (made, None) if isinstance(made, DataError) else (len(made), made)
        return
    every = job.measured
    part = dataclasses.replace(job, utterances=job.utterances[::every] if every else (), seconds=())
    heard = _features_of(part)
    for number, ((utterance, entry, _), seconds) in enumerate(zip(job.utterances, job.seconds, strict=True)):
        frames = _frames_in(job, utterance, entry, seconds)
        found = next(heard) if every and number % every == 0 else None
        if isinstance(found, DataError) or isinstance(frames, DataError):
            yield found if isinstance(found, DataError) else frames, None
        elif found is not None and len(found) != frames:
            problem = f"gives {len(found)} frames, and {frames} by {LENGTHS}"
            yield DataError(problem, path=entry, utterance=utterance, fix="run jointst shard again"), None
        else:
            yield frames, found


def _frames_in(job: Job, utterance: str, entry: str, seconds: Seconds) -> int | DataError:
    """Frames of so many seconds at the speed of a job."""
    samples = math.ceil(seconds * job.config.sampling_rate - 1e-5)  # as many as resampling gives
    ratio = speed_ratio(job.speed)
    samples = -(-samples * ratio.denominator // ratio.numerator)
    if samples < job.config.window_samples:
        return _too_short(job, samples, entry, utterance)
    return job.config.frames_in(samples)


def _writer(job: Job, ark: BinaryIO) -> Callable[[Spoken, NDArray[np.float32] | None], int]:
    """Writes an utterance, or where its audio is, and says at which byte that begins."""
    import kaldiio

    compression = _compression(job)

    def write_matrix(spoken: Spoken, matrix: NDArray[np.float32] | None) -> int:
        key = with_speed(spoken.utterance, spoken.speed)
        begin = ark.tell() + len(f"{key} ".encode())
        kaldiio.save_ark(ark, {key: matrix}, compression_method=compression)
        return begin

    def write_place(spoken: Spoken, matrix: NDArray[np.float32] | None) -> int:
        begin = ark.tell()
        ark.write(spoken.to_line().encode())
        return begin

    if job.config.stored:
        return write_matrix
    ark.write(job.recipe.to_line().encode())
    return write_place


def _compression(job: Job) -> int | None:
    """Kaldi's number of how an ark is compressed: with 8 bits a value, waveforms with 16; None for not at all."""
    if not job.config.compress:
        return None
    if job.encoder is None or job.encoder.settings.frozen:
        return 2
    from jointst.pretrained.registry import encoder_class

    return 3 if encoder_class(job.encoder.settings.kind).features == "waveform" else 2


def _features_of(job: Job) -> Iterator[NDArray[np.float32] | DataError]:
    """Features (N, F) of each utterance of a job, or what is wrong with its audio."""
    import torch

    from jointst.pretrained.front_end import front_end

    device = torch.device("cuda", job.number % job.ngpu) if job.ngpu else None
    hear = front_end(job.config, job.recipe.encoder, device)
    together = 1 if job.encoder is None else TOGETHER
    for first in range(0, len(job.utterances), together):
        part = job.utterances[first : first + together]
        heard = [_samples_of(job, *utterance) for utterance in part]
        waveforms = [torch.from_numpy(samples) for samples in heard if not isinstance(samples, DataError)]
        made = iter(hear(waveforms))
        for samples in heard:
            yield samples if isinstance(samples, DataError) else next(made).numpy()


def _samples_of(job: Job, utterance: str, entry: str, segment: Segment | None) -> Samples | DataError:
    try:
        samples = load_audio(entry, segment, job.config.sampling_rate, utterance=utterance, path=job.wav_scp)
    except DataError as fault:
        return fault
    samples = change_speed(samples, job.speed)
    if len(samples) < job.config.window_samples:
        return _too_short(job, len(samples), entry, utterance)
    return samples


def _too_short(job: Job, samples: int, entry: str, utterance: str) -> DataError:
    problem = f"{samples} samples are less than one window of {job.config.window_samples}"
    return DataError(problem, path=entry, utterance=utterance, fix="remove the utterance, or mend its segment")
