"""The benchmark of the transducer loss runs at toy size, and its methods agree."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_toy_size(tmp_path: Path) -> None:
    sizes = "--batch 2 --frames 8 --labels 3 --vocabulary 20 --joint 8 --dim 8 --rounds 1 --threads 1".split()
    command = [sys.executable, str(ROOT / "tools/bench_transducer.py"), "--out", str(tmp_path), *sizes]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bench.md").read_text().strip() in done.stdout
    numbers = json.loads((tmp_path / "bench.json").read_text())
    assert numbers["largest relative difference of a gradient"]["verdict"] == "held"
