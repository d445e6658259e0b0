"""Stage 7: decode the test sets with both decoders."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from tqdm import tqdm

from jointst.common.files import write_atomically
from jointst.common.progress import progress
from jointst.common.threads import set_threads
from jointst.common.units import frames_to_seconds
from jointst.config import Decoder
from jointst.config.context import Context, Made
from jointst.data.dataset import PairedSet, in_order, read_directories
from jointst.decoding.hypothesis import Hypothesis, words_of_pieces
from jointst.decoding.phrases import read_phrases, readings
from jointst.decoding.search import Search, build_search
from jointst.kaldi.tables import write_table
from jointst.models.build import Trained, load_trained
from jointst.scoring.phrases import FILE


class _Clock:
    """Seconds spent in named parts; waits for the GPU at every stop."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def start(self) -> None:
        self._last = time.perf_counter()

    def stop(self, part: str) -> None:
        if self._cuda:
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now


def _one(trained: Trained, hypothesis: Hypothesis) -> dict[str, object]:
    tokenizer = trained.symbols.tokenizer
    times = hypothesis.times(frames_to_seconds(trained.config.model.rows_per_position, trained.config.row))
    pieces = tokenizer.pieces(hypothesis.labels)
    words = words_of_pieces(pieces, times, hypothesis.confidence)
    record: dict[str, object] = {
        "text": tokenizer.decode(hypothesis.labels),
        "tokens": pieces,
        "times": times,
        "confidence": [round(value, 4) for value in hypothesis.confidence],
        "words": [{"word": w.word, "time": w.time, "confidence": round(w.confidence, 4)} for w in words],
    }
    return record if hypothesis.score is None else {**record, "score": round(hypothesis.score, 4)}


def _record(trained: Trained, utterance: str, hypotheses: list[Hypothesis]) -> dict[str, object]:
    """The best hypothesis of an utterance; those of a beam search follow under ``nbest``, the best among them."""
    found = [_one(trained, hypothesis) for hypothesis in hypotheses]
    record = {"utterance": utterance, **found[0]}
    return record if hypotheses[0].score is None else {**record, "nbest": found}


def _write(records: list[dict[str, object]], folder: Path) -> None:
    records = sorted(records, key=lambda record: str(record["utterance"]).encode())
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    write_atomically(folder / "hyp.jsonl", "".join(lines))
    write_table(folder / "hyp.text", {str(record["utterance"]): str(record["text"]) for record in records})


@torch.inference_mode()
def decode_set(trained: Trained, paired: PairedSet, folder: Path, search: Search) -> None:
    """Decode one test set into ``folder``: ``<decoder>/hyp.text``, ``<decoder>/hyp.jsonl`` and ``timing.json``."""
    model, clock = trained.model, _Clock(trained.device)
    records: dict[Decoder, list[dict[str, object]]] = {name: [] for name in model.config.decoders}
    frames = 0
    bar: tqdm[None] = progress(total=len(paired.utterances), desc=f"decode {folder.name}", unit="utterance")
    with bar:
        for batch in in_order(paired, search.settings.batch_utterances):
            moved = batch.to(trained.device)
            clock.start()
            encoded = model.encode_speech(moved.features, moved.feature_lengths, moved.languages)
            clock.stop("encoder_seconds")
            for name in records:
                hypotheses = search(name, model.decoder(name), encoded.states_of(name), encoded.lengths)
                clock.stop(f"{name}_seconds")
                pairs = zip(batch.utterances, hypotheses, strict=True)
                records[name] += [_record(trained, utterance, found) for utterance, found in pairs]
                clock.start()
            frames += int(batch.feature_lengths.sum())
            bar.update(len(batch.utterances))
    for name in records:
        _write(records[name], folder / name)
    audio = frames_to_seconds(frames, trained.config.row)
    seconds = {part: round(value, 3) for part, value in clock.seconds.items()}
    write_atomically(folder / "timing.json", json.dumps({"audio_seconds": round(audio, 2), **seconds}, indent=1) + "\n")


def _write_phrases(context: Context, trained: Trained) -> None:
    """Leave the phrases of the search, by language, for stage 8; nothing where there are none."""
    settings, path = context.config.decoding, context.exp / "decode" / FILE
    if settings.phrases is None:
        path.unlink(missing_ok=True)
        return
    written: dict[str, list[str]] = {}
    for phrase in read_phrases(Path(settings.phrases)):
        languages = trained.languages if settings.phrase_language is None else (settings.phrase_language,)
        for lang, text in readings(phrase.text, languages).items():
            written.setdefault(lang, []).append(text)
    write_atomically(path, json.dumps(written, ensure_ascii=False, indent=1) + "\n")


def run(context: Context) -> Made:
    """Decode every test set.

    Raises:
        DataError: no trained model, language model or tuned weights, or a set without features.
        EnvironmentFault: a package is missing.
    """
    set_threads(None)
    trained = load_trained(context)
    search = build_search(context, trained)
    _write_phrases(context, trained)
    count = 0
    for name in context.config.data.test:
        may_lack = context.config.features.max_failures > 0
        paired = PairedSet(read_directories(context.data, [name]), trained.symbols, may_lack=may_lack)
        decode_set(trained, paired, context.exp / "decode" / name, search)
        count += len(paired.utterances)
    decoders = " and ".join(trained.config.model.decoders)
    return Made(what=f"hypotheses of {count} utterances, {decoders} decoder", where=context.exp / "decode")
