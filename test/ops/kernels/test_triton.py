"""The Triton kernels in processes of their own, since Triton reads TRITON_INTERPRET when it is first imported.

Without a GPU the files check_*.py run interpreted, all in one; with one, they and compiled_*.py run compiled as well.
"""

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from jointst.ops.kernels import triton

FOLDER = Path(__file__).parent / "triton"


def run(paths: Sequence[Path], environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *map(str, paths)]
    environment.pop("PYTEST_ADDOPTS", None)
    root = Path(__file__).parents[3]
    result = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=1800)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " skipped" not in result.stdout


@pytest.mark.timeout(1800)
def test_interpreted() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    run(sorted(FOLDER.glob("check_*.py")), environment)


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("path", sorted(FOLDER.glob("c*.py")), ids=lambda path: path.stem)
def test_compiled(path: Path) -> None:
    run([path], {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"})


ON_GPU, ON_CPU = SimpleNamespace(is_cuda=True), SimpleNamespace(is_cuda=False)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """With another Triton for ``triton.importlib.import_module`` to find, and none interpreted."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    for known in (triton.missing, triton._warn_once):
        known.cache_clear()
    yield monkeypatch
    for known in (triton.missing, triton._warn_once):
        known.cache_clear()


@pytest.mark.parametrize("version", ["3.2.1", None])
def test_a_triton_that_is_old_or_missing_is_told_once(version: str | None, installed: pytest.MonkeyPatch) -> None:
    def find(name: str) -> SimpleNamespace:
        if version is None:
            raise ImportError(f"No module named {name!r}")
        return SimpleNamespace(__version__=version)

    installed.setattr(triton.importlib, "import_module", find)
    with pytest.warns(UserWarning, match="no Triton kernels: .*(3.2.1 is older than 3.3|No module named 'triton')"):
        assert not triton.usable(ON_GPU)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not triton.usable(ON_GPU)
        assert not triton.usable(ON_CPU)
    assert not triton.available()


def test_what_triton_needs_to_build_launchers_is_told(installed: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed.delenv("CC", raising=False)
    installed.setenv("PATH", str(tmp_path))
    assert "C compiler" in triton.missing()
    installed.setenv("CC", "cc")
    installed.setattr(triton.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    triton.missing.cache_clear()
    assert f"it needs {tmp_path}/Python.h" in triton.missing()
    (tmp_path / "Python.h").touch()
    triton.missing.cache_clear()
    assert triton.missing() == ""


def test_the_installed_triton_is_used_on_a_gpu_alone(installed: pytest.MonkeyPatch) -> None:
    installed.setattr(triton, "_missing_to_build", lambda: "")
    assert triton.usable(ON_GPU)
    assert not triton.usable(ON_CPU)
    installed.setenv("TRITON_INTERPRET", "1")
    assert triton.usable(ON_CPU)
