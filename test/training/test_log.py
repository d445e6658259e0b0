"""The log of a training, as it is read again."""

from __future__ import annotations

from pathlib import Path

from jointst.training.log import read_log


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"update": 1, "seconds": 0.5}\n{"update": 10, "seconds": 3.0}\n{"update": 2')
    assert read_log(path) == [{"update": 1, "seconds": 0.5}, {"update": 10, "seconds": 3.0}]
    assert read_log(tmp_path / "absent") == []
