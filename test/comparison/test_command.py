"""``jointst compare`` on the toy recipe: interrupted, continued, with a cell that fails, stored and printed again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from comparison.conftest import SYSTEMS

from jointst.cli import main
from jointst.comparison.grid import Grid
from jointst.comparison.launch import run_array
from jointst.comparison.tables import text_of
from jointst.stage import Context

ROOT = Path(__file__).resolve().parents[2]
GRID = ["--name", "toy", "--systems", "paired", "joist", "--seeds", "0", "1", "--systems-folder", str(SYSTEMS)]
EXP = Path("exp/compare/toy")


def start(*options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "jointst", "compare", *GRID, *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def made(cell: str) -> tuple[int, int]:
    status = (EXP / cell / "model.safetensors").stat()
    return status.st_ino, status.st_mtime_ns


@pytest.mark.timeout(600)
def test_a_grid_is_interrupted_continued_and_survives_a_failing_cell(
    recipe: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    with start() as process:
        deadline = time.monotonic() + 250
        while not (EXP / "joist_seed0/log.jsonl").is_file():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, errors = process.communicate(timeout=90)
    assert process.returncode == 130, errors
    assert "jointst compare: interrupted; run it again to go on" in errors
    assert "Traceback" not in errors
    first = made("paired_seed0")
    assert not (EXP / "joist_seed0/model.safetensors").exists()

    # The same grid with a system whose loss cannot stay finite; what is left out is remembered.
    Path("conf/broken.yaml").write_text("training: {peak_rate: 1e30}\n")
    options = ["--name", "toy", "--systems", "paired", "broken", "joist", "--seeds", "0", "1", "--store"]
    assert main(["compare", *options]) == 1
    shown = capsys.readouterr().out
    assert made("paired_seed0") == first, "finished cells are skipped"
    assert "failed: broken seed 1: train: update " in shown
    assert "the loss is not finite" in shown
    assert "exp/compare/toy/logs/broken_seed1.log" in shown
    assert "Traceback" not in shown

    summary = json.loads((EXP / "summary.json").read_text())
    cells = {cell["key"]: cell for cell in summary["controls"]["updates"]["cells"]}
    assert {key: cell["status"] for key, cell in cells.items()} == {
        f"{name}_seed{seed}": "failed" if name == "broken" else "finished"
        for name in ("paired", "broken", "joist")
        for seed in (0, 1)
    }
    assert cells["joist_seed1"]["updates"] == 10
    tables = summary["controls"]["updates"]["tables"]
    assert {(t["set"], t["decoder"]) for t in tables} == {("t_test", "streaming"), ("t_test", "full_context")}
    joist = tables[0]["systems"]["joist"]
    assert joist["seeds"] == 2
    assert set(joist["rates"]) == {"ar", "en", "ru", "zh", "macro", "pooled"}
    assert set(joist["against"]) == {"paired"}
    scores = json.loads((EXP / "joist_seed1/score/scores.json").read_text())["sets"]["t_test"]["decoders"]
    assert joist["seed_macro"][1] == pytest.approx(scores[tables[0]["decoder"]]["macro"]["error_rate"])
    assert Path("results/toy.json").read_text() == (EXP / "summary.json").read_text()
    assert text_of(json.loads(Path("results/toy.json").read_text())) in shown
    page = (EXP / "report.html").read_text()
    assert all(word in page for word in ("<svg", "broken seed 0", "change from paired", "jointst compare --name toy"))

    # Equal time, from the clocks of what is trained; the system that gives the time is not trained twice.
    options = ["--name", "toy", "--systems", "paired", "joist", "--seeds", "0", "--controls", "updates", "time"]
    assert main(["compare", *options]) == 0
    budget = json.loads((EXP / "time.json").read_text())
    again = json.loads((EXP / "summary.json").read_text())["controls"]["time"]
    found = {cell["key"]: cell["updates"] for cell in again["cells"]}
    assert found == {"paired_seed0": 10, "joist_seed0_time": budget["updates"]["joist"]}
    assert made("paired_seed0") == first
    assert "those of paired for 10 updates" in again["budget"]

    # Two jobs of submitit's, here processes: one finds its cell finished, the other makes a new one.
    grid = Grid(**{**Grid.read("toy"), "seeds": (0, 2), "systems": ("paired",)})
    cells_of = [grid.cell("paired", seed, "updates", None) for seed in grid.seeds]
    outcomes = run_array(cells_of, ["--nj", "1"], {"timeout_min": 5}, cluster="local")
    assert [outcome.status for outcome in outcomes] == ["finished", "finished"]
    assert made("paired_seed0") == first
    assert made("paired_seed2")


def test_time_that_is_up_leaves_cells_for_another_call(recipe: Context, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *GRID, "--for", "0.001"]) == 3
    shown = capsys.readouterr().out
    assert shown.count("waiting: ") == 4
    assert not list(EXP.glob("*_seed*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--systems", "paired", "bset"], "--systems: no bset.yaml in"),
        (["--systems", "paired", "paired"], "--systems: paired paired (name each once)"),
        (["--seeds", "0", "0"], "--seeds: 0 0 (name each once)"),
        (["--baseline", "best"], "--baseline: best is not among --systems paired joist"),
        (["--name", "../x"], "--name: is '../x'"),
        (["--nj", "0"], "--nj must be at least 1"),
        (["--", "--training.peak_rte", "1"], "peak_rte"),
        (["--slurm", "timeout"], "is not KEY=VALUE"),
    ],
)
def test_options_that_do_not_fit(
    recipe: Context, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *GRID, *options]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("jointst compare: error: ")
    assert message in errors


def test_data_that_is_not_made_is_said(recipe: Context, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/t_train/phones").unlink()
    assert main(["compare", *GRID]) == 1
    assert "data/t_train/phones is missing (./run.sh --stop-stage 5 makes the data first)" in capsys.readouterr().err
    assert not EXP.exists()
