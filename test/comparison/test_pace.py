"""Equal training time: from seconds of an update to numbers of updates."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from jointst.common.errors import DataError
from jointst.comparison.pace import equal_time, training_seconds, updates_within
from jointst.config import Config, ConsistencyConfig, LossConfig, TrainingConfig
from jointst.training.pace import Paces, phases

BEST = LossConfig(ctc_only_updates=100, consistency=ConsistencyConfig(start_update=150, ramp_updates=10, weight=0.3))
ENDS = dataclasses.replace(BEST, consistency=dataclasses.replace(BEST.consistency, end_update=180))
JOIST = dataclasses.replace(BEST, consistency=ConsistencyConfig(weight=0.0))
PACE = {"ctc": 0.1, "joint": 0.5, "consistency": 1.0}


def configs(updates: int, **losses: LossConfig) -> dict[str, Config]:
    return {name: Config(loss=loss, training=TrainingConfig(max_updates=updates)) for name, loss in losses.items()}


def test_phases_of_a_loss() -> None:
    assert phases(BEST) == [("ctc", 0), ("joint", 100), ("consistency", 150)]
    assert phases(ENDS) == [("ctc", 0), ("joint", 100), ("consistency", 150), ("joint", 180)]
    assert phases(JOIST) == [("ctc", 0), ("joint", 100)]
    assert phases(dataclasses.replace(BEST, text=0.0)) == [("ctc", 0), ("joint", 100)]
    assert phases(dataclasses.replace(BEST, ctc_only_updates=0)) == [("joint", 0), ("consistency", 150)]


@pytest.mark.parametrize(("updates", "seconds"), [(50, 5.0), (100, 10.0), (120, 20.0), (150, 35.0), (160, 45.0)])
def test_time_and_updates_are_inverse(updates: int, seconds: float) -> None:
    assert training_seconds(phases(BEST), PACE, updates) == pytest.approx(seconds)
    assert updates_within(phases(BEST), PACE, seconds) == updates


def test_a_phase_may_come_again() -> None:
    assert training_seconds(phases(ENDS), PACE, 200) == pytest.approx(10 + 25 + 30 + 10)
    assert updates_within(phases(ENDS), PACE, 75.0) == 200


def test_one_update_at_least() -> None:
    assert updates_within(phases(BEST), PACE, 0.0) == 1


def test_what_takes_hardly_longer_takes_equal_time(tmp_path: Path) -> None:
    paces: Paces = {
        "joist": {"ctc": 0.05, "joint": 0.2},  # 45 s
        "best": {"ctc": 0.05, "joint": 0.2, "consistency": 0.21},  # 46.5 s
        "soft_dtw": {"ctc": 0.05, "joint": 0.2, "consistency": 0.22},  # 48 s
    }
    made = configs(300, joist=JOIST, best=BEST, soft_dtw=BEST)
    budget = equal_time(tmp_path / "time.json", "joist", made, lambda names: paces)
    assert budget.updates == {"soft_dtw": 286}


def test_what_was_measured_stays_and_later_systems_are_put_in_its_terms(tmp_path: Path) -> None:
    path = tmp_path / "time.json"
    asked: list[Sequence[str]] = []

    def measure(names: Sequence[str]) -> Paces:
        asked.append(names)
        slow = 2.0 ** (len(asked) - 1)  # the machine is busier each time
        joint = {"paired": 0.1, "joist": 0.2, "best": 0.25}
        return {name: {"ctc": 0.05 * slow, "joint": joint[name] * slow, "consistency": 0.3 * slow} for name in names}

    first = equal_time(path, "joist", configs(300, paired=JOIST, joist=JOIST), measure)
    assert (first.seconds, first.updates) == (pytest.approx(45.0), {"paired": 500})
    again = equal_time(path, "joist", configs(300, paired=JOIST, joist=JOIST, best=BEST), measure)
    assert asked == [["joist", "paired"], ["joist", "best"]]
    assert again.seconds == first.seconds
    assert again.paces["best"]["consistency"] == pytest.approx(0.3)
    assert again.updates == {"paired": 500, "best": 242}  # 5 s, 12.5 s, and 92 x 0.3 s of 45
    alone = equal_time(path, "joist", configs(300, joist=JOIST), measure)
    assert len(asked) == 2
    assert set(alone.paces) == {"joist", "paired", "best"}
    changed = dataclasses.replace(BEST, ctc=0.7)
    equal_time(path, "joist", configs(300, joist=JOIST, best=changed), measure)
    assert asked[2] == ["joist", "best"], "it was measured with other settings"
    anew = equal_time(path, "joist", configs(400, joist=JOIST), measure)
    assert asked[3] == ["joist"]
    assert anew.updates == {}
    path.write_text("{}")
    with pytest.raises(DataError, match=r"time\.json: is damaged.*remove it"):
        equal_time(path, "joist", configs(400, joist=JOIST), measure)
