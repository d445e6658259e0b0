"""Equal training time: clocks of trainings, read and inverted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jointst.comparison.pace import equal_time, read_curve, updates_within
from jointst.errors import JointstError

# 100 quick updates, then 5 times slower ones.
CURVE = [(0, 0.0), (100, 10.0), *((u, 10.0 + (u - 100) * 0.5) for u in range(110, 301, 10))]


def test_a_log_is_read_without_its_broken_line(tmp_path: Path) -> None:
    lines = [{"update": 1, "seconds": 0.5, "loss": 3}, {"update": 10, "seconds": 2}, {"update": 10, "seconds": 3.0}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"update": 2')
    assert read_curve(tmp_path) == [(0, 0.0), (1, 0.5), (10, 2.0)]
    assert read_curve(tmp_path / "absent") == [(0, 0.0)]


@pytest.mark.parametrize(
    ("seconds", "updates"), [(0.0, 1), (5.0, 50), (10.0, 100), (12.5, 105), (110.0, 300), (210.0, 500)]
)
def test_updates_follow_the_clock_and_then_the_last_pace(seconds: float, updates: int) -> None:
    assert updates_within(CURVE, seconds) == updates


def test_an_empty_log_has_no_pace() -> None:
    with pytest.raises(ValueError, match="without updates"):
        updates_within([(0, 0.0)], 3.0)


def test_the_budget_is_the_median_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "time.json"
    paired = [[(0, 0.0), (100, 50.0)], [(0, 0.0), (100, 60.0)], [(0, 0.0), (100, 90.0)]]
    joist = [[(0, 0.0), (100, 120.0)]]
    first = equal_time(path, "paired", 100, {"paired": paired, "joist": joist})
    assert (first.seconds, first.updates) == (60.0, {"joist": 50})
    slower = [[(0, 0.0), (100, 240.0)]]
    again = equal_time(path, "paired", 100, {"paired": slower, "joist": slower, "best": slower})
    assert (again.seconds, again.updates) == (60.0, {"joist": 50, "best": 25})
    anew = equal_time(path, "paired", 200, {"paired": [[(0, 0.0), (200, 100.0)]], "joist": joist})
    assert (anew.seconds, anew.updates) == (100.0, {"joist": 83})


def test_no_clock_of_the_baseline(tmp_path: Path) -> None:
    with pytest.raises(JointstError, match="no training of paired is finished"):
        equal_time(tmp_path / "time.json", "paired", 100, {"paired": [], "joist": []})
