#!/usr/bin/env python3
"""Training on text that does not fit in memory: how soon it is ready, its memory, and updates beside a few sentences.

    python tools/bench_scale.py --out exp/bench_scale
    python tools/bench_scale.py --out exp/bench_scale --sentences 10000000 --folder /large/disk

Stores of ``--sentences`` and of ``--few`` generated sentences are written as arrays. Then ``--processes`` processes at
once, each with one thread, open both, with nothing of the large one in the page cache, draw ``--drawn`` batches, and
make updates of a tiny model on batches of either in turns. Preparation is measured apart: data directories of
``--prepared`` sentences and of a tenth of them become stores as in stage 5.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_options import add_toy, parse

STARTED = time.monotonic()
PHONES, LABELS = (16, 24), (10, 15)
"""Phones and labels of a sentence: of little spread, so that updates cost alike."""
SYMBOLS = {"inputs": 100, "labels": 60}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
GENERATED = 2**20
"""Sentences generated at a time."""
READY, RESIDENT, SLOWER = 30.0, 1.0, 1.05
"""Bounds: seconds, GiB of a process, updates over those with few sentences."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--sentences", type=int, default=100_000_000)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--prepared", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16, help="sentences of an update")
    parser.add_argument("--drawn", type=int, default=2_000, help="batches, before there is a model")
    parser.add_argument("--updates", type=int, default=20, help="of a round")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="where stores go, removed afterwards; by default a temporary one")
    add_toy(parser, sentences=3_000, few=300, prepared=200, drawn=3, updates=1, rounds=2)
    return parse(parser)


def generated(count: int) -> Iterator[Any]:
    """Blocks of random sentences, the ids of the second half in another language."""
    import numpy as np

    from jointst.data.text_store import Block, Ragged

    generator = np.random.default_rng(0)
    for first in range(0, count, GENERATED):
        numbers = np.arange(first, min(first + GENERATED, count))
        digits = numbers[:, None] // 10 ** np.arange(9, -1, -1) % 10 + ord("0")
        columns = {"names": Ragged(digits.astype("u1").ravel(), np.full(len(numbers), 10))}
        for name, (least, most), size in (
            ("phones", PHONES, SYMBOLS["inputs"]),
            ("labels", LABELS, SYMBOLS["labels"]),
        ):
            lengths = generator.integers(least, most, len(numbers))
            columns[name] = Ragged(generator.integers(3, size, lengths.sum(), dtype="<u2"), lengths)
        yield Block(columns=columns, languages=(2 * numbers >= count).astype(np.int64))


def write(folder: Path, count: int) -> None:
    """A store of so many generated sentences."""
    from jointst.data.text_store import write_store

    write_store(folder, generated(count), {"de": 0, "fr": 1})


def write_directory(folder: Path, count: int) -> None:
    """A data directory of so many sentences of letters, each of which is a phone."""
    import random

    generator = random.Random(0)
    folder.mkdir(parents=True)
    with (
        open(folder / "text", "w", encoding="utf-8") as text,
        open(folder / "phones", "w", encoding="utf-8") as phones,
        open(folder / "utt2lang", "w", encoding="utf-8") as languages,
    ):
        for i in range(count):
            words = ["".join(generator.choices(LETTERS, k=generator.randint(2, 7))) for _ in range(6)]
            text.write(f"s{i:010d} {' '.join(words)}\n")
            phones.write(f"s{i:010d} {' '.join(''.join(words))}\n")
            languages.write(f"s{i:010d} de\n")


def memory() -> dict[str, float]:
    """GiB of this process: resident now and at the peak, and that of files now."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(lines[name].split()[0]) / 2**20 for name in ("VmRSS", "VmHWM", "RssFile")}


def prepare(folder: Path) -> dict[str, float]:
    """Make the store of a data directory."""
    from jointst.config import TokenizerConfig
    from jointst.data.stores import stored
    from jointst.data.symbols import Symbols
    from jointst.text import tokenizer
    from jointst.text.lexicon import PhoneTable

    model = tokenizer.train([" ".join(LETTERS)] * 10, TokenizerConfig(kind="char"))
    symbols = Symbols(
        tokenizer=tokenizer.Tokenizer.from_bytes(model), phones=PhoneTable.of(LETTERS), text_input="phones"
    )
    before, started = memory()["VmRSS"], time.monotonic()
    store = stored(folder, symbols)
    return {"seconds": time.monotonic() - started, "before": before, "peak": memory()["VmHWM"], "bytes": size(store)}


def size(store: Any) -> int:
    """Bytes on disk."""
    return sum(path.stat().st_size for path in store.folder.iterdir())


def cool(folder: Path) -> None:
    """Take a store out of the page cache, so that it is read from the disk."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def train(folder: Path, options: argparse.Namespace, rank: int) -> dict[str, Any]:
    """Updates of one process on batches of both stores."""
    from jointst.common.threads import set_threads

    set_threads(1)
    import dataclasses

    import torch
    from training_bench.subject import Shape, model_of, update

    from jointst.config import BatchConfig
    from jointst.data.sampler import BucketSampler, Turns
    from jointst.data.stored_texts import StoredTexts
    from jointst.data.text_store import open_store
    from jointst.data.windows import WINDOW
    from jointst.data.worst import distinct

    turns = Turns(rank=rank, world=options.processes)
    bounds = BatchConfig(max_utterances=options.batch)
    imported = time.monotonic()

    def drawn(name: str) -> tuple[Any, Any]:
        store = open_store(folder / name)
        assert store is not None, "just written"
        texts = StoredTexts([folder], [store], SimpleNamespace(sizes=SYMBOLS))  # type: ignore[arg-type]
        return texts, BucketSampler(texts.utterances, texts.sizes(2), bounds, seed=0, groups=texts.groups)

    sets = {"many": drawn("many"), "few": drawn("few")}
    texts, sampler = sets["many"]
    texts.batch(sampler.batch(turns.number(0)).tolist())
    ready = time.monotonic()
    since_start = ready - STARTED
    window = time.monotonic()
    sampler._make(1)
    window = time.monotonic() - window
    for number in range(options.drawn):
        texts.batch(sampler.batch(turns.number(number)).tolist())
    before = memory()["VmHWM"]

    model = model_of("tiny", "characters", None, "cpu")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    spoken = Shape(4, 1.0, 1, 1.0).batch("characters", "cpu")
    times: dict[str, list[float]] = {name: [] for name in sets}
    drawing: dict[str, list[float]] = {name: [] for name in sets}
    step = 0
    for number in range(options.rounds + 1):
        for name in sets if number % 2 else reversed(sets):
            texts, sampler = sets[name]
            for at in range(step, step + options.updates):
                started = time.monotonic()
                batch = texts.batch(sampler.batch(turns.number(at)).tolist())
                read = time.monotonic()
                joint = dataclasses.replace(spoken, unpaired=batch)
                update(model, joint, "joist", optimizer, nullcontext)()
                if number:  # the first round compiles
                    times[name].append(time.monotonic() - started)
                    drawing[name].append(read - started)
        step += options.updates
    seen = memory()
    texts, _ = sets["many"]
    looked = time.monotonic()
    distinct(texts.sizes(2), options.batch)
    looked = (time.monotonic() - looked) * WINDOW / len(texts)
    return {
        "ready": ready - imported,
        "since start": since_start,
        "window": window,
        "looked": looked,
        "before": before,
        "times": times,
        "drawing": drawing,
        **seen,
    }


