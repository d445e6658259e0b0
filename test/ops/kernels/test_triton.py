"""The Triton kernels, interpreted in a process of their own: Triton reads TRITON_INTERPRET when it is first imported.

On a GPU the same files run compiled: ``python -m pytest test/ops/kernels/triton/check_*.py``.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = sorted((Path(__file__).parent / "triton").glob("check_*.py"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_kernels_in_the_interpreter(path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", str(path)]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    root = Path(__file__).parents[3]
    result = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " skipped" not in result.stdout
