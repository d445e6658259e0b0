"""Segments: built first, then demanded back."""

from __future__ import annotations

import numpy as np
import pytest

from jointst.common.errors import ConfigError
from jointst.decoding.segmentation import LEAD_IN, Piece, SegmentationConfig, Segmenter, is_silent

RATE = 16000


def sound(seconds: float) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32)


def silence(seconds: float, background: float = 0.0) -> np.ndarray:
    return background * np.random.default_rng(1).standard_normal(round(seconds * RATE)).astype(np.float32)


def cut(samples: np.ndarray, config: SegmentationConfig, most: int = 1600) -> list[tuple[float, np.ndarray]]:
    """Start and samples of every segment, the samples fed in random pieces."""
    segmenter, generator = Segmenter(RATE, config), np.random.default_rng(most)
    found: list[Piece] = []
    position = 0
    while position < len(samples):
        size = int(generator.integers(0, most))
        found += segmenter.accept(samples[position : position + size])
        position += size
    found += segmenter.finish()
    segments: list[tuple[float, np.ndarray]] = []
    for index, piece in enumerate(found):
        assert piece.first == (index == 0 or found[index - 1].last)
        if piece.first:
            segments.append((piece.start, piece.samples))
        else:
            start, before = segments[-1]
            assert round(piece.start * RATE) == round(start * RATE) + len(before), "nothing is lost or doubled"
            segments[-1] = (start, np.concatenate([before, piece.samples]))
    for start, content in segments:
        at = round(start * RATE)
        np.testing.assert_array_equal(content, samples[at : at + len(content)])
    return segments


@pytest.mark.parametrize("background", [0.0, 0.003])
@pytest.mark.parametrize("most", [30, 1600, 60_000])
def test_segments_end_at_silences(background: float, most: int) -> None:
    parts = [sound(1), silence(1.5, background), sound(2), silence(0.4, background), sound(1)]
    parts += [silence(2, background), sound(1.003)]
    segments = cut(np.concatenate(parts), SegmentationConfig(), most)
    assert [start for start, _ in segments] == pytest.approx([0.0, 2.5 - LEAD_IN, 7.9 - LEAD_IN], abs=0.02)
    ends = [start + len(samples) / RATE for start, samples in segments]
    assert ends[:2] == pytest.approx([1.7, 6.6], abs=0.03)
    assert ends[2] == pytest.approx(8.903, abs=1e-6), "the end of the stream, to the sample"


def test_how_the_stream_is_cut_into_pieces_changes_nothing() -> None:
    samples = np.concatenate([sound(1.234), silence(0.9), sound(0.5), silence(3), sound(7)])
    config = SegmentationConfig(max_segment=3.0)
    one, other = cut(samples, config, 17), cut(samples, config, 50_000)
    assert len(one) == len(other) == 5
    assert all(a == b and len(x) == len(y) for (a, x), (b, y) in zip(one, other))


def test_endless_sound_is_cut_at_the_longest_length() -> None:
    segments = cut(sound(7), SegmentationConfig(max_segment=3.0))
    assert [len(samples) / RATE for _, samples in segments] == pytest.approx([3.0, 3.0, 1.0], abs=0.01)
    assert sum(len(samples) for _, samples in segments) == 7 * RATE


def test_a_long_segment_ends_at_a_shorter_silence() -> None:
    pause = silence(0.3)
    assert len(cut(np.concatenate([sound(3), pause, sound(1)]), SegmentationConfig(max_segment=10.0))) == 1
    segments = cut(np.concatenate([sound(8.5), pause, sound(1)]), SegmentationConfig(max_segment=10.0))
    assert len(segments) == 2
    assert 8.5 < len(segments[0][1]) / RATE < 8.9


@pytest.mark.parametrize("samples", [silence(3), silence(3, 1e-4), silence(0)])
def test_silence_has_no_segments(samples: np.ndarray) -> None:
    assert is_silent(samples, RATE)
    assert cut(samples, SegmentationConfig()) == []


def test_a_click_at_the_very_end_is_sound() -> None:
    samples = silence(1.003)
    samples[-5:] = 0.5
    assert not is_silent(samples, RATE)


@pytest.mark.parametrize("values", [{"max_segment": 0.5}, {"end_silence": 0.0}, {"max_segment": 1.0}])
def test_values_that_cannot_work(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        SegmentationConfig(**values)
