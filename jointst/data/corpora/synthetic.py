"""The ``synthetic`` corpus: sentences of any source in any language here, spoken by synthesisers, hours by the hour.

Sets, no sentence in train and another set, no voice in two of the first three::

    synthetic_train        corpus.synthetic.train_hours a language
    synthetic_dev          voices of its own
    synthetic_test         voices of its own
    synthetic_test_engine  the sentences of synthetic_test by corpus.synthetic.test_engines, heard nowhere else

Sentences come from ``corpus.synthetic.sentences``; where training wants more speech than there are sentences, they
come again in another voice. Audio is 16 kHz FLAC under ``data/audio/synthetic/<language>/``, about five minutes a
file, with ``segments``. A speaker is ``<language>_<engine>_<voice>``. Everything follows from the settings, whatever
the number of processes; a file that is finished is not made again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import itertools
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointst.common.errors import ConfigError, DataError
from jointst.common.files import write_atomically
from jointst.common.parallel import run_jobs
from jointst.common.units import Seconds
from jointst.config import CorpusConfig, LexiconConfig, SyntheticConfig
from jointst.data.corpora.engines import OUTPUT_RATE, Engine, engine_class, to_output
from jointst.data.corpora.espeak import trim
from jointst.data.corpora.spoken import Spoken, read_pools, sentence_files
from jointst.kaldi.directory import DataDirectory, Segment

VERSION = 1
JOB_SECONDS: Seconds = 300.0
"""Training speech in one file."""
JOB_UTTERANCES = 100
"""Development or test utterances in one file."""
RATES = (0.85, 1.25)
"""Slowest and fastest speaking rate, in the usual one's."""
PITCHES = (0.6, 1.4)
"""Lowest and highest pitch, in the voice's own."""
SHORTEST: Seconds = 1.2
"""No sentence is shorter on average: bounds how many sentences are read."""
COMPRESSION = 0.3
"""FLAC's, 0 to 1: 3 % larger than its default and seven times as fast."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One file of speech.

    Attributes:
        name: key of the recording.
        lang: ISO 639-1 code.
        voices: engine and voice, by engine; the engines take turns.
        sentences: what is said, in this order, again from the beginning if that is not enough.
        seconds: speak until there is as much; 0 to say each sentence once.
        seed: of voices, rates and pitches.
        audio: the file.
    """

    name: str
    lang: str
    voices: dict[str, tuple[str, ...]]
    sentences: tuple[Spoken, ...]
    seconds: Seconds
    seed: int
    audio: Path

    @property
    def rows(self) -> Path:
        """What the finished file holds."""
        return self.audio.with_suffix(".json")

    def digest(self) -> str:
        """A hash of all that the file depends on."""
        parts = [VERSION, {**dataclasses.asdict(self), "audio": ""}]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Row:
    """One utterance in a file of speech."""

    utterance: str
    speaker: str
    text: str
    start: Seconds
    end: Seconds


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the corpus.

    Args:
        config: its ``languages``, ``downloads`` and ``synthetic`` are used.
        data: folder of the data directories.
        nj: processes.

    Returns:
        The data directories.

    Raises:
        ConfigError: an engine or a file of sentences is unknown, or a language lacks voices or sentences for a set.
        DataError: no sentence of a language can be used or read.
        EnvironmentFault: an engine is missing.
    """
    jobs = plan(config, data, nj)
    every = [job for name in jobs for job in jobs[name]]
    waiting = [job for job in every if not _is_finished(job)]
    sizes = [round(job.seconds) or 3 * len(job.sentences) for job in waiting]
    run_jobs(_speak, waiting, nj, desc="synthetic: speech", unit="second", sizes=sizes)
    wanted = {path for job in every for path in (job.audio, job.rows)}
    for path in (data / "audio" / "synthetic").glob("*/*.*"):  # of earlier settings
        if path not in wanted and path.suffix in (".flac", ".json"):
            path.unlink()
    return [_directory(data / f"synthetic_{name}", jobs[name]) for name in jobs]


def input_files(config: CorpusConfig) -> list[Path]:
    """The user's files that the sets depend on."""
    return sentence_files(config)


def plan(config: CorpusConfig, data: Path, nj: int) -> dict[str, list[Job]]:
    """The files of each set."""
    settings = config.synthetic
    held_out = settings.test_utterances + settings.dev_utterances
    seconds = 3600 * settings.train_hours
    files = max(1, round(seconds / JOB_SECONDS))
    jobs: dict[str, list[Job]] = {"train": [], "dev": [], "test": []}
    voices = {lang: _cast(lang, settings) for lang in config.languages}
    for lang, pool in read_pools(config, held_out + math.ceil(seconds / SHORTEST), nj).items():
        if len(pool) < held_out + files:
            raise ConfigError(
                "corpus.synthetic",
                f"dev and test want {held_out} sentences in {lang} and train at least {files}, there are {len(pool)}",
                "more sentences, or smaller sets",
            )
        random.Random(f"{settings.seed} {lang}").shuffle(pool)
        test, rest = pool[: settings.test_utterances], pool[settings.test_utterances :]
        dev, train = rest[: settings.dev_utterances], rest[settings.dev_utterances :]
        parts = {"test": _pieces(test), "dev": _pieces(dev), "train": [train[first::files] for first in range(files)]}
        if "test_engine" in voices[lang]:
            parts["test_engine"] = parts["test"]
        for name, pieces in parts.items():
            for number, piece in enumerate(pieces):
                recording = f"synthetic-{lang}-{name}-{number:05d}"
                job = Job(
                    name=recording,
                    lang=lang,
                    voices=voices[lang][name],
                    sentences=tuple(piece),
                    seconds=seconds / files if name == "train" else 0.0,
                    seed=settings.seed,
                    audio=data / "audio" / "synthetic" / lang / f"{recording}.flac",
                )
                jobs.setdefault(name, []).append(job)
    return jobs


