"""``jointst export --check SET``: a whole set through sherpa-onnx, beside our own search.

T samples.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from jointst.common.errors import ConfigError, DataError
from jointst.common.files import write_atomically
from jointst.common.lock import hold
from jointst.common.parallel import run_jobs
from jointst.common.threads import set_threads
from jointst.config import Decoder, FeatureConfig
from jointst.config.context import writes_experiment
from jointst.config.load import parse
from jointst.decoding.greedy import greedy_search
from jointst.export.onnx.files import FIX, FOLDER, KINDS, PRECISIONS, Graphs, Precision
from jointst.export.onnx.heard import audio_of
from jointst.export.onnx.limits import require_packages
from jointst.export.onnx.sherpa import Sherpa
from jointst.kaldi.directory import DataDirectory
from jointst.models.build import Trained
from jointst.models.packed import load_packed
from jointst.scoring.counts import score_utterances
from jointst.scoring.score import segment
from jointst.scoring.summary import summarise
from jointst.scoring.table import Cell, percent, table
from jointst.text.normalise import for_scoring

OPTION = "--check"
BATCH = 20
"""Utterances that go through sherpa-onnx together."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Some utterances of a set for one process.

    Attributes:
        folder: the exported folder.
        kind, precision, features, beam: see :class:`Sherpa`.
        directory: the data directory.
        utterances: their ids.
    """

    folder: Path
    kind: Decoder
    precision: Precision
    features: FeatureConfig
    directory: Path
    utterances: tuple[str, ...]
    beam: bool = False


def by_sherpa(job: Job) -> dict[str, str]:
    """The texts of a job's utterances by sherpa-onnx."""
    recogniser = Sherpa(job.folder, job.kind, job.precision, job.features, beam=job.beam)
    directory = DataDirectory.read(job.directory)
    samples = [audio_of(directory, utterance, recogniser.rate) for utterance in job.utterances]
    return dict(zip(job.utterances, recogniser.texts(samples), strict=True))


@torch.inference_mode()
def by_torch(
    trained: Trained, directory: DataDirectory, limits: Sequence[int]
) -> dict[tuple[Decoder, int], dict[str, str]]:
    """Texts by our greedy search with at most so many labels a position: by decoder and limit, of each utterance."""
    model, rate = trained.model, trained.config.features.sampling_rate
    kinds = trained.config.model.decoders
    texts: dict[tuple[Decoder, int], dict[str, str]] = {(kind, limit): {} for kind in kinds for limit in limits}
    for first in range(0, len(directory.utterances), BATCH):
        utterances = directory.utterances[first : first + BATCH]
        samples = [audio_of(directory, utterance, rate) for utterance in utterances]
        found = trained.front_end([torch.from_numpy(part) for part in samples])
        lengths = torch.tensor([len(part) for part in found])
        encoded = model.encode_speech(nn.utils.rnn.pad_sequence(found, batch_first=True), lengths)
        for kind, limit in texts:
            hypotheses = greedy_search(model.decoder(kind), encoded.states_of(kind), encoded.lengths, limit)
            for utterance, hypothesis in zip(utterances, hypotheses, strict=True):
                texts[kind, limit][utterance] = trained.symbols.tokenizer.decode(hypothesis.labels).strip()
    return texts


def texts_by_sherpa(
    folder: Path,
    features: FeatureConfig,
    directory: DataDirectory,
    nj: int,
    *,
    kinds: Sequence[Decoder] = KINDS,
    precisions: Sequence[Precision] = PRECISIONS,
    beam: bool = False,
) -> dict[tuple[Decoder, Precision], dict[str, str]]:
    """Texts of a set by sherpa-onnx: by decoder and precision, of each utterance."""
    names = directory.utterances
    parts = [tuple(names[first : first + BATCH]) for first in range(0, len(names), BATCH)]
    jobs = [
        Job(
            folder=folder,
            kind=kind,
            precision=precision,
            features=features,
            directory=directory.path,
            utterances=part,
            beam=beam,
        )
        for kind in kinds
        for precision in precisions
        for part in parts
    ]
    sizes = [len(job.utterances) for job in jobs]
    done = run_jobs(by_sherpa, jobs, nj, desc="sherpa-onnx", unit="utterance", sizes=sizes)
    texts: dict[tuple[Decoder, Precision], dict[str, str]] = {}
    for job, found in zip(jobs, done, strict=True):
        texts.setdefault((job.kind, job.precision), {}).update(found)
    return texts


