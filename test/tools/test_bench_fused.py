"""The benchmark of the Triton kernels runs, interpreted, on a lattice of a few places."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_a_small_size(tmp_path: Path) -> None:
    size = ["--size", "1", "4", "2", "20", "16", "--rounds", "1"]
    command = [sys.executable, str(ROOT / "tools/bench_fused.py"), "--out", str(tmp_path), *size]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "bench.json").read_text())
    names = [row["B x T x U x V x J"] for row in numbers["Medians, chunks of 64 MiB"]]
    size_name = "1 x 4 x 2 x 20 x 16"
    assert names == [size_name + kind for kind in (", HAT", "", ", band of 8, HAT", ", band of 8")]
    assert len(numbers["CTC, losses and gradients of logits"]) == 1
