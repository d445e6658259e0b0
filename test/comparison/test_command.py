"""``jointst compare`` on the toy recipe: interrupted, continued, with a cell that fails, stored and printed again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from comparison.conftest import SYSTEMS

from jointst.common.errors import DataError
from jointst.comparison.collect import read_json
from jointst.comparison.grid import Grid
from jointst.comparison.launch import run_array, time_array
from jointst.comparison.stored import read_stored
from jointst.comparison.summary import dev_sets
from jointst.comparison.tables import text_of
from jointst.config.context import Context
from jointst.recipe.cli import main
from jointst.training.log import read_log

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


def wait_for(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Wait until something holds; a call of ``jointst compare`` that goes wrong is ended."""
    deadline = time.monotonic() + 900
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"it did not come so far: {process.communicate()}")
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.timeout(1800)
def test_a_grid_survives_a_killed_cell_is_interrupted_and_continued(
    recipe: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    with start() as process:
        log = EXP / "logs/paired_seed0.log"
        wait_for(process, lambda: log.is_file() and log.stat().st_size > 0)
        os.kill(children(process.pid)[0], signal.SIGKILL)
        wait_for(process, lambda: (EXP / "paired_seed1/config.yaml").is_file())
        [cell] = children(process.pid)
        process.terminate()  # this process alone, as kill does; a terminal's Ctrl-C goes to all
        output, errors = process.communicate(timeout=90)
    assert process.returncode == 130, errors
    assert not Path(f"/proc/{cell}").exists()
    assert "paired seed 0: failed train: killed by signal 9" in output + errors
    assert "jointst compare: interrupted; run it again to go on" in errors
    assert "Traceback" not in errors
    first = made("joist_seed0")
    assert not (EXP / "paired_seed1/model.safetensors").exists()

    assert main(["compare", "--name", "toy", "--store"]) == 0, "what is left out is as it was the first time"
    shown = capsys.readouterr().out
    assert made("joist_seed0") == first, "finished cells are skipped"
    summary = json.loads((EXP / "summary.json").read_text())
    cells = {cell["key"]: cell for cell in summary["controls"]["updates"]["cells"]}
    assert {key: cell["status"] for key, cell in cells.items()} == {
        f"{name}_seed{seed}": "finished" for name in ("paired", "joist") for seed in (0, 1)
    }
    assert cells["joist_seed1"]["updates"] == 10
    [stored] = read_stored([Path("results/toy.json")])
    assert stored["grid"] == summary["grid"]
    rates = [[t["systems"][s]["rates"] for t in c["tables"] for s in t["systems"]] for c in stored["controls"].values()]
    assert rates == [
        [t["systems"][s]["rates"] for t in c["tables"] for s in t["systems"]] for c in summary["controls"].values()
    ]
    assert text_of(summary) in shown
    check_tables(summary)
    assert summary["dev_sets"] == []
    last = read_log(EXP / "joist_seed1/log.jsonl")
    assert summary["paired_minutes"] > 0
    assert set(summary["controls"]["updates"]) >= {"by_share", "tables"}
    losses = summary["controls"]["updates"]["dev_losses"]["joist"][1]
    expected = next(line for line in reversed(last) if "dev_loss" in line)
    assert losses == pytest.approx({key: expected[f"dev_{key}"] for key in ("streaming", "full_context")}, rel=1e-4)
    assert "Dev losses" in shown
    toy = Grid(**Grid.read("toy"))
    assert dev_sets(replace(toy, overrides=(*toy.overrides, "--data.test", "[t_dev]"))) == ["t_dev"]
    check_layers_and_probes()
    page = (EXP / "report.html").read_text()
    assert all(word in page for word in ("<svg", "change from paired", "jointst compare --name toy"))
    check_equal_time()


def check_layers_and_probes() -> None:
    """Asked for later, they are measured in the cells that are trained."""
    first = made("joist_seed0")
    note = EXP / "logs/joist_seed0.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "hardware": "where it was trained"}))
    assert main(["compare", "--name", "toy", "--align", "--probe"]) == 0
    assert made("joist_seed0") == first
    assert "where it was trained" in json.loads((EXP / "summary.json").read_text())["hardware"]
    control = json.loads((EXP / "summary.json").read_text())["controls"]["updates"]
    assert {name: len(seeds) for name, seeds in control["layers"].items()} == {"paired": 2, "joist": 2}
    layer = control["layers"]["joist"][1][0]
    assert layer["before"]["best"] != layer["best"]
    found = json.loads((EXP / "joist_seed1/align/layers.json").read_text())["layers"][0]
    assert 0 < layer["spread"] <= 1
    assert layer["spread"] == pytest.approx(found["spread"]["speech"], rel=1e-4)
    assert 0 <= control["probes"]["paired"][0]["language"]["accuracy"]["full-context 1"] <= 1
    shown = (EXP / "summary.txt").read_text()
    assert "Linear probes" in shown
    layers = EXP / "joist_seed1/align/layers.json"
    kept = layers.read_text()
    layers.write_text("{")
    cell = Grid(**Grid.read("toy")).cell("joist", 1, "updates", None)
    with pytest.raises(DataError, match=r"layers\.json: is missing or damaged.*jointst align --force"):
        read_json(layers, cell, "align")
    layers.write_text(kept)
    assert "Shared layers" in shown


def check_tables(summary: dict[str, Any]) -> None:
    tables = summary["controls"]["updates"]["tables"]
    assert {(t["set"], t["decoder"], t["part"]) for t in tables} == {
        ("t_test", "streaming", ""),
        ("t_test", "full_context", ""),
    }
    joist = tables[0]["systems"]["joist"]
    assert joist["seeds"] == 2
    assert set(joist["rates"]) == {"ar", "en", "ru", "zh", "macro", "pooled"}
    assert set(joist["against"]) == {"paired"}
    assert set(tables[0]["systems"]["paired"]["against"]) == {"joist"}, "each against all others"
    scores = json.loads((EXP / "joist_seed1/score/scores.json").read_text())["sets"]["t_test"]["decoders"]
    assert joist["seed_macro"][1] == pytest.approx(scores[tables[0]["decoder"]]["macro"]["error_rate"], rel=1e-4)


def check_equal_time() -> None:
    """By how long updates take; the system that gives the time is not trained twice."""
    options = ["--name", "toy", "--seeds", "0", "--controls", "updates", "time"]
    first = made("paired_seed0")
    assert main(["compare", *options, "--for", "1e-9"]) == 3, "the cell at equal time is left"
    budget = json.loads((EXP / "time.json").read_text())
    assert list(budget["updates"]) == ["joist"]
    assert {name: list(pace) for name, pace in budget["paces"].items()} == {
        "paired": ["ctc", "joint"],
        "joist": ["ctc", "joint"],
    }
    grid = Grid(**Grid.read("toy"))
    contexts = {"paired": grid.cell("paired", 0, "updates", None).context}
    paces = time_array(contexts, EXP, {"timeout_min": 10}, cluster="local")
    assert all(paces["paired"][phase] > 0 for phase in ("ctc", "joint"))
    time_cells = [grid.cell("joist", 0, "time", budget["updates"]["joist"]), grid.cell("paired", 0, "time", None)]
    outcomes = run_array(time_cells, ["--nj", "1"], {"timeout_min": 10}, cluster="local")  # submitit's own processes
    assert [outcome.status for outcome in outcomes] == ["finished", "finished"], outcomes
    assert main(["compare", *options]) == 0
    again = json.loads((EXP / "summary.json").read_text())["controls"]["time"]
    found = {cell["key"]: cell["updates"] for cell in again["cells"]}
    assert found == {"paired_seed0": 10, "joist_seed0_time": budget["updates"]["joist"]}
    assert made("paired_seed0") == first
    assert "Milliseconds of an update" in (EXP / "summary.txt").read_text()
    assert "the time of paired for 10 updates" in again["budget"]


@pytest.mark.timeout(1800)
def test_a_failed_cell_is_shown_with_its_reason_and_log(recipe: Context, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/lang/phones.txt").unlink()
    assert main(["compare", *GRID[:2], "--systems", "paired", *GRID[-2:], "--seeds", "7"]) == 1
    shown = capsys.readouterr().out
    line = "failed: paired seed 7: train: data/lang/phones.txt: is missing (run stage 3, lexicon) (log: "
    assert line + "exp/compare/toy/logs/paired_seed7.log)" in shown
    assert "Traceback" not in shown
    assert "phones.txt: is missing" in (EXP / "logs/paired_seed7.log").read_text()
    cell = json.loads((EXP / "summary.json").read_text())["controls"]["updates"]["cells"][0]
    assert cell["status"] == "failed"
    assert "failed: paired seed 7" in (EXP / "report.html").read_text()


def test_time_that_is_up_leaves_cells_for_another_call(recipe: Context, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *GRID, "--for", "1e-9"]) == 3
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


def test_systems_that_hear_unlike_amounts_of_speech_are_not_compared(
    recipe: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *GRID, "--systems", "paired", "paired+minutes_10"]) == 1
    assert "--systems: paired and paired+minutes_10 hear unlike amounts of speech" in capsys.readouterr().err
    assert not EXP.exists()


def test_data_that_is_not_made_is_said(recipe: Context, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/t_train/phones").unlink()
    assert main(["compare", *GRID]) == 1
    assert "data/t_train/phones is missing (./run.sh --stop-stage 5 makes the data first)" in capsys.readouterr().err
    assert not EXP.exists()
