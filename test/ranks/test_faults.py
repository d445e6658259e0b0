"""One process of a training fails in every way there is: all end, one says why, and the same command goes on.

A kind of fault is a row of ``FAULTS`` in tools/try_faults.py, which is run here, once for each kind.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "try_faults.py"


def kinds() -> list[str]:
    """The rows, which are read and not imported: the tool forks."""
    for node in ast.parse(TOOL.read_text()).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "FAULTS":
            assert isinstance(node.value, ast.Dict)
            return [ast.literal_eval(key) for key in node.value.keys if key is not None]
    raise AssertionError("no table of faults")


@pytest.fixture(scope="module")
def tries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of a fault of each kind."""
    out = tmp_path_factory.mktemp("faults") / "tries.json"
    command = [sys.executable, str(TOOL), "--tries", str(len(kinds())), "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=590)
    assert out.is_file(), done.stdout + done.stderr
    return {found["kind"]: found for found in json.loads(out.read_text())}


@pytest.mark.parametrize("kind", kinds())
def test_all_end_one_says_why_and_it_goes_on(kind: str, tries: dict[str, Any]) -> None:
    assert tries[kind]["wrong"] == [], tries[kind]
