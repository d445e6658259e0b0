"""The script for a GPU machine: its options, and that it stops in time and says so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recipes.checkout import ROOT, copy_recipe


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy_recipe(tmp_path / "a checkout", "mini")
    shutil.copy(ROOT / "tools" / "gpu_grid.sh", tmp_path / "a checkout" / "tools")
    return tmp_path / "a checkout"


def run(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "JOINTST_PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [str(checkout / "tools" / "gpu_grid.sh"), *words]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=200)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a folder for the results"),
        (["out", "other"], "one output folder, not out and other"),
        (["out", "--seconds", "2.5"], "--seconds needs a whole number, not '2.5'"),
        (["out", "--jobs", "0"], "--jobs needs a whole number, not '0'"),
        (["out", "--recipe"], "--recipe needs a value"),
        (["out", "--recipe", "nowhere"], "egs/nowhere/conf/gpu.yaml: no such file"),
        (["out", "--gpus", "2"], "unknown option --gpus"),
    ],
)
def test_option_errors(checkout: Path, words: list[str], message: str) -> None:
    done = run(checkout, *words)
    assert done.returncode == 1
    assert message in done.stderr
    assert not (checkout / "out").exists()


def test_time_that_is_up_is_said_with_a_status_of_its_own(checkout: Path) -> None:
    done = run(checkout, "out", "--seconds", "1")
    assert done.returncode == 3, done.stderr
    assert "time is up in corpus: run it again" in done.stdout
    assert not (checkout / "egs/mini/data/gpu/mini_train").exists()


@pytest.mark.parametrize(("ends", "status", "calls"), [("3 0", 0, 4), ("3 1", 1, 4), ("0", 0, 2)])
def test_calls_at_once_go_on_until_all_cells_are_finished(
    checkout: Path, tmp_path: Path, ends: str, status: int, calls: int
) -> None:
    """An interpreter that only counts the calls of compare: the first two end with the first status, and so on."""
    counter = tmp_path / "python"
    counter.write_text(
        f"""#!/usr/bin/env bash
[ "$3" = compare ] || exit 0
exec 9> {tmp_path}/lock; flock 9
echo "$*" >> {tmp_path}/calls
statuses=({ends}); exit "${{statuses[$((($(wc -l < {tmp_path}/calls) - 1) / 2))]}}"
"""
    )
    counter.chmod(0o755)
    environment = {**os.environ, "JOINTST_PYTHON": str(counter)}
    command = [str(checkout / "tools" / "gpu_grid.sh"), str(tmp_path / "out"), "--jobs", "2", "--seconds", "60"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == status, done.stderr
    assert len((tmp_path / "calls").read_text().splitlines()) == calls


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_calls_end_with_the_script(checkout: Path, tmp_path: Path, number: signal.Signals) -> None:
    """They are in the background, where no Ctrl-C is heard."""
    waiter = tmp_path / "python"
    waiter.write_text(
        f'#!/usr/bin/env bash\n[ "$3" = compare ] || exit 0\necho $$ >> {tmp_path}/calls\nexec sleep 100\n'
    )
    waiter.chmod(0o755)
    command = [str(checkout / "tools" / "gpu_grid.sh"), str(tmp_path / "out"), "--jobs", "2"]
    script = subprocess.Popen(command, env={**os.environ, "JOINTST_PYTHON": str(waiter)}, start_new_session=True)
    calls = tmp_path / "calls"
    end = time.monotonic() + 60
    while not calls.is_file() or len(calls.read_text().splitlines()) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    os.kill(script.pid, number)
    assert script.wait(timeout=60) == 128 + number
    for line in calls.read_text().splitlines():
        while Path("/proc", line).exists():
            assert time.monotonic() < end
            time.sleep(0.05)
