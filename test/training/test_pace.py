"""Seconds of an update: each phase of a training as if it were all of it."""

from __future__ import annotations

import dataclasses

import pytest

from jointst.common.files import write_atomically
from jointst.config import Config, ConsistencyConfig, LossConfig
from jointst.config.context import Context
from jointst.config.load import to_yaml
from jointst.models.objective import consistency_weight
from jointst.training import pace
from jointst.training.pace import TIMED, WARM, Phase, alone, measure, phases
from jointst.training.time_to_go import updates_left

LOSS = LossConfig(
    ctc_only_updates=2, consistency=ConsistencyConfig(start_update=3, ramp_updates=2, weight=0.3, end_update=9)
)


def test_a_phase_alone_is_that_phase_from_its_first_update_on() -> None:
    for phase, _ in phases(LOSS):
        own = dataclasses.replace(Config(), loss=alone(LOSS, phase)).loss
        updates = range(WARM + TIMED)
        assert all((update < own.ctc_only_updates) == (phase == "ctc") for update in updates)
        assert {consistency_weight(own, update) for update in updates} == {0.3 if phase == "consistency" else 0.0}


def test_the_exact_lattice_of_the_beginning_is_a_phase() -> None:
    loss = dataclasses.replace(LOSS, exact_updates=4)
    assert phases(loss) == [("ctc", 0), ("exact", 2), ("joint", 6), ("consistency", 6), ("joint", 9)]
    for phase in ("ctc", "exact", "joint"):
        own = alone(loss, phase)  # type: ignore[arg-type]
        exact = [own.ctc_only_updates <= n < own.ctc_only_updates + own.exact_updates for n in range(WARM + TIMED)]
        assert set(exact) == {phase == "exact"}


def test_a_consistency_loss_that_ends_before_the_transducers_begin_is_no_phase() -> None:
    begins = phases(dataclasses.replace(LOSS, ctc_only_updates=20))
    assert begins == [("ctc", 0), ("joint", 20)]
    assert updates_left(begins, 0, 30) == {"ctc": 20, "joint": 10}


def test_trainings_are_timed_in_turns_and_left_as_they_are(toy: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    config = dataclasses.replace(toy.config, loss=LOSS)
    write_atomically(toy.exp / "config.yaml", to_yaml(config))
    before = {path: path.stat().st_mtime_ns for path in toy.exp.rglob("*")}
    turns: list[str] = []
    timed = pace._turn

    def turn(context: Context, phase: Phase) -> list[float]:
        turns.append(phase)
        return timed(context, phase)

    monkeypatch.setattr(pace, "TURNS", 2)
    monkeypatch.setattr(pace, "_turn", turn)
    context = dataclasses.replace(toy, config=config)
    found = measure({"a": context, "b": context})
    assert {name: list(own) for name, own in found.items()} == dict.fromkeys("ab", ["ctc", "joint", "consistency"])
    assert all(0 < seconds < 60 for own in found.values() for seconds in own.values())
    assert turns == ["ctc", "joint", "consistency"] * 4
    assert {path: path.stat().st_mtime_ns for path in toy.exp.rglob("*")} == before
