"""Stage 4: features in compressed arks, copies at other speeds, and normalisation statistics.

Features are log-mel filter banks, or what a pretrained audio encoder reads or, frozen, makes of the speech. Where they
are made each time (``features.storage``), they are made here once as well, to count frames, to find what cannot be
read, and for the statistics: these are of the plain training sets at all speeds in any case, without augmentation.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

from jointst.common.errors import ConfigError, DataError
from jointst.common.files import write_atomically
from jointst.common.parallel import run_jobs
from jointst.common.units import Seconds
from jointst.config import Config, FeatureConfig
from jointst.config.context import Context, Made
from jointst.data.feature_jobs import Hearing, Job, do_job
from jointst.data.shards import LENGTHS
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.places import Place
from jointst.kaldi.speed import speed_directory, with_speed
from jointst.kaldi.tables import count_lines, read_table, write_table

# T samples, N frames, F mel bins, W window, H hop

STATISTICS = 20_000
"""Training utterances that statistics are of, evenly spread, where audio is in shards; otherwise they are of all."""
JOB_UTTERANCES = 400
"""Utterances of a job: what is lost at most when a run is killed."""


def _place(path: Path, root: Path) -> Path:
    """Where the features of a data directory are kept: by its way from the root, so that de/own is not en/own."""
    return Path(*("_" if part == ".." else part for part in Path(os.path.relpath(path, root)).parts))


def _jobs_of(
    source: DataDirectory,
    speed: float,
    folder: Path,
    config: FeatureConfig,
    encoder: Hearing | None,
    *,
    anew: bool,
    measured: int,
    ngpu: int,
) -> list[Job]:
    wav_scp = source.path / "wav.scp"
    seconds = _seconds_of(source) if config.storage == "shards" else {}
    utterances = []
    for utterance in source.utterances:
        if source.segments and utterance not in source.segments:
            raise DataError("is not in segments", path=source.path / "segments", utterance=utterance, fix="add it")
        entry = source.wav_scp.get(source.recording(utterance))
        if entry is None:
            fix = "add it, or remove the utterance from text"
            raise DataError("has no audio in wav.scp", path=wav_scp, utterance=utterance, fix=fix)
        utterances.append((utterance, entry, source.segments.get(utterance)))
    jobs = []
    for number, start in enumerate(range(0, len(utterances), JOB_UTTERANCES), start=1):
        part = tuple(utterances[start : start + JOB_UTTERANCES])
        lengths = tuple(seconds[utterance] for utterance, _, _ in part) if seconds else ()
        jobs.append(Job(folder, number, wav_scp, part, speed, config, encoder, anew, lengths, measured, ngpu))
    return jobs


def _seconds_of(source: DataDirectory) -> dict[str, Seconds]:
    """Lengths of utterances in shards, as ``jointst shard`` measured them.

    Raises:
        DataError: an utterance is not in a shard, or has no length.
    """
    made = "name the directory that jointst shard makes of it, or features.storage: on_the_fly"
    if source.segments:
        raise DataError("has segments, and shards hold utterances", path=source.path / "segments", fix=made)
    for utterance, entry in source.wav_scp.items():
        if Place.parse(entry) is None:
            raise DataError(f"{entry} is in no shard", path=source.path / "wav.scp", utterance=utterance, fix=made)
    path = source.path / LENGTHS
    seconds = {}
    table = read_table(path) if path.exists() else {}
    for utterance in source.utterances:
        try:
            seconds[utterance] = float(table[utterance])
        except (KeyError, ValueError):
            problem = f"{table[utterance]!r} is no number of seconds" if utterance in table else "has no length"
            fix = "run jointst shard again, or set features.storage: on_the_fly"
            raise DataError(problem, path=path, utterance=utterance, fix=fix) from None
    return seconds


def run(context: Context) -> Made:
    """Make the features of every set with audio, and the CMVN statistics of the training sets.

    Raises:
        DataError: an empty set, a set without audio, or more unreadable utterances than ``max_failures`` allows.
    """
    config = context.config.features
    dump, encoder = context.dump, _hearing(context.config)
    ngpu = context.ngpu if encoder is not None and encoder.settings.frozen else 0
    if ngpu:  # nothing else here is work for one
        from jointst.common.devices import choose_device

        choose_device(ngpu)
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
            every = _measured(context) if name in context.config.data.train else 0
            made = _jobs_of(source, speed, folder, config, encoder, anew=context.force, measured=every, ngpu=ngpu)
            plan.append((source, speed, made))
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
    what += "" if config.stored else " to be made each time"
    return Made(what=f"{what}, of {sum(sizes)} utterances ({hours:.2f} h)", where=dump)


def _measured(context: Context) -> int:
    """Every how many-th training utterance the statistics are of, where audio is in shards."""
    config = context.config
    files = [context.data / name / "text" for name in config.data.train]
    utterances = sum(count_lines(path) for path in files if path.is_file())
    return max(1, utterances * len(config.features.speed_perturbation) // STATISTICS)


def _hearing(config: Config) -> Hearing | None:
    """The pretrained encoder of the settings.

    Raises:
        ConfigError: its states are of another width than the settings say.
        DataError, EnvironmentFault: it cannot be had or read.
    """
    settings = config.model.audio_encoder
    if settings.pretrained is None:
        return None
    from jointst.common.wheels import sha256_of
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

    count = sum(record.get("counted", sum(record["frames"].values())) for record in records)
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
