"""Thread counts reach the libraries, in this process and in those started from it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jointst.threads import _core_seconds, available_cpus, threads_for

ROOT = Path(__file__).resolve().parents[1]


def run(script: str, **variables: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    environment.update(variables, PYTHONPATH=str(ROOT))
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("first", ["", "import torch, numba; "])
def test_torch_and_numba_follow_before_and_after_import(first: str) -> None:
    script = f"{first}from jointst.threads import set_threads; set_threads(1); import torch, numba, os;"
    script += "print(torch.get_num_threads(), numba.get_num_threads(), os.environ['OMP_NUM_THREADS'])"
    assert run(script) == "1 1 1"


def test_the_default_is_what_the_user_or_the_machine_says() -> None:
    script = "from jointst.threads import set_threads; print(set_threads(None))"
    assert run(script, OMP_NUM_THREADS="3") == "3"
    assert run(script, OMP_NUM_THREADS="many") == str(available_cpus())
    assert run(script) == str(available_cpus())


def test_waiting_threads_sleep_before_a_command_loads_libgomp() -> None:
    """libgomp itself says, when it is loaded, what it has read."""
    script = "import os, sys, jointst.commands as commands; from jointst.cli import main;"
    script += "commands.Command.run = lambda self, arguments: print('torch' in sys.modules) or 0;"
    script += "main([commands.COMMANDS[0].name]); os.dup2(1, 2); import torch"
    loaded, *shown = run(script, OMP_DISPLAY_ENV="true").splitlines()
    assert loaded == "False"
    assert any("OMP_WAIT_POLICY = 'PASSIVE'" in line for line in shown)


@pytest.mark.parametrize("variables", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}, {"KMP_BLOCKTIME": "0"}])
def test_how_threads_wait_is_the_users_if_stated(variables: dict[str, str]) -> None:
    script = "from jointst.threads import set_threads; set_threads(2); import os;"
    script += "print({name: os.environ[name] for name in "
    script += "('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME') if name in os.environ})"
    assert run(script, **variables) == str(variables)
    assert run(script) == str({"OMP_WAIT_POLICY": "PASSIVE"})


@pytest.mark.parametrize(
    ("free", "elapsed", "cpus", "threads"),
    [(6.0, 3.0, 2, 2), (3.1, 3.0, 2, 1), (0.2, 3.0, 2, 1), (12.0, 1.0, 16, 12), (15.6, 1.0, 16, 16), (9.0, 1.0, 4, 4)],
)
def test_as_many_threads_as_free_cores(
    free: float, elapsed: float, cpus: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last case: a container with a quota sees more idle cores than it may use."""
    monkeypatch.setattr("jointst.threads.available_cpus", lambda: cpus)
    assert threads_for(free, elapsed) == threads


FOLLOW = """
import torch, numba, jointst.threads as threads
used = iter([(0.0, 10.0), (3.0, 13.0), (6.0, 19.0)])  # beside one busy process, then alone on two cores
threads.available_cpus, threads._core_seconds = lambda: 2, lambda: next(used)
clock = iter([1.0, 3.0, 6.0])
threads.time.monotonic = lambda: next(clock)
threads.set_threads({count})
cores = threads.FreeCores(every=3.0)
print([(cores.look(), torch.get_num_threads(), numba.get_num_threads()) for _ in range(3)])
"""


def test_torch_and_numba_follow_the_free_cores() -> None:
    numba = {"NUMBA_NUM_THREADS": "2"}
    assert run(FOLLOW.format(count=None), **numba) == "[(None, 2, 2), (1, 1, 1), (2, 2, 2)]"


def test_a_stated_number_stays() -> None:
    numba = {"NUMBA_NUM_THREADS": "2"}
    assert run(FOLLOW.format(count=2), **numba) == "[(None, 2, 2), (None, 2, 2), (None, 2, 2)]"
    assert run(FOLLOW.format(count=None), OMP_NUM_THREADS="2", **numba) == str([(None, 2, 2)] * 3)


STAT = """cpu  40 0 10 1300 7 0 0 0 0 0
cpu0 10 0 10 500 3 0 0 0 0 0
cpu1 20 0 0 100 0 0 0 0 0 0
cpu2 10 0 0 700 4 0 0 0 0 0
intr 5 0
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")
def test_idle_seconds_of_the_cpus_it_may_use_and_its_own_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jointst.threads.open", lambda path: io.StringIO(STAT), raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2})
    monkeypatch.setattr(os, "sysconf", {"SC_CLK_TCK": 100}.__getitem__)
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)
    monkeypatch.setattr(time, "process_time", lambda: 1.25)
    assert _core_seconds() == (5.0, 5.03 + 7.04 + 1.25)


def test_without_proc_stat_nothing_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: str) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr("jointst.threads.open", missing, raising=False)
    assert _core_seconds() is None
