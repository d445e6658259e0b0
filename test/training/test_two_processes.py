"""Training in two processes, as on two GPUs but on the CPU: one log, one result, one end for all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from jointst.load_config import to_yaml
from jointst.stage import Context

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys, lightning
from jointst.cli import main

trainer = lightning.Trainer
two = {"devices": 2, "strategy": "ddp_find_unused_parameters_true"}
lightning.Trainer = lambda **settings: trainer(**{**settings, **two})
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
