"""Thread counts reach the libraries, in this process and in those started from it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jointst.common.threads import available_cpus

ROOT = Path(__file__).resolve().parents[1]


def run(script: str, **variables: str) -> str:
    ours = ("_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    environment = {key: value for key, value in os.environ.items() if not key.endswith(ours)}
    environment.update(variables, PYTHONPATH=str(ROOT))
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("first", ["", "import torch, numba; "])
def test_torch_and_numba_follow_before_and_after_import(first: str) -> None:
    script = f"{first}from jointst.common.threads import set_threads; set_threads(1); import torch, numba, os;"
    script += "print(torch.get_num_threads(), numba.get_num_threads(), os.environ['OMP_NUM_THREADS'])"
    assert run(script) == "1 1 1"


def test_the_default_is_what_the_user_or_the_machine_says() -> None:
    script = "from jointst.common.threads import set_threads; print(set_threads(None))"
    assert run(script, OMP_NUM_THREADS="3") == "3"
    assert run(script, OMP_NUM_THREADS="many") == str(available_cpus())
    assert run(script) == str(available_cpus())


def test_waiting_threads_sleep_before_a_command_loads_libgomp() -> None:
    """libgomp itself says, when it is loaded, what it has read."""
    script = "import os, sys, jointst.recipe.commands as commands; from jointst.recipe.cli import main;"
    script += "commands.Command.run = lambda self, arguments: print('torch' in sys.modules) or 0;"
    script += "main([commands.COMMANDS[0].name]); os.dup2(1, 2); import torch"
    loaded, *shown = run(script, OMP_DISPLAY_ENV="verbose").splitlines()
    assert loaded == "False"
    assert any("GOMP_SPINCOUNT = '0'" in line for line in shown)  # it calls its own default PASSIVE too


@pytest.mark.parametrize("variables", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}, {"KMP_BLOCKTIME": "0"}])
def test_how_threads_wait_is_the_users_if_stated(variables: dict[str, str]) -> None:
    script = "from jointst.common.threads import set_threads; set_threads(2); import os;"
    script += "print({name: os.environ[name] for name in "
    script += "('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME') if name in os.environ})"
    assert run(script, **variables) == str(variables)
    assert run(script) == str({"OMP_WAIT_POLICY": "PASSIVE"})


@pytest.mark.parametrize("first", ["import torch, numba; torch.get_num_threads(); ", "import torch; ", ""])
def test_numbas_pool_leaves_torchs_threads_as_they_are(first: str) -> None:
    """When it starts, it sets those of all OpenMP: a training of one thread had as many as there are CPUs."""
    script = f"{first}from jointst.common.threads import set_threads; set_threads(1); import torch;"
    script += "from jointst.ops.transducer import lattice_loss; scores = torch.zeros(2, 3, 2);"
    script += "lattice_loss(scores, scores[:, :, :1], *torch.tensor([[3, 3], [1, 1]])); print(torch.get_num_threads())"
    assert run(script) == "1"
