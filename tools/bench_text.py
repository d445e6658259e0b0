#!/usr/bin/env python3
"""Time and peak memory of preparing many unpaired sentences: stages 1, 2, 3 and 5, and reading them for training.

Usage: tools/bench_text.py --out FOLDER [--sentences 1000000] [--languages ar de ...] [--nj 2] [--folder FOLDER]

Writes files of generated distinct sentences (Zipf-distributed words of a made-up vocabulary in each language's
letters), then runs every step in a process of its own. Peak memory is that of the step with all its workers.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from itertools import accumulate
from pathlib import Path

from bench_options import add_toy, parse

from jointst.common.languages import LANGUAGES

LETTERS = {
    "ar": ("بتجدرسشعفقكلمنهي", "اوي"), "de": ("bdfghklmnprstwz", "aeiouäöü"), "en": ("bdfghklmnprstvw", "aeiou"),
    "es": ("bcdfglmnprst", "aeiouáé"), "fr": ("bcdfglmnprst", "aeiouéè"), "hi": ("कगजटतदनपबमरलवसह", "ािीुूेैो"),
    "it": ("bcdfglmnprst", "aeiou"), "pt": ("bcdfglmnprst", "aeiouãé"), "ru": ("бвгдзклмнпрст", "аеиоуыя"),
}  # fmt: skip
KANA = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろ"
HAN = (0x4E00, 0x5FFF)
VOCABULARY = {"ar": 5_000}
"""Words of a language; Arabic ones take forty times as long to pronounce, and what text there is has about so many."""
USUAL_VOCABULARY = 20_000
READ = "read"
"""The only word of this script's command line where it runs the last step."""
STEPS = ("corpus", "validate", "lexicon", "lexicon (warm)", "tokenizer", "read for training")


def vocabulary(lang: str, generator: random.Random) -> list[str]:
    """Made-up words of a language, distinct, in a random order."""
    words: set[str] = set()
    while len(words) < VOCABULARY.get(lang, USUAL_VOCABULARY):
        if lang == "zh":
            words.add("".join(chr(generator.randint(*HAN)) for _ in range(generator.randint(1, 2))))
        elif lang == "ja":
            words.add("".join(generator.choices(KANA, k=generator.randint(2, 4))))
        else:
            consonants, vowels = LETTERS[lang]
            pairs = generator.randint(1, 4)
            words.add("".join(generator.choice(consonants) + generator.choice(vowels) for _ in range(pairs)))
    ordered = sorted(words)
    generator.shuffle(ordered)
    return ordered


def write_sentences(folder: Path, lang: str, count: int) -> None:
    """``<lang>.txt`` with ``count`` distinct sentences of 6 to 14 words."""
    generator = random.Random(lang)
    words = vocabulary(lang, generator)
    weights = list(accumulate(1 / (rank + 10) for rank in range(len(words))))
    between = " " if LANGUAGES[lang].has_spaces else ""
    seen: set[str] = set()
    with open(folder / f"{lang}.txt", "w", encoding="utf-8") as stream:
        while len(seen) < count:
            sentence = between.join(generator.choices(words, cum_weights=weights, k=generator.randint(6, 14)))
            if sentence not in seen:
                seen.add(sentence)
                stream.write(f"{sentence.capitalize()}.\n")


