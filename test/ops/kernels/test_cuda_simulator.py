"""The CUDA kernels pass the tests of the CPU kernels, in numba's simulator: no GPU is needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1] / "alignment"


@pytest.mark.timeout(1200)
def test_same_tests_in_the_simulator() -> None:
    files = [str(TESTS / name) for name in ("test_monotone.py", "test_soft.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not sinkhorn", *files]
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "CUDA_VISIBLE_DEVICES": ""}
    root = TESTS.parents[2]
    result = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=1200)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " skipped" not in result.stdout
