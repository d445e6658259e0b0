"""The benchmark of waiting threads runs at toy size."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_toy_size(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools/bench_threads.py"), "--out", str(tmp_path), "--toy", "--busy", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bench.md").read_text().strip() in done.stdout
    numbers = json.loads((tmp_path / "bench.json").read_text())
    for part in ("update", "alignment"):
        first, last = numbers[f"{part}: medians and least"]
        assert (first["threads"], last["threads"]) == ("1 thread", "all, asleep (the default)")
        assert float(first["idle ms"]) > 0
        assert float(last["beside 1 ms"]) > 0