def _pieces(sentences: list[Spoken]) -> list[list[Spoken]]:
    return [sentences[start : start + JOB_UTTERANCES] for start in range(0, len(sentences), JOB_UTTERANCES)]


def _cast(lang: str, settings: SyntheticConfig) -> dict[str, dict[str, tuple[str, ...]]]:
    """The voices of each engine in each set of a language; no set test_engine where no such engine speaks it.

    Raises:
        ConfigError: a set would have no voice.
    """
    chosen: dict[str, dict[str, tuple[str, ...]]] = {}
    voices = {name: engine_class(name).voices(lang) for name in settings.engines}
    for part in ("train", "dev", "test"):
        chosen[part] = {name: getattr(item, part) for name, item in voices.items() if getattr(item, part)}
        if not chosen[part]:
            problem = f"{' '.join(settings.engines)}: no voice for the {part} set in {lang}"
            raise ConfigError("corpus.synthetic.engines", problem, "add espeak, which has voices for all")
    unseen = {name: engine_class(name, "corpus.synthetic.test_engines").voices(lang) for name in settings.test_engines}
    held_out = {name: item.train + item.dev + item.test for name, item in unseen.items() if any(item)}
    return {**chosen, "test_engine": held_out} if held_out else chosen


def _is_finished(job: Job) -> bool:
    try:
        record = json.loads(job.rows.read_text(encoding="utf-8"))
        return bool(record["digest"] == job.digest()) and job.audio.stat().st_size == record["bytes"]
    except (OSError, ValueError, KeyError):
        return False


def _speak(job: Job) -> None:
    """Make the file of a job, then the record of what it holds."""
    import soundfile

    engines: dict[str, Engine] = {name: engine_class(name)() for name in job.voices}
    rows: list[Row] = []
    blocks: list[npt.NDArray[np.int16]] = []
    with contextlib.ExitStack() as stack:
        for engine in engines.values():
            stack.callback(engine.close)
        for row, block in _utterances(job, engines):
            rows.append(row)
            blocks.append(block)
    flac = io.BytesIO()
    settings = {"format": "FLAC", "subtype": "PCM_16", "compression_level": COMPRESSION}
    soundfile.write(flac, np.concatenate(blocks), int(OUTPUT_RATE), **settings)
    write_atomically(job.audio, flac.getbuffer())
    record = {
        "digest": job.digest(),
        "bytes": flac.getbuffer().nbytes,
        "rows": [dataclasses.astuple(row) for row in rows],
    }
    write_atomically(job.rows, json.dumps(record, ensure_ascii=False))


def _utterances(job: Job, engines: dict[str, Engine]) -> Iterator[tuple[Row, npt.NDArray[np.int16]]]:
    """Each utterance and its samples (T,), until the job has enough."""
    generator = random.Random(f"{job.seed} {job.name}")
    turns = _turns(job.voices, generator)
    samples, said, silent = 0, 0, 0
    for sentence in itertools.cycle(job.sentences) if job.seconds else job.sentences:
        speech = front_end(sentence.text, job.lang) if sentence.speech is None else sentence.speech
        name, voice = next(turns)
        rate, pitch = generator.uniform(*RATES), generator.uniform(*PITCHES)
        engine = engines[name]
        spoken = engine.say(speech, job.lang, voice, rate=rate, pitch=pitch) if speech else np.zeros(0, np.int16)
        block = to_output(trim(spoken, engine.sampling_rate), engine.sampling_rate)
        if not block.size:
            silent += 1
            if silent >= len(job.sentences) and not said:
                raise DataError(f"no sentence in {job.lang} can be read, such as {sentence.text!r}", fix="other ones")
            continue
        speaker = f"{job.lang}_{name}_{voice}"
        start, samples = samples, samples + block.size
        utterance = f"{speaker}-{job.name.partition('-')[2]}-{said:04d}"
        said += 1
        yield Row(utterance, speaker, sentence.text, start / OUTPUT_RATE, samples / OUTPUT_RATE), block
        if job.seconds and samples >= job.seconds * OUTPUT_RATE:
            return


def _turns(voices: dict[str, tuple[str, ...]], generator: random.Random) -> Iterator[tuple[str, str]]:
    """Engine and voice of each utterance: engines take turns, and so do the voices of each, in random orders."""
    waiting: dict[str, list[str]] = {name: [] for name in voices}
    while True:
        for name in generator.sample(sorted(voices), len(voices)):
            if not waiting[name]:
                waiting[name] = generator.sample(voices[name], len(voices[name]))
            yield name, waiting[name].pop()


def front_end(text: str, lang: str) -> str:
    """What a synthesiser reads for normalised ``text``; empty where a word of it cannot be read."""
    from jointst.text.pronounce import phonemizer

    reader = phonemizer(lang, LexiconConfig())
    words = [reader.spoken(word) for word in reader.words(text)]
    return "" if None in words else " ".join(word for word in words if word)


def _directory(path: Path, jobs: list[Job]) -> Path:
    """Write a set from the records of its files."""
    text, utt2spk, utt2lang, segments = {}, {}, {}, {}
    for job in jobs:
        for values in json.loads(job.rows.read_text(encoding="utf-8"))["rows"]:
            row = Row(*values)
            text[row.utterance] = row.text
            utt2spk[row.utterance] = row.speaker
            utt2lang[row.utterance] = job.lang
            segments[row.utterance] = Segment(job.name, row.start, row.end)
    wav_scp = {job.name: str(job.audio) for job in jobs}
    return DataDirectory(path, text, utt2spk, utt2lang, wav_scp, segments).write(path).path
