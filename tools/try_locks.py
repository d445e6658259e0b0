"""Two runs in one folder, tried again and again with random delays and kills: counts the models that are wrong.

Each try copies a toy recipe and starts a training and, a moment later, something that disturbs it: the same training,
one with another setting, stage 4 or 3 on its data, or a comparison beside a comparison. Some are killed. Training is
exact to the bit, so every model must be the one that its settings give, whatever happened beside it, and so must that
of a last training on its own. Processes are forked from one that has imported everything, so that delays, not imports,
decide what meets.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import kaldiio
import lightning
import numpy as np
import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import jointst.training.train
from jointst.kaldi.directory import DataDirectory
from jointst.recipe.cli import main

CONF = """
data: {train: [a], dev: [b], test: [b], unpaired: []}
model: {dim: 16, full_context_dim: 16, heads: 2, audio_layers: 1, streaming_layers: 1, full_context_layers: 1}
loss: {ctc_only_updates: 2, consistency: {start_update: 3, ramp_updates: 2}}
training: {max_updates: 90, validate_every: 9, warmup_updates: 2, speech_batch: {max_utterances: 2}}
scoring: {sclite: "no"}
"""
WORDS = "open close red green door window left right".split()
SETTINGS = {"own": [], "other": ["--training.peak_rate", "0.01"]}
KINDS = {"the same": 3, "other settings": 3, "stage 4": 3, "stage 3": 2, "a comparison": 1}
"""How often each is drawn; comparisons take long to start."""
REFUSED = " is in use: "
KILLED = 0.5
"""Share of tries in which the first process is killed."""


@dataclass
class Tally:
    """What came of the tries."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def make_recipe(folder: Path) -> None:
    """Four training and two development utterances, all stages before training done."""
    generator = np.random.default_rng(0)
    (folder / "audio").mkdir(parents=True)
    for name, count in (("a", 4), ("b", 2)):
        keys = [f"{name}-{name}{number}" for number in range(count)]
        for number, key in enumerate(keys):
            noise = generator.uniform(-0.3, 0.3, 16000 + 2000 * number)
            soundfile.write(folder / f"audio/{key}.wav", noise, 16000)
        text = {key: f"{WORDS[number]} {WORDS[-1 - number]} {name}" for number, key in enumerate(keys)}
        DataDirectory(
            path=folder / name,
            text=text,
            utt2spk=dict.fromkeys(keys, name),
            utt2lang=dict.fromkeys(keys, "en"),
            wav_scp={key: f"audio/{key}.wav" for key in keys},
        ).write(folder / "data" / name)
    (folder / "conf.yaml").write_text(CONF)
    (folder / "systems").mkdir()
    (folder / "systems/paired.yaml").write_text("loss: {text: 0, consistency: {weight: 0}}\n")
    with inside(folder):
        for stage in ("validate", "lexicon", "features", "tokenizer"):
            if main([stage, "--conf", "conf.yaml", "--nj", "1"]) != 0:
                raise SystemExit(f"try_locks: {stage} failed")


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def start(folder: Path, log: Path, arguments: list[str]) -> int:
    """A process of its own session that runs a command in a folder, with a log; its number."""
    process = os.fork()
    if process:
        return process
    status = 70
    try:
        os.setsid()
        os.chdir(folder)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(file, 1)
        os.dup2(file, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def status_of(process: int) -> int:
    """Exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def train(setting: str, name: str = "toy") -> list[str]:
    """Arguments of a training."""
    return ["train", "--conf", "conf.yaml", "--name", name, *SETTINGS[setting]]


def compare(setting: str) -> list[str]:
    """Arguments of a comparison of one system."""
    own = ["compare", "--name", "toy", "--conf", "conf.yaml", "--systems", "paired", "--seeds", "0"]
    return [*own, "--systems-folder", "systems", "--", *SETTINGS[setting]]


def references(folder: Path) -> tuple[dict[str, Path], dict[str, str], float]:
    """Models by fingerprint, each made alone; the fingerprint of each setting; seconds that a training takes."""
    models: dict[str, Path] = {}
    marks: dict[str, str] = {}
    began = time.monotonic()
    for setting in SETTINGS:
        if status_of(start(folder, folder / "log", train(setting, f"ref_{setting}"))) != 0:
            raise SystemExit(f"try_locks: a training alone failed: {(folder / 'log').read_text()}")
        path = folder / "exp" / f"ref_{setting}" / "model.safetensors"
        marks[setting] = mark_of(path)
        models[marks[setting]] = path
    seconds = (time.monotonic() - began) / len(SETTINGS)
    for setting in SETTINGS:
        if status_of(start(folder, folder / "log", compare(setting))) != 0:
            raise SystemExit(f"try_locks: a comparison alone failed: {(folder / 'log').read_text()}")
        made = folder / f"compare_{setting}"
        (folder / "exp/compare").rename(made)
        path = made / "toy/paired_seed0/model.safetensors"
        marks[f"compare {setting}"] = mark_of(path)
        models[mark_of(path)] = path
    return models, marks, seconds


def mark_of(path: Path) -> str:
    """The fingerprint that a model holds."""
    with safe_open(path, framework="pt") as stored:
        return str(stored.metadata()["fingerprint"])


def same(path: Path, other: Path) -> bool:
    """Whether two models have the same weights, to the bit."""
    one, two = load_file(path), load_file(other)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def attempt(folder: Path, draw: random.Random, seconds: float, models: dict[str, Path], marks: dict[str, str]) -> Tally:
    """One try in a fresh copy of the recipe."""
    kind, tally = draw.choices(tuple(KINDS), tuple(KINDS.values()))[0], Tally()
    setting = draw.choice(tuple(SETTINGS))
    first, second = train("own"), train(setting)
    wanted = {"own": marks["own"], "other": marks["other"]}
    if kind == "a comparison":
        first, second = compare("own"), compare(setting)
        wanted = {"own": marks["compare own"], "other": marks["compare other"]}
    elif kind.startswith("stage"):
        setting = "own"
        second = ["features" if kind == "stage 4" else "lexicon", "--conf", "conf.yaml", "--nj", "1", "--force"]
        if draw.random() < 0.5:
            first, second = second, first
    elif kind == "the same":
        setting, second = "own", train("own")
    else:
        setting, second = "other", train("other")
    logs = [folder / "first.log", folder / "second.log"]
    processes = [start(folder, logs[0], first)]
    time.sleep(draw.uniform(0, 1.2 * seconds))
    processes.append(start(folder, logs[1], second))
    killed = draw.random() < KILLED
    if killed:
        time.sleep(draw.uniform(0, seconds))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(processes[0], signal.SIGKILL)
    statuses = [status_of(process) for process in processes]
    said = [log.read_text() if log.is_file() else "" for log in logs]
    last = compare("own") if kind == "a comparison" else train("own")
    statuses.append(status_of(start(folder, folder / "third.log", last)))
    said.append((folder / "third.log").read_text())
    tally.counts[kind] += 1
    tally.counts["killed"] += statuses[0] == -signal.SIGKILL
    tally.counts["refused"] += sum(REFUSED in text for text in said)
    for status, text, arguments in zip(statuses, said, (first, second, last)):
        waits = arguments[0] == "compare" and status == 3  # its cell is another process's
        if not (status == 0 or waits or (status == 1 and REFUSED in text) or (killed and status == -signal.SIGKILL)):
            tally.wrong.append(f"{' '.join(arguments)}: status {status}: {text.strip()[-500:]}")
    if statuses[-1] != 0:
        tally.wrong.append(f"the last training did not end well: {said[-1].strip()[-500:]}")
    current = folder / ("exp/compare/toy/paired_seed0" if kind == "a comparison" else "exp/toy") / "model.safetensors"
    if current.is_file() and mark_of(current) != wanted["own"]:
        tally.wrong.append(f"{kind}: {current.parent.name} is of other settings than the last training")
    found = sorted(path for path in (folder / "exp").rglob("model.safetensors"))
    for path in found:
        mark = mark_of(path)
        if mark not in models or not same(path, models[mark]):
            tally.wrong.append(f"{kind}: {path.relative_to(folder)} is not what its settings give")
    if statuses[1] == 0 and second[0] in ("train", "compare") and wanted[setting] not in map(mark_of, found):
        tally.wrong.append(f"{kind}: the second reported a model of its settings, and there is none")
    return tally


def run() -> int:
    """Make the tries and print what came of them; 1 where a model was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tries", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    imported = (kaldiio, lightning, jointst.training.train)  # for the processes that are forked
    assert all(imported)
    total, draw = Tally(), random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="try_locks-") as name:
        made = Path(name, "made")
        make_in_child(made)
        shutil.copytree(made, Path(name, "references"))
        models, marks, seconds = references(Path(name, "references"))
        print(f"a training alone takes {seconds:.1f} s", flush=True)
        for number in range(1, options.tries + 1):
            folder = Path(name, f"try{number}")
            shutil.copytree(made, folder)
            tally = attempt(folder, draw, seconds, models, marks)
            total.counts += tally.counts
            total.wrong += tally.wrong
            print(f"{number}/{options.tries}: {dict(total.counts)}, {len(total.wrong)} wrong", flush=True)
            for line in tally.wrong:
                print(f"  {line}", flush=True)
            shutil.rmtree(folder)
    counted = ", ".join(f"{key} {count}" for key, count in sorted(total.counts.items()))
    print(f"{options.tries} tries ({counted}): {len(total.wrong)} wrong")
    return 1 if total.wrong else 0


def make_in_child(folder: Path) -> None:
    """Make the recipe in a process of its own: what it starts (threads, eSpeak) must not be forked."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            make_recipe(folder)
            status = 0
        finally:
            sys.stdout.flush()
            os._exit(status)
    if status_of(process) != 0:
        raise SystemExit("try_locks: the recipe could not be made")


if __name__ == "__main__":
    sys.exit(run())
