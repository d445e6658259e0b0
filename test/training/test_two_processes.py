"""Training in two processes, as on two GPUs but on the CPU: one log, one result, one end for all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from jointst.load_config import to_yaml
from jointst.stage import Context

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys, lightning
from safetensors.torch import save_file
from jointst.cli import main

class Kept(lightning.Callback):
    def on_train_end(self, trainer, module):
        save_file(module.model.state_dict(), f"process{trainer.global_rank}.safetensors")

trainer = lightning.Trainer
two = {"devices": 2, "strategy": "ddp_find_unused_parameters_true"}
lightning.Trainer = lambda **settings: trainer(**{**settings, **two, "callbacks": [*settings["callbacks"], Kept()]})
status = main(["train", "--conf", "two.yaml", *sys.argv[1:]])
sys.exit(status)
"""


@pytest.mark.parametrize("limit", ["--training.max_updates=4", "--training.max_time=1"])
def test_one_process_writes_and_all_stop_together(toy: Context, limit: str) -> None:
    for path in [*toy.exp.glob("*.safetensors"), toy.exp / "log.jsonl", toy.exp / "config.yaml"]:
        path.unlink()
    Path("two.yaml").write_text(to_yaml(toy.config))
    Path("script.py").write_text(SCRIPT)
    settings = [
        limit,
        "--training.validate_every=1000",
        "--training.accumulate=2",
        "--training.speech_batch.max_utterances=4",
        "--training.speech_batch.max_seconds=auto",  # found by the first process, read by the second
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "script.py", *settings], env=environment, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count("dev loss") == 1
    assert done.stdout.count("max_seconds: auto is for a GPU") == 1
    lines = [json.loads(line) for line in Path("exp/two/log.jsonl").read_text().splitlines()]
    updates = [line["update"] for line in lines if "loss" in line]
    assert updates == sorted(set(updates))
    assert sum("dev_loss" in line for line in lines) == 1
    assert load_file("exp/two/model.safetensors")


@pytest.mark.parametrize("freeze_updates", [0, 2])
def test_frozen_parts_of_a_start_thaw_in_all_processes(toy: Context, freeze_updates: int) -> None:
    start = load_file(toy.exp / "model.safetensors")
    Path("two.yaml").write_text(to_yaml(toy.config))
    Path("script.py").write_text(SCRIPT)
    settings = [
        "--training.start_from=exp/toy",
        "--training.freeze=[audio_encoder,ctc,streaming_decoder]",
        f"--training.freeze_updates={freeze_updates}",
        "--training.max_updates=4",
        "--training.validate_every=4",
        "--training.speech_batch.max_utterances=2",
        "--loss.ctc_only_updates=1",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "script.py", *settings], env=environment, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("starting from exp/toy") == 1
    one, other = (load_file(f"process{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one), "gradients were not shared"
    moved = {name.split(".")[0] for name in start if not torch.equal(one[name], start[name])}
    frozen = {"audio_encoder", "ctc", "streaming_decoder"}
    assert frozen & moved == (frozen if freeze_updates else set())
    assert {"subsampling", "text_encoder", "full_context_decoder"} <= moved
