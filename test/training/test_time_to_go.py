"""The time to go, fed with made-up times: no test here waits."""

from __future__ import annotations

import pytest

from jointst.training.time_to_go import (
    COMPARED,
    RECENT,
    TRUSTED,
    Costs,
    TimeToGo,
    in_words,
    updates_left,
    validations_left,
)

BEGINS = [("ctc", 0), ("joint", 100), ("consistency", 200), ("joint", 280)]
COSTS = Costs(updates={"ctc": 0.1, "joint": 1.0, "consistency": 2.0}, validation=5.0)


def test_updates_left_of_each_phase() -> None:
    assert updates_left(BEGINS, 0, 300) == {"ctc": 100, "joint": 120, "consistency": 80}
    assert updates_left(BEGINS, 150, 300) == {"joint": 70, "consistency": 80}
    assert updates_left(BEGINS, 0, 150) == {"ctc": 100, "joint": 50}
    assert updates_left(BEGINS, 299, 300) == {"joint": 1}
    assert updates_left(BEGINS, 300, 300) == {}
    assert updates_left([("joint", 0), ("consistency", 0)], 0, 10) == {"consistency": 10}, "a phase of no update"


@pytest.mark.parametrize("every", [1, 3, 10, 50, 100])
@pytest.mark.parametrize("updates", [9, 30, 50])
def test_validations_left(every: int, updates: int) -> None:
    at = [update for update in range(1, updates + 1) if update % every == 0 or update == updates]
    for done in range(updates + 1):
        assert validations_left(done, updates, every) == sum(update > done for update in at)


def test_phases_to_come_cost_what_samples_say() -> None:
    clock = TimeToGo(BEGINS, 300, 150, COSTS)
    assert clock.left(0) == pytest.approx(10 + 120 + 160 + 2 * 5)
    for update in range(1, 4):
        clock.updated(update, 0.1)
    assert clock.left(3) == pytest.approx(9.7 + 120 + 160 + 2 * 5)


def test_without_samples_nothing_is_known_and_then_the_present_phase() -> None:
    clock = TimeToGo(BEGINS, 300, 300)
    assert clock.left(0) is None
    clock.updated(1, 0.5)
    assert clock.left(1) == pytest.approx(299 * 0.5)


def test_a_phase_that_is_seen_costs_what_it_costs() -> None:
    clock = TimeToGo(BEGINS, 300, 1000, COSTS)
    for update in range(101, 101 + TRUSTED):
        clock.updated(update, 1.5)
    assert clock.pace("joint") == pytest.approx(1.5)
    assert clock.left(110) == pytest.approx(1.5 * 110 + 2.0 * 80 + 5)
    assert clock.phase(100) == "ctc"
    assert clock.phase(101) == "joint"


def test_samples_count_until_there_is_enough() -> None:
    clock = TimeToGo(BEGINS, 300, 1000, COSTS)
    clock.updated(101, 1.5)
    assert clock.pace("joint") == pytest.approx((1.5 + (TRUSTED - 1) * 1.0) / TRUSTED)


def test_what_slows_the_present_phase_slows_those_to_come() -> None:
    clock = TimeToGo(BEGINS, 300, 1000, COSTS)
    for update in range(1, COMPARED):
        clock.updated(update, 0.3)
    assert clock.pace("joint") == pytest.approx(1.0), "not by a few updates"
    clock.updated(COMPARED, 0.3)
    assert clock.pace("joint") == pytest.approx(3.0)
    assert clock.pace("consistency") == pytest.approx(6.0)
    for update in range(101, 201):
        clock.updated(update, 0.9)
    assert clock.pace("consistency") == pytest.approx(1.8), "by the phase that is present"


def test_small_changes_of_a_cheap_phase_say_nothing_of_a_dear_one() -> None:
    clock = TimeToGo(BEGINS, 300, 1000, COSTS)
    for update in range(1, 51):
        clock.updated(update, 0.13)
    assert clock.pace("joint") == pytest.approx(1.0)
    for update in range(51, 101):
        clock.updated(update, 0.06)
    assert clock.pace("joint") == pytest.approx(0.6)
    for update in range(101, 151):
        clock.updated(update, 1.3)
    assert clock.pace("consistency") == pytest.approx(2.6), "of one that is like it they do"


def test_one_stall_counts_little_and_a_lasting_change_wholly() -> None:
    clock = TimeToGo([("joint", 0)], 10_000, 20_000)
    for update in range(1, 41):
        clock.updated(update, 1.0)
    clock.updated(41, 3600.0)
    assert 1.0 < (clock.pace("joint") or 0) < 1.1
    for update in range(42, 42 + RECENT):
        clock.updated(update, 7.0)
    assert clock.pace("joint") == pytest.approx(7.0)


def test_long_batches_count_with_their_length() -> None:
    clock = TimeToGo([("joint", 0)], 1000, 2000)
    for update in range(1, RECENT + 1):
        clock.updated(update, 1.0 if update % 5 else 3.0)
    assert clock.pace("joint") == pytest.approx(1.4), "the median would be 1"


def test_validations_count_apart() -> None:
    clock = TimeToGo([("joint", 0)], 100, 30, Costs(updates={"joint": 1.0}, validation=5.0))
    assert clock.left(0) == pytest.approx(100 + 4 * 5)
    for update in range(1, 31):
        clock.updated(update, 1.0)
    clock.validated(11.0)
    assert clock.left(30) == pytest.approx(70 + 3 * 11)
    assert clock.left(99) == pytest.approx(1 + 11)
    assert clock.left(100) == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (99.4, "99 s"),
        (99.6, "2 min"),
        (780, "13 min"),
        (99 * 60, "99 min"),
        (98 * 60 + 61 * 60, "2 h 39 min"),
        (47 * 3600, "47 h 0 min"),
        (36 * 3600 - 20, "36 h 0 min"),
        (100 * 3600, "4 days 4 h"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
