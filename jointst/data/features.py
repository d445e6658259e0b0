"""Stage 4: features in compressed arks, copies at other speeds, and normalisation statistics.

Features are log-mel filter banks, or what a pretrained audio encoder reads or, frozen, makes of the speech.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointst.config import AudioEncoderConfig, Config, FeatureConfig
from jointst.config.data import LOW_FREQUENCY
from jointst.data.audio import Samples, is_ark, load_audio, resample
from jointst.data.directory import DataDirectory, Segment, write_table
from jointst.errors import ConfigError, DataError
from jointst.parallel import run_jobs
from jointst.processes import temporary
from jointst.stage import Context, Made, write_atomically

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

# T samples, N frames, F mel bins, W window, H hop

VERSION = 3
"""Raised when the same settings give other features, so that arks of before are not taken over."""
TOGETHER = 64
"""Utterances whose audio is in memory at a time, for a pretrained encoder to read with others of their length."""
JOB_UTTERANCES = 400
"""Utterances of a job: what is lost at most when a run is killed."""
SCALE = 32768.0
"""Waveforms in [-1, 1] are scaled to 16-bit integers, as in Kaldi."""
PREEMPHASIS = 0.97


def log_mel(waveform: Tensor, config: FeatureConfig) -> Tensor:
    """Log-mel filter banks as Kaldi's ``compute-fbank-feats --dither=0`` makes them, with a floor.

    Args:
        waveform: (T,) in [-1, 1], at ``config.sampling_rate``.

    Returns:
        (N, F) natural logarithms of mel energies, not normalised; N is ``config.frames_in`` of T.
    """
    if config.edges == "snip":
        return log_mel_of_windows(waveform, config)
    before = lead_in(config)
    frames = config.frames_in(waveform.shape[0])
    after = (frames - 1) * config.hop_samples + config.window_samples - before
    return log_mel_of_windows(reflected(waveform, -before, after if frames else 0), config)


def lead_in(config: FeatureConfig) -> int:
    """Samples that the first window reflects, where windows are centred on their shifts."""
    return config.window_samples // 2 - config.hop_samples // 2


def reflected(waveform: Tensor, start: int, stop: int) -> Tensor:
    """Samples ``start`` to ``stop`` of a waveform (T,) that goes on mirrored at both of its ends."""
    import torch

    length = waveform.shape[0]
    if not length:
        return waveform
    places = torch.arange(start, stop) % (2 * length)
    return waveform[torch.minimum(places, 2 * length - 1 - places)]


def log_mel_of_windows(waveform: Tensor, config: FeatureConfig) -> Tensor:
    """The same of the windows that lie in a waveform (T,) whole, (N, F); N is ``units.frames_in`` of T."""
    import torch

    window, hop = config.window_samples, config.hop_samples
    if waveform.shape[0] < window:
        return waveform.new_zeros(0, config.mel_bins)
    taper, filters = _window_and_filters(config.sampling_rate, window, config.mel_bins, config.upper_frequency)
    frames = waveform.unfold(0, window, hop) * SCALE  # (T,) -> (N, W)
    frames = frames - frames.mean(dim=1, keepdim=True)
    previous = torch.cat((frames[:, :1], frames[:, :-1]), dim=1)
    frames = (frames - PREEMPHASIS * previous) * taper
    spectrum = torch.fft.rfft(frames, n=_fft_size(window))
    power = spectrum.real.square() + spectrum.imag.square()
    features: Tensor = (power @ filters).clamp_min(config.floor).log()
    return features


def _fft_size(window: int) -> int:
    return 1 << (window - 1).bit_length()


@lru_cache(maxsize=8)
def _window_and_filters(sampling_rate: float, window: int, mel_bins: int, end: float) -> tuple[Tensor, Tensor]:
    """Kaldi's "povey" window (W,) and triangular filters (fft_size / 2 + 1, F), even in mel between their edges."""
    import torch

    def mel(frequency: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(frequency / 700.0)

    taper = torch.hann_window(window, periodic=False, dtype=torch.float64).pow(0.85)
    size = _fft_size(window)
    edges = mel(torch.tensor([LOW_FREQUENCY, end], dtype=torch.float64))
    points = torch.linspace(float(edges[0]), float(edges[1]), mel_bins + 2, dtype=torch.float64)
    # (fft_size / 2 + 1, 1) against (F,)
    bins = mel(torch.arange(size // 2 + 1, dtype=torch.float64) * sampling_rate / size).unsqueeze(1)
    rising = (bins - points[:-2]) / (points[1:-1] - points[:-2])
    falling = (points[2:] - bins) / (points[2:] - points[1:-1])
    filters = torch.minimum(rising, falling).clamp_min(0.0)
    filters[-1] = 0.0  # Kaldi leaves out the last bin
    return taper.float(), filters.float()


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
    there is one. ``anew`` says to do it even when it is finished.
    """

    folder: Path
    number: int
    wav_scp: Path
    utterances: tuple[tuple[str, str, Segment | None], ...]
    speed: float
    config: FeatureConfig
    encoder: Hearing | None = None
    anew: bool = False

    @property
    def ark(self) -> Path:
        """The ark it writes."""
        return self.folder / f"feats.{self.number}.ark"

    @property
    def record(self) -> Path:
        """The file that says it is finished, written last."""
        return self.folder / f"feats.{self.number}.json"

    def digest(self) -> str:
        """A hash of all that its features depend on."""
        audio = sorted({_audio_file(entry) for _, entry, _ in self.utterances})
        stats = [os.stat(path) for path in audio if os.path.exists(path)]
        settings = self.config.stated()
        for unused in ("speed_perturbation", "cmvn", "max_failures"):
            del settings[unused]
        encoder = self.encoder
        heard = () if encoder is None else ((encoder.settings.kind, encoder.settings.use, encoder.sha256),)
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


def _audio_file(entry: str) -> str:
    return entry.rpartition(":")[0] if is_ark(entry) else entry


def with_speed(name: str, speed: float) -> str:
    """Name of a speaker or utterance at this speed: ``sp0.9-name``, or the name itself at 1."""
    return name if speed == 1.0 else f"sp{speed:g}-{name}"


def speed_directory(path: Path, speed: float) -> Path:
    """Data directory of the copy of a training set at this speed: ``<set>_sp0.9``."""
    return path if speed == 1.0 else path.with_name(f"{path.name}_sp{speed:g}")


def change_speed(samples: Samples, speed: float) -> Samples:
    """Samples (T,) played ``speed`` times as fast (pitch and tempo), (ceil(T / speed),), as sox ``speed`` does."""
    ratio = Fraction(speed).limit_denominator(100)
    return resample(samples, ratio.numerator, ratio.denominator)


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
    except OSError as error:
        error.filename = str(job.ark)  # a full disk does not say where
        raise
    finally:
        ark.unlink(missing_ok=True)
        written.unlink(missing_ok=True)
    return record


def _write_ark(job: Job, path: Path) -> dict[str, Any]:
    import kaldiio
    import numpy as np

    frames: dict[str, int] = {}
    offsets: dict[str, int] = {}
    failures: dict[str, str] = {}
    sums: NDArray[np.float64] | None = None
    compression = _compression(job)
    with open(path, "wb") as ark:
        for utterance, matrix in _features_of(job):
            key = with_speed(utterance, job.speed)
            if isinstance(matrix, DataError):
                failures[utterance] = str(matrix)
                continue
            offsets[key] = ark.tell() + len(f"{key} ".encode())
            frames[key] = len(matrix)
            kaldiio.save_ark(ark, {key: matrix}, compression_method=compression)
            own = np.stack((matrix.sum(axis=0, dtype=np.float64), np.square(matrix, dtype=np.float64).sum(axis=0)))
            sums = own if sums is None else sums + own
        ark.flush()
        os.fsync(ark.fileno())
    return {"frames": frames, "offsets": offsets, "failures": failures, "sums": [] if sums is None else sums.tolist()}


def _compression(job: Job) -> int | None:
    """Kaldi's number of how an ark is compressed: with 8 bits a value, waveforms with 16; None for not at all."""
    if not job.config.compress:
        return None
    if job.encoder is None or job.encoder.settings.frozen:
        return 2
    from jointst.pretrained.registry import encoder_class

    return 3 if encoder_class(job.encoder.settings.kind).features == "waveform" else 2


def _features_of(job: Job) -> Iterator[tuple[str, NDArray[np.float32] | DataError]]:
    """Features (N, F) of each utterance of a job, or what is wrong with its audio."""
    import torch

    from jointst.pretrained.front_end import front_end

    hear = front_end(job.config, None if job.encoder is None else (job.encoder.settings, job.encoder.folder))
    together = 1 if job.encoder is None else TOGETHER
    for first in range(0, len(job.utterances), together):
        part = job.utterances[first : first + together]
        heard = [_samples_of(job, *utterance) for utterance in part]
        waveforms = [torch.from_numpy(samples) for samples in heard if not isinstance(samples, DataError)]
        made = iter(hear(waveforms))
        for (utterance, _, _), samples in zip(part, heard, strict=True):
            yield utterance, samples if isinstance(samples, DataError) else next(made).numpy()


def _samples_of(job: Job, utterance: str, entry: str, segment: Segment | None) -> Samples | DataError:
    try:
        samples = load_audio(entry, segment, job.config.sampling_rate, utterance=utterance, path=job.wav_scp)
    except DataError as fault:
        return fault
    samples = samples if job.speed == 1.0 else change_speed(samples, job.speed)
    if len(samples) < job.config.window_samples:
        problem = f"{len(samples)} samples are less than one window of {job.config.window_samples}"
        return DataError(problem, path=entry, utterance=utterance, fix="remove the utterance, or mend its segment")
    return samples


def _place(path: Path, root: Path) -> Path:
    """Where the features of a data directory are kept: by its way from the root, so that de/own is not en/own."""
    return Path(*("_" if part == ".." else part for part in Path(os.path.relpath(path, root)).parts))


def _jobs_of(
    source: DataDirectory, speed: float, folder: Path, config: FeatureConfig, encoder: Hearing | None, *, anew: bool
) -> list[Job]:
    wav_scp = source.path / "wav.scp"
    utterances = []
    for utterance in source.utterances:
        if source.segments and utterance not in source.segments:
            raise DataError("is not in segments", path=source.path / "segments", utterance=utterance, fix="add it")
        entry = source.wav_scp.get(source.recording(utterance))
        if entry is None:
            fix = "add it, or remove the utterance from text"
            raise DataError("has no audio in wav.scp", path=wav_scp, utterance=utterance, fix=fix)
        utterances.append((utterance, entry, source.segments.get(utterance)))
    return [
        Job(folder, number, wav_scp, tuple(utterances[start : start + JOB_UTTERANCES]), speed, config, encoder, anew)
        for number, start in enumerate(range(0, len(utterances), JOB_UTTERANCES), start=1)
    ]


def run(context: Context) -> Made:
    """Make the features of every set with audio, and the CMVN statistics of the training sets.

    Raises:
        DataError: an empty set, a set without audio, or more unreadable utterances than ``max_failures`` allows.
    """
    config = context.config.features
    dump, encoder = context.dump, _hearing(context.config)
    plan: list[tuple[DataDirectory, float, list[Job]]] = []
    for name in context.paired_sets:
        source = DataDirectory.read(context.data / name)
        if not source.has_audio:
            raise DataError("a paired set without audio", path=source.path / "wav.scp", fix="list it under unpaired")
        for speed in config.speed_perturbation if name in context.config.data.train else (1.0,):
            copy = speed_directory(source.path, speed)
            if speed != 1.0 and copy in {context.data / other for other in context.all_sets}:
                problem = f"would be overwritten by the copy of {name} at speed {speed:g}"
                fix = "rename it, or leave that speed out of features.speed_perturbation"
                raise DataError(problem, path=copy, fix=fix)
            folder = dump / _place(copy, context.data)
            plan.append((source, speed, _jobs_of(source, speed, folder, config, encoder, anew=context.force)))
    jobs = [job for _, _, jobs in plan for job in jobs]
    sizes = [len(job.utterances) for job in jobs]
    done = run_jobs(do_job, jobs, context.nj, desc="features", unit="utterance", sizes=sizes)
    records = dict(zip((job.record for job in jobs), done, strict=True))
    _report_failures(plan, records, config.max_failures)
    train = {context.data / name for name in context.config.data.train}
    training = [job for source, _, jobs in plan if source.path in train for job in jobs]
    _write_cmvn(context.data / "cmvn.npz", [records[job.record] for job in training])
    for source, speed, set_jobs in plan:
        _write_set(source, speed, [(job.ark, records[job.record]) for job in set_jobs])
    frames = sum(sum(record["frames"].values()) for record in done)
    hours = frames * context.config.row / 1000 / 3600
    what = f"{config.mel_bins} log-mel bins" if encoder is None else f"{encoder.settings.kind} {encoder.settings.use}"
    return Made(what=f"{what}, of {sum(sizes)} utterances ({hours:.2f} h)", where=dump)


def _hearing(config: Config) -> Hearing | None:
    """The pretrained encoder of the settings.

    Raises:
        ConfigError: its states are of another width than the settings say.
        DataError, EnvironmentFault: it cannot be had or read.
    """
    settings = config.model.audio_encoder
    if settings.pretrained is None:
        return None
    from jointst.data.wheels import sha256_of
    from jointst.pretrained.registry import open_encoder
    from jointst.pretrained.source import encoder_folder

    folder = encoder_folder(settings, Path(config.corpus.downloads))
    encoder = open_encoder(settings.kind, folder)
    width = encoder.dim
    if width != settings.width:
        problem = f"is {settings.width}, and the states of {folder} are {width} wide"
        raise ConfigError("model.audio_encoder.dim", problem, f"--model.audio_encoder.dim {width}")
    files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors", ".bin"))
    parts = [f"{path.name} {sha256_of(path)} " for path in files] + [f"version {encoder.version}"]
    digest = hashlib.sha256("".join(parts).encode()).hexdigest()
    return Hearing(settings, folder, digest)


def _report_failures(
    plan: list[tuple[DataDirectory, float, list[Job]]], records: dict[Path, dict[str, Any]], allowed: float
) -> None:
    """Say which utterances have no usable audio, each once whatever its copies at other speeds."""
    said: dict[tuple[Path, str], str] = {}
    for _, _, jobs in plan:
        for job in jobs:
            for utterance, failure in records[job.record]["failures"].items():
                said.setdefault((job.wav_scp, utterance), failure)
    failures = list(said.values())
    if not failures:
        return
    utterances = sum(len(source.utterances) for source in {source.path: source for source, _, _ in plan}.values())
    for failure in failures:
        print(f"features: {failure}", file=sys.stderr)
    if len(failures) > allowed * utterances:
        raise DataError(
            f"{len(failures)} of {utterances} utterances have no usable audio; the first: {failures[0]}",
            fix=f"mend or remove them, or set features.max_failures above {len(failures) / utterances:.4f}",
        )
    print(f"features: {len(failures)} utterances are left out", file=sys.stderr)


def _write_cmvn(path: Path, records: list[dict[str, Any]]) -> None:
    """Mean and inverse standard deviation of every mel bin over all frames of the training sets."""
    import io

    import numpy as np

    count = sum(sum(record["frames"].values()) for record in records)
    if not count:
        raise DataError("no training utterance has usable audio", path=path.parent, fix="see the messages above")
    total, squares = np.sum([record["sums"] for record in records if record["sums"]], axis=0) / count
    deviation = np.sqrt(np.maximum(squares - total**2, 1e-8))
    buffer = io.BytesIO()
    np.savez(buffer, mean=total.astype(np.float32), inverse_std=(1.0 / deviation).astype(np.float32))
    write_atomically(path, buffer.getvalue())


def _write_set(source: DataDirectory, speed: float, done: list[tuple[Path, dict[str, Any]]]) -> None:
    """Write ``utt2num_frames`` and, last, ``feats.scp``; for another speed also the rest of its directory."""
    path = speed_directory(source.path, speed)
    frames = {key: count for _, record in done for key, count in record["frames"].items()}
    scp = {key: f"{ark}:{offset}" for ark, record in done for key, offset in record["offsets"].items()}
    if speed != 1.0:
        kept = [utterance for utterance in source.utterances if with_speed(utterance, speed) in scp]
        for name in ("utt2lang", "phones", "utt2spk", "text"):
            table = getattr(source, name)
            if table:
                renamed = speed if name == "utt2spk" else 1.0
                copy = {with_speed(key, speed): with_speed(table[key], renamed) for key in kept if key in table}
                write_table(path / name, copy)
    write_table(path / "utt2num_frames", frames)
    write_table(path / "feats.scp", scp)
