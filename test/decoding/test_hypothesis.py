"""Hypotheses: times, confidence, words."""

import math

import pytest

from jointst.decoding.hypothesis import Hypothesis, words_of_pieces


def test_confidence_and_times() -> None:
    hypothesis = Hypothesis(labels=[3, 4], positions=[2, 7], log_probs=[0.0, math.log(0.25)])
    assert hypothesis.confidence == pytest.approx([1.0, 0.25])
    assert hypothesis.times(0.04) == [0.08, 0.28]


@pytest.mark.parametrize(
    "pieces",
    [
        ["a", "b", "▁", "c"],  # characters
        ["▁a", "b", "▁", "c"],  # word pieces
        ["▁", "a", "b▁", "c▁"],
    ],
)
def test_words(pieces: list[str]) -> None:
    words = words_of_pieces(pieces, [0.0, 0.1, 0.2, 0.3], [0.9, 0.5, 0.1, 0.8])
    assert [word.word for word in words] == ["ab", "c"]
    assert words[-1].time == 0.3
    assert words[-1].confidence == 0.8


def test_a_word_is_as_certain_as_its_least_certain_label() -> None:
    words = words_of_pieces(["a", "b", "▁", "c"], [0.0, 0.1, 0.2, 0.3], [0.9, 0.5, 0.1, 0.8])
    assert [(word.time, word.confidence) for word in words] == [(0.0, 0.5), (0.3, 0.8)]


def test_a_piece_of_several_words() -> None:
    words = words_of_pieces(["x▁y", "z"], [0.0, 0.1], [0.4, 0.7])
    assert [(word.word, word.confidence) for word in words] == [("x", 0.4), ("yz", 0.4)]


def test_no_labels_no_words() -> None:
    assert words_of_pieces([], [], []) == []
