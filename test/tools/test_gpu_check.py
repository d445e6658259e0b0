"""The script of all that needs a GPU: its options, and that it says where there is none; the training it times."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from recipes.checkout import ROOT, copy_recipe


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a folder for the figures"),
        (["out", "other"], "one output folder, not out and other"),
        (["out", "--parts"], "--parts needs names"),
        (["out", "--parts", "fused flying"], "unknown part flying"),
        (["out", "--gpus", "2"], "unknown option --gpus"),
        (["out"], "there is no GPU"),
    ],
)
def test_errors(tmp_path: Path, words: list[str], message: str) -> None:
    command = [str(ROOT / "tools" / "gpu_check.sh"), *words]
    nothing = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin", "JOINTST_PYTHON": sys.executable}
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    done = subprocess.run(command, cwd=tmp_path, env=nothing, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_timed_training_runs_without_a_gpu_too(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    copy_recipe(checkout, "mini")
    for name in ("gpu_train.py", "bench_report.py"):
        shutil.copy(ROOT / "tools" / name, checkout / "tools")
    (checkout / "jointst").symlink_to(ROOT / "jointst")
    small = ["--updates", "12", "--utterances", "2", "--model", "tiny", "--per-language", "2", "--cpu"]
    command = [sys.executable, str(checkout / "tools" / "gpu_train.py"), "--out", str(tmp_path / "out"), *small]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tiny on mini, 2 utterances" in json.dumps(json.loads((tmp_path / "out" / "bench.json").read_text()))
