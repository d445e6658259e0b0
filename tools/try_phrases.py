#!/usr/bin/env python
"""What phrases are worth on real sets: the rarest words of each set as phrases, alone and among distractors.

    cd egs/ru; ../../.venv/bin/python ../../tools/try_phrases.py --out exp/try_phrases --sets festvox_ru_test -- \\
        --conf conf/train.yaml --decoding.search beam --decoding.beam 4

What follows ``--`` are settings of a recipe's stage 7, its search included. Choose the weight on dev sets. The rarest
words are those that stand least often in the transcripts trained on, and then in the text without speech.
Distractors are words of that text which nobody says in the set. Markdown and JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jointst.common.languages import language
from jointst.kaldi.directory import DataDirectory


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--sets", nargs="+", required=True, help="data directories with transcripts and features")
    parser.add_argument("--rarest", type=int, default=20, help="words of a set that are phrases")
    parser.add_argument("--letters", type=int, default=4, help="letters of such a word at least")
    parser.add_argument("--distractors", type=int, default=100, help="phrases that nobody says, in the last row")
    parser.add_argument("--decoder", default="full_context", choices=("streaming", "full_context"))
    parser.add_argument("--weights", nargs="+", type=float, help="decoding.phrase_weight, several in turn")
    parser.add_argument("settings", nargs=argparse.REMAINDER, help="-- and the settings of stage 7")
    return parser.parse_args()


def counted(directories: Iterable[DataDirectory]) -> Counter[str]:
    """Words of transcripts, counted, of languages that are written with spaces."""
    return Counter(
        word
        for directory in directories
        for key, text in directory.text.items()
        if language(directory.utt2lang[key]).has_spaces
        for word in text.split()
    )


def drawn(words: Iterable[str], count: int) -> list[str]:
    """Some words, the same ones every time."""
    return sorted(words, key=lambda word: hashlib.sha256(word.encode()).digest())[:count]


def main() -> None:
    """Search every set without phrases, with its own, and with distractors, in turns."""
    options = arguments()
    from jointst.common.threads import set_threads
    from jointst.config.load import parse

    context = parse("decode", "", options.settings[1:])
    set_threads(None)
    import torch
    from bench_report import Report, machine

    from jointst.data.dataset import PairedSet, in_order, read_directories
    from jointst.decoding.search import build_search
    from jointst.models.build import load_trained
    from jointst.scoring.counts import score_utterances
    from jointst.scoring.phrases import recall_of_phrases
    from jointst.scoring.score import segment
    from jointst.text.normalise import for_scoring

    trained = load_trained(context)
    decoder = trained.model.decoder(options.decoder)
    data = context.config.data
    heard = counted(read_directories(context.data, data.train))
    read = counted(read_directories(context.data, data.unpaired))
    report = Report(options.out, "Phrases", machine("cpu", torch.get_num_threads()), toy=False)
    weights = options.weights or [context.config.decoding.label_weight]

    def search_set(batches, search):  # type: ignore[no-untyped-def]
        texts, began = {}, perf_counter()
        for utterances, states, lengths in batches:
            for utterance, found in zip(utterances, search(options.decoder, decoder, states, lengths)):
                texts[utterance] = trained.symbols.tokenizer.decode(found[0].labels)
        return texts, perf_counter() - began

    for name in options.sets:
        paired = PairedSet(read_directories(context.data, [name]), trained.symbols)
        (directory,) = read_directories(context.data, [name])
        languages = {key: directory.utt2lang[key] for key in directory.text}
        said = {word for word in counted([directory]) if len(word) >= options.letters}
        rare = sorted(drawn(said, len(said)), key=lambda word: (heard[word], read[word]))[: options.rarest]
        others = [word for word in read if word not in said and len(word) >= options.letters]
        phrases = dict.fromkeys(set(languages.values()), rare)
        batches = []
        with torch.inference_mode():
            for batch in in_order(paired, context.config.decoding.batch_utterances):
                states = trained.model.encode_speech(batch.features, batch.feature_lengths, batch.languages)
                batches.append((batch.utterances, states.states_of(options.decoder), states.lengths))
        kinds = [("none", [], 0.0)]
        for weight in weights:
            kinds.append((f"{len(rare)} rarest", [(word, weight) for word in rare], weight))
            listened = rare + drawn(others, options.distractors)
            title = f"the same among {len(listened) - len(rare)} others"
            kinds.append((title, [(word, weight) for word in listened], weight))
        rows, first = [], 0.0
        for title, listened, weight in kinds:
            search = build_search(context, trained).listening_for(listened, trained)
            with torch.inference_mode():
                texts, seconds = search_set(batches, search)
            first = first or seconds
            scored = score_utterances(
                directory.text, texts, languages, path=options.out, normalise=for_scoring, segment=segment
            )
            found, places = recall_of_phrases(scored, phrases)
            errors = sum(item.main.errors for item in scored)
            length = sum(item.main.length for item in scored)
            rest = 100 * (errors - (places - found)) / (length - places)
            ratio = f"{seconds / first:.2f}"
            recall = f"{100 * found / places:.1f}"
            rows.append([title, f"{weight:g}", recall, f"{100 * errors / length:.1f}", f"{rest:.1f}", ratio])
        columns = ["phrases", "weight", f"recall of {len(rare)} words (%)", "error rate (%)", "of the rest (%)", "time"]
        report.table(f"{name}, {options.decoder.replace('_', '-')}, {context.config.decoding.search}", columns, rows)
        report.write()
    print(report.text())


if __name__ == "__main__":
    main()