def rates(directory: DataDirectory, texts: dict[str, str]) -> dict[str, float | None]:
    """Error rates of texts: ``error``, macro over languages in the unit of each, and ``cer``, of all characters."""
    scored = score_utterances(
        directory.text,
        texts,
        {utterance: directory.utt2lang[utterance] for utterance in directory.text},
        path=directory.path / "text",
        normalise=for_scoring,
        segment=segment,
    )
    found = summarise(scored).as_dict()
    return {"error": found["macro"]["error_rate"], "cer": found["pooled"]["cer_rate"]}


def check_set(packed: Path, directory: DataDirectory, nj: int) -> list[dict[str, Any]]:
    """The rows of the table of one set, for JSON.

    Raises:
        DataError: the set has no audio or no languages, or the exported folder is missing or damaged.
        EnvironmentFault: a package is missing.
    """
    lacking = [utterance for utterance in directory.text if utterance not in directory.utt2lang]
    if lacking:
        path = directory.path / "utt2lang"
        raise DataError("has no language", path=path, utterance=lacking[0], fix="add its line")
    trained, folder = load_packed(packed), packed / FOLDER
    kinds = trained.config.model.decoders
    graphs = [Graphs(folder, kind, precision) for kind in kinds for precision in PRECISIONS]
    labels, own = graphs[0].labels, trained.config.decoding.max_labels_per_position
    ours = by_torch(trained, directory, sorted({labels, own}))
    theirs = texts_by_sherpa(folder, trained.config.features, directory, nj, kinds=kinds)
    rows = []
    for kind in kinds:
        beside = ours[kind, labels]
        runs: list[tuple[str, dict[str, str]]] = [(f"torch, {own} labels a position", ours[kind, own])]
        if own != labels:
            runs.append((f"torch, {labels} labels a position", beside))
        runs += [(f"sherpa-onnx, {precision}", theirs[kind, precision]) for precision in PRECISIONS]
        for name, texts in runs:
            same = sum(text == beside[utterance] for utterance, text in texts.items())
            rows.append({"decoder": kind, "run": name, **rates(directory, texts), "same": same, "of": len(texts)})
    return rows


def as_table(name: str, rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table."""
    lines: list[list[Cell] | None] = []
    for row in rows:
        if lines and row["decoder"] != rows[len([line for line in lines if line]) - 1]["decoder"]:
            lines.append(None)
        cells = [row["decoder"].replace("_", " "), row["run"], percent(row["error"]), f"{100 * row['cer']:.2f}"]
        lines.append([*cells, f"{row['same']} of {row['of']}"])
    header = ["decoder", "run by", "error", "CER", "same text"]
    return table(header, lines, title=f"{name}: error is macro in %, CER of all characters", left=2)


def run(arguments: list[str]) -> int:
    """``jointst export --check SET ... [--conf FILE] ...``: print and store the table of each set.

    Raises:
        ConfigError, DataError, EnvironmentFault: as :func:`check_set`, or no set is named.
    """
    names, rest = _names(arguments)
    context = parse("export", "score sets through sherpa-onnx, beside torch", rest)
    set_threads(None)
    packed = context.exp / "packed"
    if not (packed / FOLDER).is_dir():
        raise DataError("there is no exported folder", path=packed / FOLDER, fix=FIX)
    require_packages("onnxruntime", "sherpa_onnx")
    with hold(writes_experiment(context), f"export {OPTION}", shlex.join(["jointst", "export", *arguments])):
        for name in names:
            rows = check_set(packed, DataDirectory.read(context.data / name), context.nj)
            text = as_table(name, rows)
            folder = context.exp / "check"
            write_atomically(folder / f"{Path(name).name}.json", json.dumps(rows, indent=1) + "\n")
            write_atomically(folder / f"{Path(name).name}.txt", text)
            print(text, end="", flush=True)
    return 0


def _names(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The sets after ``--check``, up to the next option, and what is left of the command line."""
    names: list[str] = []
    rest: list[str] = []
    naming = False
    for word in arguments:
        if word == OPTION or word.startswith(f"{OPTION}="):
            naming = True
            names += [word.partition("=")[2]] if "=" in word else []
        elif naming and not word.startswith("-"):
            names.append(word)
        else:
            naming = False
            rest.append(word)
    if not [name for name in names if name]:
        raise ConfigError(OPTION, "has no value", "name data directories, as in --check mini_test")
    return names, rest
