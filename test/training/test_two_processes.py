"""Training in two processes, as on two GPUs but on the CPU: one log, one result, one end; and on by another number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import torch
from safetensors.torch import load_file

from jointst.config import Config
from jointst.config.context import Context
from jointst.config.load import to_yaml

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import os, sys, lightning
from safetensors.torch import save_file
from jointst.recipe.cli import main

class Kept(lightning.Callback):
    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        with open("drawn.txt", "a") as stream:
            texts = [] if batch.unpaired is None else batch.unpaired.utterances
            stream.write(" ".join([*batch.paired.utterances, *(f"text/{name}" for name in texts)]) + "\\n")

    def on_train_end(self, trainer, module):
        save_file(module.model.state_dict(), f"process{trainer.global_rank}.safetensors")

trainer = lightning.Trainer
lightning.Trainer = lambda **settings: trainer(**{**settings, "callbacks": [*settings["callbacks"], Kept()]})
sys.exit(main(["train", "--conf", "two.yaml", *sys.argv[1:]]))
"""
START = """
import sys
from jointst.ranks.spawn import run_processes

sys.exit(run_processes([sys.executable, "script.py", *sys.argv[2:]], int(sys.argv[1])))
"""


def train(config: Config, *settings: str, processes: int = 2) -> str:
    """Train ``exp/two`` in two processes, or another number; what they print."""
    Path("two.yaml").write_text(to_yaml(config))
    Path("script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *(["script.py"] if processes == 1 else ["-c", START, str(processes)]), *settings]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def check_one_log(shown: str) -> None:
    """One process has written, and both have stopped together."""
    assert shown.count("dev loss") == 1
    assert shown.count("max_seconds: auto is for a GPU") == 1
    lines = [json.loads(line) for line in Path("exp/two/log.jsonl").read_text().splitlines()]
    updates = [line["update"] for line in lines if "loss" in line]
    assert updates == sorted(set(updates))
    assert sum("dev_loss" in line for line in lines) == 1
    assert load_file("exp/two/model.safetensors")


def check_frozen(shown: str, start: dict[str, torch.Tensor], frozen: set[str]) -> None:
    """Both processes have the same weights; of those they started from, the frozen parts stayed."""
    assert shown.count("starting from exp/toy") == 1
    one, other = (load_file(f"process{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one), "gradients were not shared"
    moved = {name.split(".")[0] for name in start if not torch.equal(one[name], start[name])}
    assert set(FROZEN) & moved == set(FROZEN) - frozen
    assert {"subsampling", "text_encoder", "full_context_decoder"} <= moved


ONE_LOG = [
    "--training.validate_every=1000",
    "--training.accumulate=2",
    "--training.speech_batch.max_utterances=4",
    "--training.speech_batch.max_seconds=auto",  # found by the first process, read by the second
]
FROZEN = ("audio_encoder", "ctc", "streaming_decoder")
FROM_TOY = ["--training.start_from=exp/toy", f"--training.freeze=[{','.join(FROZEN)}]"]


def test_one_process_writes(toy: Context) -> None:
    check_one_log(train(toy.config, "--training.max_updates=4", *ONE_LOG))


def test_all_stop_together_when_the_time_is_up_and_frozen_parts_stay(toy: Context) -> None:
    """A slow machine has done one update by then: no part waits for a later one."""
    start = load_file(toy.exp / "model.safetensors")
    settings = ["--training.max_time=1", "--training.freeze_updates=0", "--loss.ctc_only_updates=0"]
    shown = train(toy.config, *settings, *ONE_LOG, *FROM_TOY)
    check_one_log(shown)
    check_frozen(shown, start, set(FROZEN))


def test_frozen_parts_of_a_start_thaw_in_all_processes(toy: Context) -> None:
    start = load_file(toy.exp / "model.safetensors")
    settings = ["--training.max_updates=4", "--training.validate_every=4", "--training.speech_batch.max_utterances=2"]
    shown = train(toy.config, *settings, "--loss.ctc_only_updates=1", "--training.freeze_updates=2", *FROM_TOY)
    check_frozen(shown, start, set())


def test_every_utterance_once_where_one_process_goes_on_from_two(toy: Context) -> None:
    """Three updates of two processes and two of one are eight batches, of two of the eight utterances and of three of
    the twelve sentences, which the first process has written to their store: two epochs of both."""
    small = ["--training.speech_batch.max_utterances=2", "--training.text_batch.max_utterances=3"]
    small += ["--training.validate_every=1000", "--data.unpaired=[t_dev]"]
    train(toy.config, "--training.max_updates=3", *small)
    first = Path("drawn.txt").read_text().splitlines()
    assert "going on from" in train(toy.config, "--training.max_updates=5", *small, processes=1)
    batches = Path("drawn.txt").read_text().splitlines()
    assert (len(first), len(batches)) == (6, 8)
    counts = Counter(name for batch in batches for name in batch.split())
    assert len(counts) == 8 + 12
    assert set(counts.values()) == {2}
