"""The benchmark of the synthetic corpus runs and says what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_bench_corpus(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "tools/bench_corpus.py"),
        "--hours",
        "0.02",
        "--json",
        str(tmp_path / "a.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    record = json.loads((tmp_path / "a.json").read_text())
    assert 0.1 < record["hours"] < 1  # most of it in development and test sets
    assert set(record["stages"]) == {"corpus", "lexicon", "both"}
    assert f"{record['hours']:.2f} h of speech, {record['utterances']} utterances" in done.stdout
