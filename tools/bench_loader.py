#!/usr/bin/env python
"""What features cost each way: read from arks, made of files and of shards, with each augmentation; and a large set.

    .venv/bin/python tools/bench_loader.py --out exp/bench_loader --source egs/mini/data/mini_train --hours 1000

Time of a process for an hour of audio, and hours of audio a second that loader processes give, of utterances of a data
directory (one of synthetic speech by default). With ``--hours``, these utterances are repeated under other names until
there are so many hours, in shards of their own names which are links to a few: time until the first batch, memory of
the main process and of a loader process along the way, and hours of audio a second. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch
from bench_options import add_toy, parse
from bench_report import Report, machine
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from jointst.common.files import write_atomically
from jointst.common.threads import set_threads
from jointst.config import (
    AugmentationConfig,
    Config,
    CorpusConfig,
    DataConfig,
    FeatureConfig,
    SpeechBatchConfig,
    SyntheticConfig,
    TokenizerConfig,
    TrainingConfig,
)
from jointst.config.context import Context
from jointst.data import corpora, features
from jointst.data.dataset import JointSet
from jointst.data.harder import make_harder, some_speech
from jointst.data.read_features import Augment
from jointst.data.shards import command as shard
from jointst.kaldi.audio import file_behind
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import read_table, write_table
from jointst.models.build import read_symbols
from jointst.text import tokenizer
from jointst.text.lexicon import PhoneTable
from jointst.training.data import joint_set, read_training_sets

AUGMENTATIONS = {
    "white noise": {"noise": 1.0, "noises": ("white",)},
    "pink noise": {"noise": 1.0, "noises": ("pink",)},
    "babble": {"noise": 1.0, "noises": ("babble",)},
    "noise of a folder": {"noise": 1.0, "noises": ("noises",)},
    "made rooms": {"room": 1.0},
    "codec": {"codec": 1.0},
    "all, each for half": {"noise": 0.5, "room": 0.5, "codec": 0.5, "gain": (-6.0, 6.0)},
}
SPEED = "speed 0.9"


class Batches(IterableDataset):
    """Batches of utterances in turn: steps of ``read``, which loader processes share."""

    def __init__(self, read: Callable[[int], float], steps: int) -> None:
        self._read, self._steps = read, steps

    def __iter__(self) -> Iterator[tuple[float, int]]:
        worker = get_worker_info()
        first, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for step in range(first, self._steps, stride):
            yield self._read(step), resident(os.getpid())


def resident(process: int) -> int:
    """Bytes of memory that are a process's own."""
    fields = Path(f"/proc/{process}/smaps_rollup").read_text().split()
    return sum(int(fields[fields.index(name) + 1]) for name in ("Private_Clean:", "Private_Dirty:")) * 1024


def main() -> None:
    """Make the sets in a temporary folder, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--source", type=Path, help="a Kaldi data directory; synthetic speech by default")
    parser.add_argument("--utterances", type=int, default=400, help="of it that are used")
    parser.add_argument(
        "--rounds", type=int, default=3, help="times that each way is measured; 0 for the large set alone"
    )
    parser.add_argument("--workers", type=int, default=2, help="loader processes")
    parser.add_argument("--hours", type=float, default=0.0, help="of the large set; 0 for none")
    parser.add_argument("--batches", type=int, default=2000, help="of the large set that are read")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    add_toy(parser, utterances=8, rounds=1, workers=1, hours=0.02, batches=4)
    options = parse(parser)
    options.out, options.source = options.out.resolve(), options.source and options.source.resolve()
    set_threads(1)
    report = Report(options.out, "Features", machine("cpu", 1), toy=options.toy)
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        source = options.source if options.source is None else absolute(options.source, before, folder)
        os.chdir(folder)  # as a recipe's folder: the sets in data, features in dump
        try:
            sources(source, options)
            if options.rounds:
                ways(report, options)
            if options.hours:
                large(report, options)
        finally:
            os.chdir(before)
    report.write()
    print(report.text())


def absolute(source: Path, start: Path, folder: Path) -> Path:
    """The data directory with full paths, whose recipe's folder is two above it, or the working folder."""
    directory = DataDirectory.read(source)
    recipe = next((at for at in (start, *source.parents) if all_there(directory, at)), start)
    wav_scp = {key: entry if entry.endswith("|") else str(recipe / entry) for key, entry in directory.wav_scp.items()}
    return dataclasses.replace(directory, wav_scp=wav_scp).write(folder / "source").path


def all_there(directory: DataDirectory, folder: Path) -> bool:
    """Whether the first entry of a directory is found from a folder."""
    return (folder / file_behind(next(iter(directory.wav_scp.values())))).exists()