def start(*words: object) -> subprocess.Popen[str]:
    """This script in a process of its own, for one part."""
    command = [sys.executable, os.path.abspath(__file__), *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def result(process: subprocess.Popen[str]) -> Any:
    """What a part found.

    Raises:
        SystemExit: it failed.
    """
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{process.args} failed")
    return json.loads(output.splitlines()[-1])


def part(words: list[str]) -> None:
    """One part, in a process of its own; prints what it found as JSON."""
    name, folder = words[0], Path(words[1])
    if name == "prepare":
        found: Any = prepare(folder)
    elif name == "write":
        started = time.monotonic()
        write(folder, int(words[2]))
        found = {"seconds": time.monotonic() - started, "peak": memory()["VmHWM"]}
    else:
        found = train(folder, argparse.Namespace(**json.loads(words[3])), int(words[2]))
    print(json.dumps(found))


def measure(report: Any, options: argparse.Namespace, folder: Path) -> None:
    """All parts, one after the other, and their tables."""
    rows = []
    for count in (max(1, options.prepared // 10), options.prepared):
        directory = folder / f"prepared_{count}"
        write_directory(directory, count)
        found = result(start("prepare", directory))
        rate = f"{count / found['seconds']:.0f}"
        sizes = [f"{found[name]:.2f}" for name in ("before", "peak")]
        rows.append([count, f"{found['seconds']:.1f}", rate, *sizes, f"{found['bytes'] / count:.0f}"])
    columns = ["sentences", "seconds", "sentences/s", "GiB before", "GiB at most", "bytes a sentence"]
    report.table("Preparation, one process", columns, rows)
    for name, count in (("few", options.few), ("many", options.sentences)):
        print(f"{name}: {count} sentences ...", file=sys.stderr, flush=True)
        result(start("write", folder / name, count))
    held = sum(path.stat().st_size for path in (folder / "many").iterdir())
    cool(folder / "many")
    given = json.dumps({name: getattr(options, name) for name in ("processes", "batch", "drawn", "updates", "rounds")})
    processes = [start("train", folder, rank, given) for rank in range(options.processes)]
    found = [result(process) for process in processes]
    rows = []
    for rank, own in enumerate(found):
        cells = [
            f"{own[name]:.2f}" for name in ("ready", "since start", "window", "looked", "before", "VmHWM", "RssFile")
        ]
        times = [f"{1e3 * median(own[kind][name]):.1f}" for kind in ("times", "drawing") for name in ("many", "few")]
        rows.append([rank, *cells, *times])
    columns = [
        "process",
        "ready s",
        "with imports s",
        "a window s",
        "look at one s",
        "GiB of drawing",
        "GiB at most",
        "files at last",
    ]
    columns += ["update ms", f"of {options.few}", "of it drawing", f"of {options.few}"]
    title = f"{options.sentences} sentences ({held / 1e9:.1f} GB), {options.batch} an update"
    report.table(title, columns, rows, note="Medians; the store is not in the page cache at first.")
    means = {name: sum(sum(own["times"][name]) for own in found) for name in ("many", "few")}
    report.hold("seconds until the first batch, with imports", max(own["since start"] for own in found), most=READY)
    report.hold("GiB resident at most in a process", max(own["VmHWM"] for own in found), most=RESIDENT)
    report.hold(f"updates over those with {options.few} sentences", means["many"] / means["few"], most=SLOWER)


def main() -> None:
    """Measure and report."""
    options = arguments()
    from bench_report import Report, machine

    report = Report(options.out, "Scale benchmark", machine("cpu", 1), toy=options.toy)
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        measure(report, options, Path(temporary))
    report.write()
    print(report.text())


if __name__ == "__main__":
    part(sys.argv[1:]) if sys.argv[1:2] in (["prepare"], ["write"], ["train"]) else main()