def write_paired_set(folder: Path, languages: list[str]) -> None:
    """One utterance of noise for each language: validation asks for audio."""
    import numpy as np
    import soundfile

    folder.mkdir(parents=True)
    tables: dict[str, list[str]] = {file: [] for file in ("text", "utt2lang", "utt2spk", "wav.scp")}
    for lang in sorted(languages):
        letters = LETTERS.get(lang, (KANA, ""))[0]
        start = ("own_train", "own_dev", "own_test").index(folder.name)
        utterance, audio = f"{folder.name}-{lang}", folder / f"{lang}.wav"
        soundfile.write(audio, np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
        values = (letters[start : start + 6], lang, folder.name, str(audio))
        for rows, value in zip(tables.values(), values, strict=True):
            rows.append(f"{utterance} {value}\n")
    for file, rows in tables.items():
        (folder / file).write_text("".join(rows), encoding="utf-8")


def write_recipe(folder: Path, languages: list[str], sentences: int) -> None:
    """A configuration, small paired sets, and the files of sentences."""
    for name in ("own_train", "own_dev", "own_test"):
        write_paired_set(folder / "data" / name, languages)
    share = -(-sentences // len(languages))
    for lang in languages:
        write_sentences(folder, lang, share)
    settings = (
        f"corpus:\n  sources: [text_files]\n  languages: [{', '.join(languages)}]\n"
        f"  text_files: ['{folder}/{{lang}}.txt']\n  unpaired_sentences: {share}\n"
        "data: {train: [own_train], dev: [own_dev], test: [own_test], unpaired: [text_files_unpaired]}\n"
    )
    (folder / "conf.yaml").write_text(settings, encoding="utf-8")


def read_for_training() -> None:
    """What stage 6 does with unpaired text before its first update."""
    from jointst.config.load import from_yaml
    from jointst.data.sampler import BucketSampler
    from jointst.models.build import read_symbols
    from jointst.training.data import read_unpaired

    config = from_yaml(Path("conf.yaml"))
    data = Path("data")
    unpaired = read_unpaired(config, data, read_symbols(config, data))
    assert unpaired is not None, "the recipe has text"
    sizes = unpaired.sizes(config.model.text_encoder.repeats)
    sampler = BucketSampler(unpaired.utterances, sizes, config.training.text_batch, seed=0)
    unpaired.batch(sampler.batch(0).tolist())


def _resident(process: int) -> int:
    """Bytes that a process and its descendants have in memory (proportional share of what they have in common)."""
    total, family = 0, [process]
    while family:
        one = family.pop()
        try:
            tasks = Path(f"/proc/{one}/task")
            family += [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += 1024 * int(line.split()[1])
        except (OSError, ValueError):  # it has just ended
            continue
    return total


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds and peak GiB of a command; its output goes to ``log.txt``.

    Raises:
        SystemExit: it failed.
    """
    started = time.monotonic()
    peak = 0
    with open(folder / "log.txt", "a", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        done = threading.Event()
        threading.Thread(target=lambda: (process.wait(), done.set()), daemon=True).start()
        while not done.wait(0.2):
            peak = max(peak, _resident(process.pid))
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n" + (folder / "log.txt").read_text(encoding="utf-8")[-3000:])
    return time.monotonic() - started, peak / 2**30


def command_of(step: str, nj: int) -> list[str]:
    """The command line of a step."""
    if step == "read for training":
        return [sys.executable, os.path.abspath(__file__), READ]
    stage = [sys.executable, "-m", "jointst", step.split()[0], "--conf", "conf.yaml", "--nj", str(nj)]
    return [*stage, "--force"] if step == "lexicon (warm)" else stage


def main() -> None:
    """Write, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--sentences", type=int, default=1_000_000)
    parser.add_argument("--languages", nargs="+", default=sorted(LANGUAGES), choices=sorted(LANGUAGES))
    parser.add_argument("--nj", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="kept afterwards; by default a temporary one")
    add_toy(parser, sentences=40, languages=["de", "fr"], nj=1)
    arguments = parse(parser)
    from bench_report import Report, machine

    report = Report(arguments.out, "Text benchmark", machine("cpu", 1), toy=arguments.toy)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        write_recipe(folder, arguments.languages, arguments.sentences)
        for step in STEPS:
            print(f"{step} ... (load {os.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)
            seconds, peak = measure(command_of(step, arguments.nj), folder)
            rows.append([step, f"{seconds:.1f}", f"{arguments.sentences / seconds:.0f}", f"{peak:.2f}"])
    title = f"{arguments.sentences} sentences in {len(arguments.languages)} languages, {arguments.nj} processes"
    report.table(title, ["step", "seconds", "sentences/s", "peak GiB"], rows)
    report.write()
    print(report.text())


if __name__ == "__main__":
    read_for_training() if sys.argv[1:] == [READ] else main()
