"""Slurm's words for time, and a job that goes back into the queue; Slurm itself is tried in test_launch.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jointst.ranks import slurm
from jointst.recipe import job


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1-02:03:04", 93784.0), ("2:03:04", 7384.0), ("3:04", 184.0), ("0:05", 5.0), ("UNLIMITED", None), ("", None)],
)
def test_time_left(text: str, seconds: float | None) -> None:
    assert slurm._seconds(text) == seconds


def fake(folder: Path, name: str, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_nothing_is_asked_outside_of_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert slurm.seconds_left() is None
    assert job.requeue() == (False, "")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('echo "$@" > asked', (True, "job 3_1 is in the queue again")),
        ("echo no such job >&2; exit 1", (False, "no such job (sbatch --requeue allows it)")),
    ],
)
def test_requeue(script: str, expected: tuple[bool, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for key, value in {"SLURM_JOB_ID": "5", "SLURM_ARRAY_JOB_ID": "3", "SLURM_ARRAY_TASK_ID": "1"}.items():
        monkeypatch.setenv(key, value)
    fake(tmp_path, "scontrol", script, monkeypatch)
    done, words = job.requeue()
    assert done == expected[0]
    assert words.endswith(expected[1])
    assert not done or Path("asked").read_text() == "requeue 3_1\n"


def test_the_time_left_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    fake(tmp_path, "squeue", "echo 10:00", monkeypatch)
    assert slurm.seconds_left() == 600.0
