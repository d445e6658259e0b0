"""Several calls of ``jointst compare`` for one comparison: they share its cells, and never its settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from comparison.conftest import SYSTEMS

from jointst.common.lock import Claim, hold
from jointst.comparison import cell as cells
from jointst.comparison.grid import Grid
from jointst.config.context import Context
from jointst.recipe.cli import main

ROOT = Path(__file__).resolve().parents[2]
GRID = ["--name", "toy", "--systems", "paired", "joist", "--seeds", "0", "--systems-folder", str(SYSTEMS)]
EXP = Path("exp/compare/toy")
HOLDER = """
import sys
from pathlib import Path
from jointst.common.lock import Claim, hold

with hold([Claim.beside(Path(sys.argv[1]))], "stage 6 train", "jointst train"):
    print("ready", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def at_work(folder: Path) -> Iterator[int]:
    """Another process that works in a folder; its number."""
    pipe, environment = subprocess.PIPE, {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
        process.communicate("\n", timeout=30)


def compare(*options: str) -> int:
    return main(["compare", *GRID, *options])


@pytest.fixture
def under_way(recipe: Context) -> Iterator[None]:
    """Another call is at work on the comparison."""
    assert compare("--for", "1e-9", "--", "--training.peak_rate", "0.002") == 3
    with hold([Claim.beside(EXP, shared=True)], "jointst compare"):
        yield


@pytest.mark.usefixtures("under_way")
def test_a_call_with_other_settings_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    before = (EXP / "grid.json").read_text()
    assert compare("--for", "1e-9", "--", "--training.peak_rate", "0.1") == 1
    assert "exp/compare/toy is in use: a comparison with other settings (overrides; see" in capsys.readouterr().err
    assert (EXP / "grid.json").read_text() == before
    assert compare("--for", "1e-9") == 3, "what is left out is as it was the first time"
    assert compare("--for", "1e-9", "--seeds", "1", "2") == 3, "other cells of the same comparison"


def test_cells_of_others_are_left_to_them(recipe: Context, capsys: pytest.CaptureFixture[str]) -> None:
    with at_work(EXP / "paired_seed0") as one, at_work(EXP / "joist_seed0"):
        assert compare() == 3
    shown = capsys.readouterr().out
    assert "elsewhere: paired seed 0: stage 6 train is under way there, by user " in shown
    assert f"process {one} on host" in shown
    assert not (EXP / "paired_seed0/config.yaml").exists()


def test_data_is_not_made_anew_under_a_comparison(recipe: Context, capsys: pytest.CaptureFixture[str]) -> None:
    with hold([Claim.inside(Path("data"), shared=True)], "jointst compare"):
        assert main(["features", "--conf", "conf/train.yaml", "--force"]) == 1
    assert "data is in use: jointst compare is under way there" in capsys.readouterr().err


def test_settings_that_change_amid_a_comparison_are_told(recipe: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"systems": ("paired",), "seeds": (0,), "baseline": "paired", "time_of": "paired", "folder": str(SYSTEMS)}
    cell = Grid(name="toy", **known).cell("paired", 0, "updates", None)  # type: ignore[arg-type]
    monkeypatch.setattr(cells, "_run", lambda *arguments: 0)  # as if its stages had run, by other settings
    outcome = cells.run_cell(cell, ["--nj", "1"])
    assert outcome.status == "failed"
    assert outcome.message == "train: not finished before since the comparison was started"
