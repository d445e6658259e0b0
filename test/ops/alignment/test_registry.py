from pathlib import Path
from typing import Any

import pytest
import torch

from jointst.common.errors import EnvironmentFault, JointstError
from jointst.ops.alignment import KINDS, align, make_options
from jointst.ops.kernels import dispatch


def test_every_kind_that_the_issue_asks_for() -> None:
    names = "best mas dtw framewise random nearest soft_dtw sinkhorn forced"
    assert set(KINDS) == set(names.split())


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("bset", {}, "alignment 'bset' is unknown; known: best mas"),
        ("best", {"gamma": 1.0}, "alignment best has no option 'gamma'; it has: ends band"),
        ("framewise", {"band": 1}, "it has: none"),
        ("forced", {}, "needs the option 'durations'"),
        ("forced", {"durations": [1, 2]}, "must be a tensor"),
        ("best", {"ends": "open"}, "ends is 'open'"),
        ("best", {"band": 0}, "band is 0"),
        ("dtw", {"band": 1.5}, "band is 1.5"),
        ("mas", {"max_step": -1}, "max_step is -1"),
        ("random", {"seed": -1}, "seed is -1"),
        ("soft_dtw", {"gamma": 0}, "gamma is 0"),
        ("sinkhorn", {"temperature": 0}, "temperature is 0"),
        ("sinkhorn", {"prior": float("nan")}, "prior is nan"),
        ("sinkhorn", {"iterations": 0}, "iterations is 0"),
    ],
)
def test_options_are_checked(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(JointstError, match=message):
        align(kind, torch.rand(1, 2, 2), torch.tensor([2]), torch.tensor([2]), **options)


def test_options_have_defaults() -> None:
    assert make_options("best", {}).ends == "free"
    assert make_options("sinkhorn", {"prior": 0}).prior == 0


def test_other_devices_and_cuda_without_numba_cuda_get_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(JointstError, match="cpu and cuda, not on meta"):
        dispatch.best_paths(torch.rand(1, 2, 2, device="meta"), torch.tensor([2]), torch.tensor([2]), False, -1)

    class Fake:
        device = torch.device("cuda")
        is_cuda = True

    monkeypatch.setattr(dispatch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentFault, match="--extra cuda"):
        dispatch._on_gpu(Fake())


def test_kernels_that_do_not_load_say_how_to_mend_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """numba-cuda beside a NumPy that it was not made for: an AttributeError out of the package."""
    (tmp_path / "clashing_cuda.py").write_text("import numpy\nnumpy.no_such_stack\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"beside NumPy .*no_such_stack.*tools/install.sh --extra cuda"):
        dispatch.load_cuda("clashing_cuda")


def test_what_numba_cuda_imports_only_at_its_first_kernel_is_imported_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside NumPy 2.5 numba.cuda loads, and its first kernel did not."""

    def clash(name: str) -> None:
        if name == "numba.cuda.cudaimpl":
            raise AttributeError("module 'numpy' has no attribute 'no_such_stack'")

    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    monkeypatch.setattr(dispatch.importlib, "import_module", clash)
    with pytest.raises(EnvironmentFault, match=r"beside NumPy .*no_such_stack.*tools/install.sh --extra cuda"):
        dispatch.load_cuda("numba.cuda")
