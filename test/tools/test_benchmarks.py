"""Every benchmark runs at toy size, writes what it measured, and judges nothing by it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = {"bench_memory", "bench_options", "bench_report"}
"""Modules of the benchmarks, which are none themselves."""
MUST_SAY = {
    "bench_alignment": "best and the naive form give the same paths: True",
    "bench_corpus": "h of speech",
    "bench_decode": "40 labels of 500 are forced over 100 positions",
    "bench_serve": "live streams with a factor under 0.5",
    "bench_stream": "one chunk is 320 ms",
}
"""What the report of a benchmark says if it did what it should."""


def has_main(path: Path) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in ast.parse(path.read_text()).body)


FILES = sorted((ROOT / "tools").glob("bench_*.py"))
BENCHMARKS = [path.stem for path in FILES if has_main(path)]


def test_what_is_no_benchmark_is_known() -> None:
    assert {path.stem for path in FILES} - set(BENCHMARKS) == SHARED


@pytest.mark.parametrize("name", BENCHMARKS)
def test_toy_size(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / f"tools/{name}.py"), "--toy", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    report = (tmp_path / "out" / "bench.md").read_text()
    assert report.strip() in done.stdout
    assert "at toy size: its figures say nothing" in report
    assert "MISSED" not in report
    assert MUST_SAY.get(name, "") in report
    numbers = json.loads((tmp_path / "out" / "bench.json").read_text())
    tables = [value for value in numbers.values() if isinstance(value, list)]
    assert tables
    assert all(rows and all(rows) for rows in tables)
    assert {path.name for path in tmp_path.iterdir()} == {"out"}, "it writes where it was told to"
