"""The stage driver: options, dry run, failing stages, Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jointst.recipe.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe in a copy of the repository, in a folder with a space, with the environment the tests run in."""
    root = tmp_path / "a copy"
    shutil.copytree(ROOT / "utils", root / "utils")
    (root / "tools").mkdir()
    install = root / "tools" / "install.sh"
    install.write_text('#!/bin/sh\necho "$*" > "$(dirname "$0")/was_installed"\n')
    install.chmod(0o755)
    (root / ".venv").symlink_to(sys.prefix)
    toy = root / "egs" / "toy"
    (toy / "conf").mkdir(parents=True)
    shutil.copy(ROOT / "egs" / "mini" / "run.sh", toy / "run.sh")
    for name in ("train", "other"):
        (toy / "conf" / f"{name}.yaml").write_text("corpus:\n  languages: [ru]\n")
    return toy


def run(recipe: Path, *options: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(recipe / "run.sh"), *options]
    return subprocess.run(command, cwd=cwd or recipe, env=environment, capture_output=True, text=True, timeout=120)


def files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if ".venv" not in path.parts}


def test_dry_run_prints_every_stage_and_changes_nothing(recipe: Path) -> None:
    before = files(recipe.parents[1])
    done = run(recipe, "--dry-run", cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    place, *commands = done.stdout.splitlines()
    assert place == "cd " + str(recipe).replace(" ", "\\ ")
    assert commands == [f"../../.venv/bin/python -m jointst {stage.name} --conf conf/train.yaml" for stage in STAGES]
    assert files(recipe.parents[1]) == before


@pytest.mark.parametrize(("options", "extras"), [((), ""), (("--ngpu", "0"), ""), (("--ngpu", "2"), "--extra cuda")])
def test_gpus_bring_what_they_need(recipe: Path, options: tuple[str, ...], extras: str) -> None:
    run(recipe, "--stage", "0", "--stop-stage", "0", *options)
    assert (recipe.parents[1] / "tools/was_installed").read_text() == f"{extras}\n"


def test_options_reach_the_commands(recipe: Path) -> None:
    options = ("--stage", "6", "--stop-stage=7", "--conf", "conf/other.yaml", "--nj=08", "--ngpu", "1", "--force")
    done = run(recipe, *options, "--dry-run", "--", "--model.dropout", "0.2 x")
    tail = "--conf conf/other.yaml --nj 8 --ngpu 1 --force --model.dropout 0.2\\ x"
    python = "../../.venv/bin/python -m jointst"
    assert done.stdout.splitlines()[1:] == [f"{python} train {tail}", f"{python} decode {tail}"]


def test_how_training_is_launched_is_for_stage_6_alone(recipe: Path) -> None:
    options = ["--stage", "5", "--stop-stage", "7", "--nproc=2", "--nodes", "3", "--launcher", "slurm"]
    options += ["--slurm", "timeout_min=60 slurm_partition=gpu"]
    done = run(recipe, *options, "--dry-run", "--", "--model.dropout", "0.2")
    python, conf, tail = "../../.venv/bin/python -m jointst", "--conf conf/train.yaml", "--model.dropout 0.2"
    launch = "--nproc 2 --nodes 3 --launcher slurm --slurm timeout_min=60 slurm_partition=gpu"
    assert done.stdout.splitlines()[1:] == [
        f"{python} tokenizer {conf} {tail}",
        f"{python} train {conf} {launch} {tail}",
        f"{python} decode {conf} {tail}",
    ]
    failed = run(recipe, "--stage", "2", "--stop-stage", "2", *options[4:])
    assert "--nproc 2 --nodes 3 --launcher slurm --slurm timeout_min=60\\ slurm_partition=gpu" in failed.stderr


def test_conf_files_are_layered_and_the_last_names_the_report(recipe: Path) -> None:
    options = ("--conf", "conf/train.yaml", "--conf=conf/other.yaml")
    done = run(recipe, *options, "--stage", "9", "--stop-stage", "9", "--dry-run")
    assert done.stdout.splitlines()[1].endswith(" align --conf conf/train.yaml --conf conf/other.yaml")
    failed = run(recipe, *options, "--stage", "2", "--stop-stage", "2")
    assert (
        "go on with: ./run.sh --stage 2 --stop-stage 2 --conf conf/train.yaml --conf conf/other.yaml" in failed.stderr
    )


def test_a_recipe_without_settings_is_told_to_write_them(recipe: Path) -> None:
    shutil.rmtree(recipe / "conf")
    done = run(recipe)
    assert f"no such file in {recipe}; write conf/train.yaml, as docs/tutorial.md" in done.stderr


def test_conf_beside_the_caller_is_found(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("{}\n")
    done = run(recipe, "--dry-run", "--stage", "10", "--conf", "mine.yaml", cwd=tmp_path)
    assert str(tmp_path / "mine.yaml") in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stage", "two"], "--stage needs a whole number, not 'two'"),
        (["--stage", "-1"], "--stage needs a whole number, not '-1'"),
        (["--stage", "11"], "--stage 11 is out of range: 0 to 10"),
        (["--stop-stage="], "--stop-stage needs a whole number, not ''"),
        (["--stage", "5", "--stop-stage", "4"], "--stage 5 is after --stop-stage 4"),
        (["--nj", "0"], "--nj 0 is out of range"),
        (["--nj", "1.5"], "--nj needs a whole number, not '1.5'"),
        (["--ngpu"], "--ngpu needs a value"),
        (["--nodes", "0"], "--nodes 0 is out of range: 1 to 4096"),
        (["--launcher", "pbs"], "--launcher is local or slurm, not 'pbs'"),
        (["--stages", "1"], "unknown option '--stages'"),
        (["--stages=1"], "unknown option '--stages'"),
        (["3"], "unknown option '3'"),
        (["--force=yes"], "--force takes no value"),
        (["--model.dim", "64"], "./run.sh -- --model.dim VALUE"),
        (["--conf", "conf/absent.yaml"], "toy; there is conf/other.yaml conf/train.yaml ("),
    ],
)
def test_option_errors(recipe: Path, options: list[str], message: str) -> None:
    done = run(recipe, *options)
    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (recipe.parents[1] / "tools" / "was_installed").exists()


