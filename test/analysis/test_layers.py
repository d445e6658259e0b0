"""Layer numbers find what was put there."""

from __future__ import annotations

import pytest
import torch

from jointst.analysis.layers import LayerTotals, alarms, choose_partners, text_coverage
from jointst.models.joint import Encoded
from jointst.training.collapse import spread

D = 16


def constructed(noise: float = 0.05, batch: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Speech (B, 9, D) that repeats the text states (B, 5, D) unevenly, so that frame-wise is not the best path."""
    generator = torch.Generator().manual_seed(0)
    text = torch.randn(batch, 5, D, generator=generator)
    path = torch.tensor([0, 0, 0, 0, 0, 1, 2, 3, 4])
    speech = text[:, path] + noise * torch.randn(batch, 9, D, generator=generator)
    return speech, text, torch.full((batch,), 9), torch.full((batch,), 5)


def measured(speech: torch.Tensor, text: torch.Tensor, n: torch.Tensor, m: torch.Tensor) -> dict[str, object]:
    totals = LayerTotals(name="streaming 1")
    partners = [(i + 1) % len(speech) for i in range(len(speech))]
    totals.add(speech, text, n, m, partners, torch.Generator().manual_seed(1))
    return totals.summary()


@pytest.mark.parametrize("measure", ["raw", "relative", "normalised"])
def test_true_pairs_are_closest_under_their_own_path(measure: str) -> None:
    summary = measured(*constructed())
    values = summary[measure]
    assert isinstance(values, dict)
    assert values["best"] < values["framewise"] < values["mismatched"]
    assert values["best"] < values["random"]
    assert summary["coverage"] == summary["coverage_normalised"] == 1.0
    assert summary["utterances"] == summary["mismatched_pairs"] == 6


def test_scaling_all_states_changes_the_raw_distance_only() -> None:
    speech, text, n, m = constructed()
    one, ten = measured(speech, text, n, m), measured(10 * speech, 10 * text, n, m)
    assert ten["raw"]["best"] == pytest.approx(10 * one["raw"]["best"], rel=1e-4)  # type: ignore[index]
    for measure in ("relative", "normalised"):
        assert ten[measure] == pytest.approx(one[measure], rel=1e-3)


def test_padding_does_not_count() -> None:
    speech, text, n, m = constructed()
    padded_speech = torch.cat([speech, torch.full((6, 4, D), 1e6)], dim=1)
    padded_text = torch.cat([text, torch.full((6, 3, D), 1e6)], dim=1)
    alone, padded = measured(speech, text, n, m), measured(padded_speech, padded_text, n, m)
    for key in ("spread", "norm", "coverage"):
        assert padded[key] == pytest.approx(alone[key])
    for pairing in ("best", "framewise", "mismatched"):
        assert padded["raw"][pairing] == pytest.approx(alone["raw"][pairing], rel=1e-5)  # type: ignore[index]


def test_batches_add_up() -> None:
    speech, text, n, m = constructed()
    whole = LayerTotals(name="x")
    whole.add(speech, text, n, m, [-1] * 6, torch.Generator())
    parts = LayerTotals(name="x")
    for rows in (slice(0, 2), slice(2, 6)):
        parts.add(speech[rows], text[rows], n[rows], m[rows], [-1] * len(n[rows]), torch.Generator())
    first, second = whole.summary(), parts.summary()
    for key in ("best", "framewise"):
        assert first["raw"][key] == pytest.approx(second["raw"][key])
    assert first["spread"] == pytest.approx(second["spread"])
    assert first["raw"]["mismatched"] is None


def test_spread_is_the_one_that_training_watches() -> None:
    speech, text, n, m = constructed()
    n = torch.tensor([9, 5, 9, 3, 9, 1])
    summary = measured(speech, text, n, m)
    assert summary["spread"]["speech"] == pytest.approx(spread(speech, n).item(), rel=1e-5)  # type: ignore[index]
    assert Encoded.__dataclass_fields__.keys() >= {"states", "lengths"}


def test_coverage_counts_used_positions_of_valid_frames() -> None:
    index = torch.tensor([[0, 0, 2, 4], [1, 1, 3, 3]])
    covered = text_coverage(index, torch.tensor([4, 2]), torch.tensor([5, 4]))
    assert covered.tolist() == pytest.approx([3 / 5, 1 / 4])


def test_partners_have_other_phones_and_the_same_language_where_possible() -> None:
    languages = ["en", "en", "en", "ru"]
    texts = [[1, 2], [1, 2], [3], [1, 2]]
    partners, same = choose_partners(languages, texts, torch.Generator().manual_seed(0))
    assert partners == [2, 2, partners[2], 2]
    assert partners[2] in (0, 1)
    assert same == 3
    assert choose_partners(["en", "ru"], [[1], [1]], torch.Generator())[0] == [-1, -1]


def test_no_alarm_on_a_good_layer() -> None:
    assert alarms([measured(*constructed())], 0.05) == []


def test_alarm_when_pairs_are_not_told_apart() -> None:
    speech, text, n, m = constructed()
    found = alarms([measured(torch.randn(speech.shape), text, n, m)], 0.05)
    assert any("not in the order" in line and "streaming 1" in line for line in found)


def test_alarm_when_states_are_alike() -> None:
    speech, text, n, m = constructed()
    constant = torch.ones(D)
    found = alarms([measured(0.001 * speech + constant, 0.001 * text + constant, n, m)], 0.05)
    assert sum("have collapsed" in line for line in found) == 2
