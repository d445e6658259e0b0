"""The benchmark of decoding and ESPnet; that it runs is a test of all benchmarks."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def bench(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools/bench_decode.py"), "--out", str(out), "--threads", "1", *options]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_folder_without_espnet_is_refused(tmp_path: Path) -> None:
    done = bench(tmp_path, "--espnet", str(tmp_path))
    assert done.returncode == 1
    assert "no espnet2 in" in done.stderr
