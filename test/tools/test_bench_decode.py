"""The benchmark of decoding runs without ESPnet, says so, and its search finds what is forced."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def bench(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools/bench_decode.py"), "--out", str(out), "--threads", "1", *options]
    return subprocess.run(command, capture_output=True, text=True)


def test_ours_alone(tmp_path: Path) -> None:
    done = bench(tmp_path, "--seconds", "4", "--utterance-seconds", "2", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "bench.md").read_text()
    assert table.strip() in done.stdout
    assert "40 labels of 500 are forced over 100 positions" in table
    assert "ESPnet is not installed" in table or "ESPnet 20" in table


def test_a_folder_without_espnet_is_refused(tmp_path: Path) -> None:
    done = bench(tmp_path, "--espnet", str(tmp_path))
    assert done.returncode == 1
    assert "no espnet2 in" in done.stderr
