"""Significance against slow references, on errors whose answer is known, and its coverage over many worlds."""

from __future__ import annotations

import numpy as np
import pytest
from reference.significance import bootstrap_changes, exact_sign_flips, mapsswe

from jointst.scoring.significance import (
    Errors,
    Interval,
    bootstrap,
    holm,
    interval,
    matched_pairs,
    relative_change,
    share_interval,
)


def made(errors: object, languages: list[str] | None = None, length: float = 10) -> Errors:
    array = np.atleast_2d(np.asarray(errors, dtype=np.float64))
    count = array.shape[1]
    return Errors(
        errors=array, lengths=np.full(count, length), languages=np.array(languages or ["en"] * count, dtype=np.str_)
    )


def rate_intervals(system: Errors) -> dict[str, Interval | None]:
    return bootstrap([system])[0].intervals()


def change_intervals(system: Errors, baseline: Errors, draws: int = 2000) -> dict[str, Interval | None]:
    ours, theirs = bootstrap([system, baseline], draws=draws)
    return ours.change(theirs).intervals()


def test_rates_are_means_over_seeds_of_summed_counts() -> None:
    system = made([[1, 2, 3, 0], [3, 2, 1, 0]], ["en", "en", "ru", "ru"])
    assert system.rates() == pytest.approx({"en": 0.2, "ru": 0.1, "macro": 0.15, "pooled": 0.15})


def test_a_language_without_reference_tokens_is_left_out() -> None:
    system = Errors(errors=np.array([[1.0, 4.0]]), lengths=np.array([5.0, 0.0]), languages=np.array(["en", "ru"]))
    assert system.rates() == pytest.approx({"en": 0.2, "macro": 0.2, "pooled": 1.0})
    found = rate_intervals(system)["macro"]
    assert found == pytest.approx((0.2, 0.2))


@pytest.mark.parametrize("seed", range(4))
def test_matched_pairs_agree_with_the_references(seed: int) -> None:
    generator = np.random.default_rng(seed)
    ours, theirs = generator.poisson(1.0, (2, 10)), generator.poisson(1.8, (3, 10))
    result = matched_pairs(made(ours), made(theirs), flips=20_000)
    differences = (ours.mean(0) - theirs.mean(0)).tolist()
    assert result.mapsswe == pytest.approx(mapsswe(differences), abs=1e-9)
    assert result.permutation == pytest.approx(exact_sign_flips(differences), abs=0.015)
    assert result.difference == pytest.approx(np.mean(differences))


def test_the_reference_counts_every_sign() -> None:
    assert exact_sign_flips([1.0, 1.0, 1.0]) == 0.25
    assert exact_sign_flips([1.0, -1.0]) == 1.0


@pytest.mark.parametrize("shape", [(3, 8), (1, 8)])
def test_equal_systems_are_not_different(shape: tuple[int, int]) -> None:
    system = made(np.ones(shape))
    result = matched_pairs(system, system)
    assert (result.difference, result.mapsswe, result.permutation) == (0.0, 1.0, 1.0)
    assert change_intervals(system, system)["macro"] == pytest.approx((0.0, 0.0))


def test_one_utterance_shows_nothing() -> None:
    result = matched_pairs(made([[1.0]]), made([[5.0]]))
    assert result.mapsswe == 1.0
    assert result.permutation == 1.0


def test_the_same_gain_everywhere_is_certain() -> None:
    result = matched_pairs(made(np.ones((1, 30))), made(np.full((1, 30), 2.0)))
    assert result.mapsswe == 0.0
    assert result.permutation < 0.001


def test_intervals_agree_with_the_reference() -> None:
    generator = np.random.default_rng(5)
    languages = ["en"] * 12 + ["ru"] * 8
    ours, theirs = generator.poisson(2.0, (3, 20)), generator.poisson(3.0, (2, 20))
    found = change_intervals(made(ours, languages), made(theirs, languages), draws=8000)["macro"]
    slow = bootstrap_changes(ours.tolist(), theirs.tolist(), [10.0] * 20, languages, 4000)
    assert found == pytest.approx(interval(np.array(slow)), abs=0.015)


def test_seeds_that_disagree_widen_the_interval() -> None:
    steady, shaky = np.full((3, 200), 2.0), np.full((3, 200), 2.0) + np.array([[-1.0], [0.0], [1.0]])
    narrow, wide = rate_intervals(made(steady))["macro"], rate_intervals(made(shaky))["macro"]
    assert narrow == pytest.approx((0.2, 0.2))
    assert wide is not None
    assert wide[0] < 0.15 < 0.25 < wide[1]


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        ours, theirs = generator.poisson(2.0, (1, 60)), generator.poisson(2.5, (1, 60))
        found = change_intervals(made(ours), made(theirs), draws=400)["macro"]
        assert found is not None
        held += found[0] <= 2.0 / 2.5 - 1 <= found[1]
    assert 180 <= held <= 199


def test_p_is_small_as_often_as_it_says_where_nothing_differs() -> None:
    generator = np.random.default_rng(2)
    results = [
        matched_pairs(made(generator.poisson(1.0, (2, 50))), made(generator.poisson(1.0, (2, 50))), flips=400)
        for _ in range(300)
    ]
    for found in ([r.mapsswe for r in results], [r.permutation for r in results]):
        assert 4 <= sum(p < 0.05 for p in found) <= 28


def test_holm_adjusts_in_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_relative_change_of_a_perfect_baseline_is_undefined() -> None:
    assert relative_change(0.1, 0.2) == -0.5
    assert relative_change(0.1, 0.0) is None
    nothing = made(np.zeros((1, 4)))
    assert change_intervals(made(np.ones((1, 4))), nothing)["macro"] is None


def test_share_interval() -> None:
    hits, occurrences = np.tile([1.0, 0.0], (2, 50)), np.ones(100)
    found = share_interval(hits, occurrences)
    assert found is not None
    assert found == pytest.approx((0.4, 0.6), abs=0.03)
    assert share_interval(hits, np.zeros(100)) is None


def test_different_utterances_are_refused() -> None:
    with pytest.raises(ValueError, match="the same utterances"):
        matched_pairs(made([[1.0, 2.0]], ["en", "en"]), made([[1.0, 2.0]], ["en", "ru"]))
    with pytest.raises(ValueError, match="errors"):
        made(np.zeros((0, 3)))
