"""The benchmark of alignments runs, and writes its tables, numbers and plots."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_two_parts_alone(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools/bench_alignment.py"), "--out", str(tmp_path)]
    done = subprocess.run([*command, "--parts", "rivals,memory", "--toy"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "bench.md").read_text()
    assert table.strip() in done.stdout
    assert "naive O(N M^2) in numba" in table
    assert "best and the naive form give the same paths: True" in table
    assert json.loads((tmp_path / "bench.json").read_text())
    assert (tmp_path / "memory.png").stat().st_size or (tmp_path / "memory.svg").stat().st_size


def test_unknown_parts_are_refused(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools/bench_alignment.py"), "--out", str(tmp_path), "--parts", "speed"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "unknown parts: speed; known: rivals" in done.stderr
