"""Every benchmark runs at toy size, writes what it measured, and judges nothing by it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = {"bench_memory", "bench_options", "bench_report"}
"""Modules of the benchmarks, which are none themselves."""
MUST_SAY = {
    "bench_alignment": "best and the naive form give the same paths: True",
    "bench_corpus": "h of speech",
    "bench_loader": "files, all, each for half",
    "bench_processes": "dev losses at the end, largest over least",
    "bench_decode": "40 labels of 500 are forced over 100 positions",
    "bench_serve": "live streams with a factor under 0.5",
    "bench_stream": "one chunk is 320 ms",
}
"""What the report of a benchmark says if it did what it should."""


def check_fused(numbers: dict[str, Any]) -> None:
    names = [row["B x T x U x V x J"] for row in numbers["Medians, chunks of 64 MiB"]]
    size = "1 x 5 x 3 x 20 x 16"
    assert names == [size + kind for kind in (", HAT", "", ", band of 8, HAT", ", band of 8")]
    assert len(numbers["CTC, losses and gradients of logits"]) == 1


def check_threads(numbers: dict[str, Any]) -> None:
    for part in ("update", "alignment"):
        first, last = numbers[f"{part}: medians and least"]
        assert (first["threads"], last["threads"]) == ("1 thread", "all, asleep (the default)")
        assert float(first["idle ms"]) > 0
        assert float(last["beside 2 ms"]) > 0


def check_processes(numbers: dict[str, Any]) -> None:
    (rows,) = [value for value in numbers.values() if isinstance(value, list)]
    assert [row["processes"] for row in rows] == ["2"]
    assert numbers["dev losses at the end, largest over least"]["value"] == pytest.approx(1, abs=1e-3)
    assert all(float(row["peak MiB a process"]) > 100 and float(row["CPU s an update"]) > 0 for row in rows)
    assert all(0 <= float(row["waiting %"]) < 100 for row in rows)


CHECKS = {"bench_fused": check_fused, "bench_processes": check_processes, "bench_threads": check_threads}
"""What else holds of the numbers of a benchmark."""


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
    CHECKS.get(name, lambda numbers: None)(numbers)
    assert {path.name for path in tmp_path.iterdir()} == {"out"}, "it writes where it was told to"
