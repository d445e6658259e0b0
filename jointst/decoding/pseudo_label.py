"""``jointst pseudo_label``: transcripts of unpaired speech by a trained model, where it is sure of them.

The set it writes is a data directory like any other; named in ``data.pseudo`` of another system, whatever that is, it
is trained on as paired speech. Stages 3 and 4 make its phones and features.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch.nn.utils.rnn import pad_sequence

from jointst.common.errors import ConfigError, DataError
from jointst.common.files import write_atomically
from jointst.common.languages import language
from jointst.common.progress import progress
from jointst.common.threads import set_threads
from jointst.config.context import Context, Made
from jointst.decoding.hypothesis import Hypothesis
from jointst.decoding.search import Search, build_search
from jointst.kaldi.audio import load_audio
from jointst.kaldi.directory import DataDirectory, Segment
from jointst.kaldi.tables import read_table, sort_keys, write_table
from jointst.models.build import Trained, load_trained
from jointst.scoring.counts import count
from jointst.text.normalise import normalise

CONFIDENCE = "confidence"
"""Table of the written set: the confidence of each utterance that was kept."""
SHARES = (0.25, 0.5, 0.75)
"""Of the utterances; the thresholds that keep as many are told, for how sure a model is depends on the model."""


@dataclass(frozen=True, kw_only=True)
class Guess:
    """What the model wrote for an utterance.

    Attributes:
        text: normalised.
        confidence: geometric mean of P(label) over its labels; 0 for no label.
    """

    text: str
    confidence: float


def confidence_of(hypothesis: Hypothesis) -> float:
    """Geometric mean of P(label) at its emission over the labels; 0 where there is none."""
    labels = len(hypothesis.log_probs)
    return math.exp(sum(hypothesis.log_probs) / labels) if labels else 0.0


def read_speech(path: Path) -> DataDirectory:
    """A set of speech that needs no ``text``; what is there is kept for comparison.

    Raises:
        DataError: the folder, its wav.scp, utt2spk or utt2lang is missing, or an utterance is not in all of them.
    """
    if not path.is_dir():
        raise DataError("there is no such data directory", path=path, fix="correct pseudo_label.sets")
    tables = {file: read_table(path / file) for file in ("wav.scp", "utt2spk", "utt2lang")}
    segments = {}
    if (path / "segments").is_file():
        segments = {key: Segment.parse(value) for key, value in read_table(path / "segments").items()}
    utterances = segments or tables["wav.scp"]
    for file in ("utt2spk", "utt2lang"):
        for utterance in utterances.keys() - tables[file].keys():
            raise DataError(f"is not in {file}", path=path / file, utterance=utterance, fix="add it")
    text = read_table(path / "text") if (path / "text").is_file() else {}
    return DataDirectory(
        path=path,
        text={utterance: text.get(utterance, "") for utterance in utterances},
        utt2spk=tables["utt2spk"],
        utt2lang=tables["utt2lang"],
        wav_scp=tables["wav.scp"],
        segments=segments,
    )


def run(context: Context) -> Made:
    """Transcribe every set of ``pseudo_label.sets`` and write what passes the threshold.

    Writes, for each set, the data directory ``<set><suffix>`` with the table ``confidence``, and
    ``pseudo_label/<set>.json``: how much was kept, which thresholds would keep a quarter, half and three quarters, and,
    where transcripts are known, how good it is.

    Raises:
        ConfigError: no set is named.
        DataError: no trained model, a set without audio, or nothing passes the threshold.
    """
    set_threads(None)
    config = context.config.pseudo_label
    if not config.sets:
        raise ConfigError("pseudo_label.sets", "is empty", "name data directories with untranscribed speech")
    trained = load_trained(context)
    search = build_search(context, trained)
    said = []
    for name in config.sets:
        source = read_speech(context.data / name)
        guesses = _transcribe(context, trained, search, source)
        kept = [key for key in sort_keys(guesses) if _passes(guesses[key], config.threshold)]
        if not kept:
            best = max(guess.confidence for guess in guesses.values())
            problem = f"no utterance of {len(guesses)} is at least {config.threshold:g} sure, the surest {best:.3f}"
            raise DataError(problem, path=source.path, fix="lower pseudo_label.threshold, or train the model longer")
        _write(source, {key: guesses[key] for key in kept}, context.data / f"{name}{config.suffix}")
        record = _record(source, guesses, kept)
        record["threshold"] = config.threshold
        write_atomically(context.exp / "pseudo_label" / f"{name}.json", json.dumps(record, indent=1) + "\n")
        said.append(_sentence(name, record))
    return Made(what="; ".join(said), where=context.data)


def _passes(guess: Guess, threshold: float) -> bool:
    return bool(guess.text) and guess.confidence >= threshold


@torch.inference_mode()
def _transcribe(context: Context, trained: Trained, search: Search, source: DataDirectory) -> dict[str, Guess]:
    """What the model writes for every utterance."""
    name, features = context.config.pseudo_label.decoder, trained.config.features
    model = trained.model
    size = search.settings.batch_utterances
    guesses: dict[str, Guess] = {}
    utterances = source.utterances
    for first in progress(range(0, len(utterances), size), desc=f"pseudo_label {source.path.name}", unit="batch"):
        keys = utterances[first : first + size]
        waveforms = []
        for key in keys:
            entry, segment = source.wav_scp.get(source.recording(key)), source.segments.get(key)
            if entry is None:
                raise DataError("has no audio in wav.scp", path=source.path / "wav.scp", utterance=key, fix="add it")
            samples = load_audio(entry, segment, features.sampling_rate, utterance=key, path=source.path / "wav.scp")
            waveforms.append(torch.from_numpy(samples))
            if len(samples) < features.window_samples:
                problem = "is shorter than one window of features"
                raise DataError(problem, path=source.path / "wav.scp", utterance=key, fix="remove the utterance")
        matrices = trained.front_end(waveforms)
        lengths = torch.tensor([len(matrix) for matrix in matrices], device=trained.device)
        languages = [source.utt2lang[key] for key in keys]
        padded = pad_sequence(matrices, batch_first=True).to(trained.device)
        encoded = model.encode_speech(padded, lengths, languages)
        searched = search(name, model.decoder(name), encoded.states_of(name), encoded.lengths)
        for key, found in zip(keys, searched, strict=True):
            text = normalise(trained.symbols.tokenizer.decode(found[0].labels), source.utt2lang[key])
            guesses[key] = Guess(text=text, confidence=confidence_of(found[0]))
    return guesses


def _write(source: DataDirectory, kept: dict[str, Guess], path: Path) -> None:
    chosen = source.subset(kept.keys())
    made = DataDirectory(
        path=path,
        text={key: guess.text for key, guess in kept.items()},
        utt2spk=chosen.utt2spk,
        utt2lang=chosen.utt2lang,
        wav_scp=chosen.wav_scp,
        segments=chosen.segments,
    )
    made.write(path)
    write_table(path / CONFIDENCE, {key: f"{guess.confidence:.4f}" for key, guess in kept.items()})


def _record(source: DataDirectory, guesses: dict[str, Guess], kept: list[str]) -> dict[str, object]:
    """How much was kept, which thresholds would keep how much, and error rates of all and of the kept utterances whose
    transcripts are known. Where nothing was heard, no threshold keeps it."""
    sure = sorted((guess.confidence for guess in guesses.values() if guess.text), reverse=True)
    wanted = {f"{share:.0%}": math.ceil(share * len(guesses)) for share in SHARES}
    keeps = {share: math.floor(1000 * sure[many - 1]) / 1000 for share, many in wanted.items() if many <= len(sure)}
    record: dict[str, object] = {"utterances": len(guesses), "kept": len(kept), "thresholds": keeps}
    for part, keys in (("error_rate_of_all", list(guesses)), ("error_rate_of_kept", kept)):
        errors = words = 0
        for key in keys:
            if source.text[key]:
                unit = language(source.utt2lang[key])
                counts = count(_units(source.text[key], unit.has_spaces), _units(guesses[key].text, unit.has_spaces))
                errors, words = errors + counts.errors, words + counts.length
        record[part] = errors / words if words else None
    return record


def _units(text: str, has_spaces: bool) -> list[str]:
    return text.split() if has_spaces else list(text.replace(" ", ""))


def _sentence(name: str, record: dict[str, object]) -> str:
    keeps = cast("dict[str, float]", record["thresholds"])
    told = ", ".join(f"{share} at {threshold:g}" for share, threshold in keeps.items())
    sentence = f"{record['kept']} of {record['utterances']} utterances of {name} kept"
    sentence += f" (a threshold keeps {told})" if told else ""
    rates = [record["error_rate_of_kept"], record["error_rate_of_all"]]
    if all(isinstance(rate, float) for rate in rates):
        sentence += (
            f", {100 * float(str(rates[0])):.1f} % of their words wrong (of all {100 * float(str(rates[1])):.1f})"
        )
    return sentence