def test_help_lists_the_stages(recipe: Path) -> None:
    done = run(recipe, "--help")
    assert done.returncode == 0
    for stage in STAGES:
        assert f"stage {stage.number}: {stage.name}\n" in done.stdout


def test_stops_at_the_first_failing_stage(recipe: Path) -> None:
    done = run(recipe, "--stage", "2", "--stop-stage", "4", "--nj", "1", cwd=Path("/"))
    assert done.returncode == 1
    assert (recipe.parents[1] / "tools" / "was_installed").exists()
    assert [line.split()[3] for line in done.stdout.splitlines() if " -m jointst " in line] == ["validate"]
    assert "stage 2 validate failed with status 1" in done.stderr
    assert "go on with: ./run.sh --stage 2 --stop-stage 4 --nj 1" in done.stderr
    assert "Traceback" not in done.stderr


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children] + [grand for child in children for grand in descendants(int(child))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_all_processes(recipe: Path, sent: signal.Signals, status: int) -> None:
    # Stage 0 loads torch, which leaves seconds to interrupt it in.
    command = [str(recipe / "run.sh"), "--stop-stage", "0", "--force"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as driver:
        assert driver.stdout is not None
        assert any(line.startswith("ok    packages") for line in driver.stdout), "the stage did not begin"
        below = descendants(driver.pid)
        assert below, "the stage should be running"
        started = time.monotonic()
        driver.send_signal(sent)
        _, errors = driver.communicate(timeout=30)
    assert driver.returncode == status
    assert time.monotonic() - started < 8
    assert not [pid for pid in below if alive(pid)]
    assert "interrupted in stage 0 doctor; go on with: ./run.sh --stage 0" in errors
