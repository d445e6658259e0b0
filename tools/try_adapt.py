#!/usr/bin/env python
"""``jointst adapt`` beside all else that teaches words by text: mini, with models that never met some of its words.

    cd egs/mini && ../../.venv/bin/python ../../tools/try_adapt.py --out exp/adapt/bench

Stages 1 to 5 of the recipe must have run (./run.sh --stop-stage 5). Two models are trained where they are not there
yet: ``paired`` (speech alone) and ``joist`` (speech and the part of the unpaired text that has no word that was never
heard). Then each gets all of the unpaired text: by a language model, by phrases, by ``jointst adapt``, and by the
latter with a language model; and for comparison a model is trained from nothing with all of it. Weights of language
models and phrases are chosen on mini_dev and mini_dev_unheard. Writes Markdown and JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if TYPE_CHECKING:
    from jointst.decoding.search import Search
    from jointst.models.build import Trained

SETS = ("mini_dev", "mini_dev_unheard", "mini_test", "mini_test_unheard")
DEV = SETS[:2]
FAMILIAR = "mini_unpaired_heard"
"""The unpaired sentences without a word that was never heard."""
CONF = ["--conf", "conf/train.yaml", "--data.test", json.dumps(list(SETS))]
SYSTEMS = {
    "paired": ["--conf", "../systems/paired.yaml"],
    "joist": ["--conf", "../systems/joist.yaml", "--data.unpaired", json.dumps([FAMILIAR])],
}
LM_WEIGHTS = tuple({"lm_weight": lm, "label_bonus": bonus} for lm, bonus in product((0.2, 0.4, 0.6, 0.8), (0.0, 0.5)))
PHRASE_WEIGHTS = tuple({"phrase_weight": weight} for weight in (0.5, 1.0, 1.5, 2.0))
DECODER = "full_context"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--updates", type=int, default=3000, help="of each model that is trained")
    parser.add_argument("--lm-updates", type=int, default=1500, help="of the language model")
    parser.add_argument("--beam", type=int, default=8, help="hypotheses of a beam (%(default)s)")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), help="models to adapt")
    parser.add_argument("adapt", nargs="*", help="further options of jointst adapt, after --")
    return parser.parse_args()


def jointst(*words: str) -> float:
    """Run a command; its seconds."""
    print("+ jointst", *words, flush=True)
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "jointst", *words], check=True)
    return time.monotonic() - started


def words_of_sets() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """By language the words of the paired training text, and those of the unpaired text that are not among them."""
    from jointst.config import LexiconConfig
    from jointst.kaldi.directory import DataDirectory
    from jointst.text.pronounce import words_of

    found: list[dict[str, set[str]]] = []
    for name in ("mini_train", "mini_unpaired"):
        directory, words = DataDirectory.read(Path("data") / name), {}
        for key, text in directory.text.items():
            lang = directory.utt2lang[key]
            words.setdefault(lang, set()).update(words_of(text, lang, LexiconConfig()))
        found.append(words)
    heard, read = found
    return heard, {lang: read[lang] - heard[lang] for lang in read}


def make_text(heard: dict[str, set[str]], folder: Path) -> None:
    """The set of sentences without unheard words, and one file of all sentences for each language."""
    from jointst.config import LexiconConfig
    from jointst.kaldi.directory import DataDirectory
    from jointst.text.pronounce import words_of

    directory = DataDirectory.read(Path("data/mini_unpaired"))
    kept, files = [], {}
    for key, text in directory.text.items():
        lang = directory.utt2lang[key]
        files.setdefault(lang, []).append(text)
        if heard[lang].issuperset(words_of(text, lang, LexiconConfig())):
            kept.append(key)
    directory.subset(kept).write(Path("data") / FAMILIAR)
    folder.mkdir(parents=True, exist_ok=True)
    for lang, sentences in files.items():
        (folder / f"{lang}.txt").write_text("".join(f"{text}\n" for text in sentences), encoding="utf-8")


class Measured:
    """A packed model on all sets, encoded once.

    Args:
        folder: packed.
        heard: words of paired training, by language.
    """

    def __init__(self, folder: Path, heard: dict[str, set[str]]) -> None:
        import torch

        from jointst.data.dataset import PairedSet, in_order
        from jointst.kaldi.directory import DataDirectory
        from jointst.models.packed import load_packed

        self.folder, self.heard = folder, heard
        self.trained: Trained = load_packed(folder)
        self.directories = {name: DataDirectory.read(Path("data") / name) for name in SETS}
        self._encoded: dict[str, list[Any]] = {}
        with torch.inference_mode():
            for name, directory in self.directories.items():
                batches = in_order(PairedSet([directory], self.trained.symbols), 32)
                self._encoded[name] = [
                    (batch.utterances, self.trained.model.encode_speech(batch.features, batch.feature_lengths))
                    for batch in batches
                ]

    def search(self, lm: Path | None, phrases: list[str] | None, settings: dict[str, Any]) -> Search:
        """A search of this model."""
        from jointst.decoding.search import packed_search

        return packed_search(self.trained, self.folder, lm, phrases, settings)

    def rates(self, search: Search, name: str) -> tuple[float, float]:
        """Macro error rate, and recall of words never heard, in %; of no such words nan."""
        import torch

        from jointst.scoring.counts import score_utterances
        from jointst.scoring.score import segment
        from jointst.scoring.summary import recall_of_unheard, summarise
        from jointst.text.normalise import for_scoring

        directory, found = self.directories[name], {}
        decoder = self.trained.model.full_context_decoder
        with torch.inference_mode():
            for utterances, encoded in self._encoded[name]:
                nbest = search(DECODER, decoder, encoded.full_context, encoded.lengths)
                texts = (self.trained.symbols.tokenizer.decode(one[0].labels) for one in nbest)
                found.update(zip(utterances, texts, strict=True))
        path = Path("data") / name / "text"
        scored = score_utterances(
            directory.text, found, directory.utt2lang, path=path, normalise=for_scoring, segment=segment
        )
        pairs = recall_of_unheard(scored, self.heard).values()
        recognised, said = (sum(pair[i] for pair in pairs) for i in (0, 1))
        rate = summarise(scored).as_dict()["macro"]["error_rate"]
        return 100 * rate, 100 * recognised / said if said else float("nan")

    def row(self, what: str, kinds: list[dict[str, Any]], lm: Path | None, phrases: list[str] | None) -> dict[str, Any]:
        """The figures of the best of some settings, by the mean of both dev sets."""
        judged = []
        for settings in kinds:
            search = self.search(lm, phrases, settings)
            rates = [self.rates(search, name) for name in DEV]
            judged.append((sum(rate for rate, _ in rates), settings, rates))
        _, chosen, dev = min(judged, key=lambda item: item[0])
        search = self.search(lm, phrases, chosen)
        test = [self.rates(search, name) for name in SETS[2:]]
        row = {"what": what, "settings": chosen}
        for name, (rate, recall) in zip(SETS, [*dev, *test], strict=True):
            row[name] = rate
            row[f"{name} recall"] = recall
        print(json.dumps(row), flush=True)
        return row


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """All rows."""
    heard, unheard = words_of_sets()
    make_text(heard, Path("exp/adapt/text"))
    phrases = sorted({word for words in unheard.values() for word in words})
    for command in ("lexicon", "features"):
        jointst(command, *CONF)
    jointst("lm", *CONF, "--name", "adapt/lm", "--lm.max_updates", str(options.lm_updates))
    lm, beam = Path("exp/adapt/lm/lm"), {"search": "beam", "beam": options.beam}
    with_lm = [{**beam, **weights} for weights in LM_WEIGHTS]
    with_phrases = [{**beam, **weights} for weights in PHRASE_WEIGHTS]
    rows = []
    for system in options.systems:
        name = f"adapt/{system}"
        jointst("train", *CONF, *SYSTEMS[system], "--name", name, "--training.max_updates", str(options.updates))
        jointst("export", *CONF, *SYSTEMS[system], "--name", name)
        before = Measured(Path("exp") / name / "packed", heard)
        rows.append(before.row(f"{system}, before", [{}], None, None))
        rows.append(before.row(f"{system}, beam", [beam], None, None))
        rows.append(before.row(f"{system}, phrases", with_phrases, None, phrases))
        rows.append(before.row(f"{system}, LM", with_lm, lm, None))
        for kind, speech in (("text alone", []), ("and speech", ["--rehearse", "data/mini_train"])):
            out = Path("exp") / name / f"adapted {kind}"
            command = ["--model", str(before.folder), "--text", "exp/adapt/text/{lang}.txt", "--out", str(out)]
            dev = ["--dev", "data/mini_dev"]
            seconds = jointst("adapt", *command, *dev, *speech, "--force", *options.adapt)
            after = Measured(out, heard)
            rows.append({**after.row(f"{system}, adapt, {kind}", [{}], None, None), "seconds": seconds})
            rows.append(after.row(f"{system}, adapt, {kind}, beam and LM", with_lm, lm, None))
    name, joist = "adapt/retrained", ["--conf", "../systems/joist.yaml"]
    seconds = jointst("train", *CONF, *joist, "--name", name, "--training.max_updates", str(options.updates))
    jointst("export", *CONF, *joist, "--name", name)
    again = Measured(Path("exp") / name / "packed", heard)
    rows.append({**again.row("joist, from nothing with all text", [{}], None, None), "seconds": seconds})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    head = "| model | mini_dev | mini_dev_unheard | recall | mini_test | mini_test_unheard | recall | seconds |\n"
    lines = [head, "|---" * 8 + "|\n"]
    for row in rows:
        seconds = f"{row['seconds']:.0f}" if "seconds" in row else ""
        keys = (*DEV, f"{DEV[1]} recall", *SETS[2:], f"{SETS[3]} recall")
        lines.append(f"| {row['what']} | " + " | ".join(f"{row[key]:.1f}" for key in keys) + f" | {seconds} |\n")
    return "".join(lines)


def main() -> None:
    """Train, adapt, measure."""
    options = parse()
    from jointst.common.threads import set_threads

    set_threads(None)
    rows = measure(options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bench.json").write_text(json.dumps(rows, indent=1) + "\n")
    (options.out / "bench.md").write_text(table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