def sources(source: Path | None, options: argparse.Namespace) -> None:
    """``data/files``: some utterances; ``data/packed``: the same in shards."""
    if source is None:
        spoken = SyntheticConfig(train_hours=0.01 if options.toy else 1.0, dev_utterances=2, test_utterances=2)
        sets = {name: (f"synthetic_{name}",) for name in ("train", "dev", "test")}
        config = Config(
            corpus=CorpusConfig(sources=("synthetic",), languages=("en",), synthetic=spoken),
            data=DataConfig(root="made", unpaired=(), **sets),
        )
        corpora.run(Context(config=config, name="bench", nj=1))
        source = Path("made/synthetic_train")
    directory = DataDirectory.read(source)
    chosen = directory.utterances[:: max(1, len(directory.text) // options.utterances)][: options.utterances]
    directory.subset(chosen).write(Path("data/files"))
    words = ["--shards", "shards/packed", "--out", "data/packed", "--nj", "1"]
    shard.run(["data/files", *words, "--utterances", str(max(1, len(chosen) // 4))])
    noise = 0.1 * np.random.default_rng(0).standard_normal(30 * 16000)
    Path("noises").mkdir()
    import soundfile

    soundfile.write("noises/noise.wav", noise, 16000)


def made_features(name: str, storage: str, **settings: object) -> DataDirectory:
    """A set whose features are kept so, by stage 4."""
    config = Config(
        data=DataConfig(train=(name,), dev=("dev",), test=("dev",), unpaired=()),
        features=FeatureConfig(storage=storage, **settings),  # type: ignore[arg-type]
    )
    if not Path("data/dev").exists():
        directory = DataDirectory.read(Path("data/packed"))
        few = directory.utterances[:2]
        directory.subset(few).write(Path("data/dev"))
        lengths = read_table(Path("data/packed/utt2dur"))
        write_table(Path("data/dev/utt2dur"), {key: lengths[key] for key in few})
    features.run(Context(config=config, name="bench", nj=1))
    return DataDirectory.read(Path("data") / name)


def read(places: list[tuple[str, str]], change: Augment | None, each: int, step: int) -> float:
    """Read some utterances, padded into a batch; hours of audio in it."""
    from jointst.data.read_features import read_features

    matrices = []
    for number in range(each * step, each * (step + 1)):
        name, place = places[number % len(places)]
        changed = None if change is None else partial(change, utterance=name, step=step)
        matrices.append(read_features(place, name, changed))
    torch.nn.utils.rnn.pad_sequence(matrices, batch_first=True)
    return sum(map(len, matrices)) * 0.01 / 3600


def ways(report: Report, options: argparse.Namespace) -> None:
    """Time of each way to have features."""
    rows: dict[str, list[tuple[float, float, float]]] = {}
    kept: dict[str, tuple[list[tuple[str, str]], Augment | None]] = {}
    for title, name, storage in (
        ("arks", "files", "arks"),
        ("files", "files", "on_the_fly"),
        ("shards", "packed", "shards"),
    ):
        directory = made_features(name, storage, speed_perturbation=(1.0, 0.9) if title == "files" else (1.0,))
        places = [(key, directory.feats_scp[key]) for key in directory.utterances]
        if title == "arks":  # which the next way removes
            copied = Path("arks")
            Path("dump").rename(copied)
            places = [(key, place.replace("dump/", "arks/", 1)) for key, place in places]
        kept[title] = (places, None)
        if title == "files":
            faster = DataDirectory.read(Path("data/files_sp0.9"))
            kept[f"files, {SPEED}"] = ([(key, faster.feats_scp[key]) for key in faster.utterances], None)
    places = kept["files"][0]
    speech = some_speech(len(places), lambda i: places[i])
    for title, settings in AUGMENTATIONS.items():
        change = make_harder(AugmentationConfig(**settings), 16000, 0, speech)  # type: ignore[arg-type]
        kept[f"files, {title}"] = (places, change)
    each = min(8, len(places))
    steps = max(1, len(places) // each)
    for _ in range(options.rounds):
        for title, (places, change) in kept.items():
            work = partial(read, places, change, each)
            work(0)
            begun = process_time()
            hours = sum(work(step) for step in range(steps))
            alone = (process_time() - begun) / hours
            loader = DataLoader(Batches(work, 4 * steps), batch_size=None, num_workers=options.workers)
            found = iter(loader)
            for _ in range(options.workers):
                next(found)  # the processes have begun
            begun = perf_counter()
            rest = sum(hours for hours, _ in found)
            seconds = perf_counter() - begun
            rows.setdefault(title, []).append((hours, alone, rest / seconds if rest else 0.0))
    table = []
    for title, measured in rows.items():
        seconds = float(np.median([alone for _, alone, _ in measured]))
        rate = float(np.median([rate for _, _, rate in measured]))
        table.append([title, f"{seconds:.2f}", f"{rate:.3f}", f"{3600 * rate:.0f}"])
    columns = ["features of", "CPU seconds an hour of audio", "hours a second", "hours an hour"]
    hours = next(iter(rows.values()))[0][0]
    note = f"{hours:.2f} h of audio, one process; then {options.workers} loader processes, batches of {each}."
    report.table("Reading and making features", columns, table, note)


def large(report: Report, options: argparse.Namespace) -> None:
    """A set of so many hours in shards, and as many in arks: start, memory, throughput."""
    rows = []
    for storage in ("shards", "arks"):
        hours, utterances, shards = repeated(options.hours, storage)
        config = Config(
            data=DataConfig(train=("large",), dev=("dev",), test=("dev",), unpaired=()),
            features=FeatureConfig(storage=storage, cmvn="none"),  # type: ignore[arg-type]
            tokenizer=TokenizerConfig(text_input="pieces"),
            training=TrainingConfig(speech_batch=SpeechBatchConfig(max_utterances=16)),
        )
        context = Context(config=config, name="bench", nj=1)
        starts = []
        for _ in ("its store is written", "it is there"):
            begun, worked = perf_counter(), process_time()
            paired, _ = read_training_sets(config, context.data, read_symbols(config, context.data))
            joint = joint_set(config, paired, None)
            work = partial(_hours_of_step, joint)
            loader = iter(DataLoader(Batches(work, options.batches), batch_size=None, num_workers=options.workers))
            next(loader)
            starts.append((perf_counter() - begun, process_time() - worked))
        done, seen, begun = 0.0, [], perf_counter()
        for audio, memory in loader:
            done += audio
            seen.append((memory, resident(os.getpid())))
        seconds = perf_counter() - begun
        tenth = max(1, len(seen) // 10)
        early, late = (np.median(part, axis=0) / 2**20 for part in (seen[tenth : 2 * tenth] or seen, seen[-tenth:]))
        rows.append(
            [
                storage,
                f"{hours:.1f}",
                utterances,
                shards,
                *(f"{value:.1f}" for start in starts for value in start),
                f"{early[0]:.0f} to {late[0]:.0f}",
                f"{early[1]:.0f} to {late[1]:.0f}",
                f"{done / seconds:.3f}",
            ]
        )
        report.hold(f"{storage}: seconds until the first batch", starts[0][0], most=20.0)
        report.hold(f"{storage}: growth of a loader process, MiB", float(late[0] - early[0]), most=50.0)
    columns = [
        "",
        "hours",
        "utterances",
        "files",
        "first start, s",
        "of these CPU",
        "later starts, s",
        "of these CPU",
        "loader process, MiB",
        "main process, MiB",
        "hours a second",
    ]
    note = f"{options.batches} batches of 16 utterances at most, {options.workers} loader processes; memory: private."
    report.table("A large set", columns, rows, note)


def _hours_of_step(joint: JointSet, step: int) -> float:
    batch = joint.batch(step).paired
    return sum(batch.frame_counts) * 0.01 / 3600


def repeated(hours: float, storage: str) -> tuple[float, int, int]:
    """``data/large``: the same utterances again and again; hours, utterances and files."""
    config = FeatureConfig()
    whole = made_features("packed", storage, cmvn="none")
    own = sum(whole.utt2num_frames.values()) * config.hop / 1000 / 3600
    times = max(1, round(hours / own))
    tables: dict[str, dict[str, object]] = {
        name: {} for name in ("text", "utt2spk", "utt2lang", "feats.scp", "utt2num_frames")
    }
    links: dict[str, str] = {}
    for copy in range(times):
        for key in whole.utterances:
            name = f"{copy:06d}-{key}"
            file, _, offset = whole.feats_scp[key].rpartition(":")
            linked = Path("large") / storage / f"{copy:06d}_{Path(file).name}"
            links[str(linked)] = file
            tables["text"][name], tables["utt2spk"][name] = whole.text[key], f"{copy:06d}"
            tables["utt2lang"][name] = whole.utt2lang.get(key, "en")
            tables["feats.scp"][name] = f"{linked}:{offset}"
            tables["utt2num_frames"][name] = whole.utt2num_frames[key]
    for name, table in tables.items():
        write_table(Path("data/large") / name, table)
    count = 0
    for linked, file in links.items():
        Path(linked).parent.mkdir(parents=True, exist_ok=True)
        if storage == "arks":
            Path(linked).symlink_to(Path(file).resolve())
        else:
            count += with_own_shards(Path(file), Path(linked))
    if not Path("data/tokenizer").exists():
        data = DataConfig(train=("packed",), dev=("dev",), test=("dev",), unpaired=())
        tokenizer.run(Context(config=Config(data=data), name="bench"))
        write_atomically(Path("data/lang/phones.txt"), PhoneTable.of(["a"]).to_text())
    return own * times, len(tables["text"]), count or len(links)


def with_own_shards(file: Path, linked: Path) -> int:
    """The file that says where audio is, with shards under names of its own, as many bytes into it; their number."""
    content = file.read_bytes()
    mark = linked.name[:6].encode()
    # as many letters, so that every line begins where it did
    replaced = content.replace(b"shards/packed/", b"shards/" + mark + b"/")
    folder = Path("shards") / mark.decode()
    if not folder.exists():
        folder.symlink_to(Path("shards/packed").resolve())
    linked.write_bytes(replaced)
    return len(list(Path("shards/packed").glob("*.tar"))) if linked.name.endswith("_feats.1.jsonl") else 0


if __name__ == "__main__":
    main()
