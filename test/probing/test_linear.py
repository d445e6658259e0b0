"""Linear probes: they find what is there, and nothing where nothing is."""

from __future__ import annotations

import pytest
import torch

from jointst.config import ProbeConfig
from jointst.kaldi.phone_times import PhoneTime
from jointst.probing.linear import LinearProbe, interval, macro_accuracy
from jointst.probing.states import Side, labels_at
from jointst.probing.tasks import probe_frames, probe_utterances, split


def test_separable_classes_are_found_and_noise_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    noise = torch.randn(300, 5, generator=generator)
    told = noise.clone()
    told[:, 1] += 100 + 8.0 * labels  # far from 0: standardisation must not be forgotten
    for states, low, high in ((told, 0.97, 1.0), (noise, 0.15, 0.52)):
        probe = LinearProbe.fit(states[:200], labels[:200], 3, iterations=30, decay=1e-4)
        assert low <= macro_accuracy(probe(states[200:]).argmax(-1), labels[200:]) <= high


def test_a_fit_inside_inference_mode_is_the_same() -> None:
    states, labels = torch.randn(50, 4), torch.arange(50) % 2
    plain = LinearProbe.fit(states, labels, 2, iterations=5, decay=0.1)
    with torch.inference_mode():
        frozen = torch.cat([states[:25], states[25:]])
        inside = LinearProbe.fit(frozen, labels.clone(), 2, iterations=5, decay=0.1)
    assert torch.equal(plain.weight, inside.weight)


def test_macro_accuracy_counts_rare_classes_like_common_ones() -> None:
    labels = torch.tensor([0] * 8 + [1, 1])
    assert macro_accuracy(torch.zeros(10, dtype=torch.int64), labels) == 0.5
    assert macro_accuracy(labels, labels) == 1.0


def test_interval() -> None:
    assert interval([0.5]) == (0.5, 0.0)
    mean, half = interval([0.4, 0.6])
    assert mean == pytest.approx(0.5)
    assert half == pytest.approx(12.71 * 0.1, rel=1e-3)


def test_split_keeps_classes_apart_and_whole() -> None:
    labels = ["a"] * 8 + ["b"] * 2 + ["c"]
    fit, test = split(labels, 0)
    assert not set(fit) & set(test)
    assert sorted(labels[i] for i in test) == ["a", "a", "b"]
    assert 10 not in fit + test  # a class of one example can be fitted or tested, not both
    assert split(labels, 0) == (fit, test)
    assert any(split(labels, seed) != (fit, test) for seed in range(1, 5))


def test_labels_at_the_middle_of_positions() -> None:
    times = [PhoneTime("a", 0.05, 0.1), PhoneTime("b", 0.1, 0.2)]
    assert labels_at(times, 6, 0.04) == ["sil", "a", "b", "b", "b", "sil"]


def _side(informative: bool) -> tuple[Side, list[str]]:
    generator = torch.Generator().manual_seed(1)
    side, voices = Side(layers=["x"]), []
    for i in range(40):
        phones = ["t", "a"] * 5
        states = torch.randn(1, 10, 6, generator=generator)
        if informative:
            states[0, :, 0] += 6.0 * (i % 2)
            states[0, 1::2, 1] += 6.0
        side.add("x", states, torch.tensor([10]))
        side.phones.append(phones if i else None)
        voices.append(f"v{i % 2}")
    return side, voices


@pytest.mark.parametrize(("informative", "low", "high"), [(True, 0.95, 1.0), (False, 0.2, 0.75)])
def test_tasks(informative: bool, low: float, high: float) -> None:
    side, voices = _side(informative)
    config = ProbeConfig(splits=3, least_examples=2)
    for classes, scores in (probe_utterances(side, voices, config), probe_frames(side, voices, config)):
        assert classes == 2
        assert [score.layer for score in scores] == ["x"]
        assert len(scores[0].values) == 3
        assert low <= scores[0].accuracy <= high
