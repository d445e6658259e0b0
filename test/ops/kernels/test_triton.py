"""The Triton kernels in processes of their own, since Triton reads TRITON_INTERPRET when it is first imported.

Without a GPU the files check_*.py run interpreted; with one, they and compiled_*.py run compiled as well.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parent / "triton"


def run(path: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(path)]
    environment.pop("PYTEST_ADDOPTS", None)
    root = Path(__file__).parents[3]
    result = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " skipped" not in result.stdout


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", sorted(FOLDER.glob("check_*.py")), ids=lambda path: path.stem)
def test_interpreted(path: Path) -> None:
    run(path, {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"})


@pytest.mark.timeout(900)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("path", sorted(FOLDER.glob("c*.py")), ids=lambda path: path.stem)
def test_compiled(path: Path) -> None:
    run(path, {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"})
