"""Pieces of audio together give what the whole gives."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from jointst.config import FeatureConfig
from jointst.kaldi.audio import resample
from jointst.kaldi.log_mel import log_mel
from jointst.kaldi.online import OnlineFeatures, OnlineResampler


def pieces(samples: np.ndarray, most: int, seed: int = 0) -> list[np.ndarray]:
    """The samples in random pieces, empty ones among them."""
    generator = np.random.default_rng(seed)
    cuts, position = [0], 0
    while position < len(samples):
        position += int(generator.integers(0, most))
        cuts.append(min(position, len(samples)))
    return [samples[start:end] for start, end in zip(cuts, cuts[1:])]


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("length", [0, 1, 100, 20_000])
def test_resampling(rate: int, length: int) -> None:
    samples = np.random.default_rng(1).standard_normal(length).astype(np.float32)
    resampler = OnlineResampler(rate, 16000)
    parts = [resampler.accept(piece) for piece in pieces(samples, 900)]
    online = np.concatenate([*parts, resampler.finish()])
    whole = resample(samples, rate, 16000) if length else samples
    assert online.dtype == np.float32
    np.testing.assert_allclose(online, whole, atol=1e-5)
    assert sum(len(part) for part in parts) >= len(whole) - 0.1 * 16000, "at most 0.1 s is held back"


@pytest.mark.parametrize("most", [50, 700, 9000])
@pytest.mark.parametrize("length", [0, 60, 250, 281, 16000, 16079, 16080])
@pytest.mark.parametrize("edges", ["snip", "reflect"])
def test_features(most: int, length: int, edges: Literal["snip", "reflect"]) -> None:
    samples = torch.randn(length).numpy() * 0.1
    config = FeatureConfig(mel_bins=20, edges=edges)
    online = OnlineFeatures(config)
    parts = [online.accept(piece) for piece in pieces(samples, most)]
    together = torch.cat([*parts, online.finish()])
    assert len(together) == config.frames_in(length)
    torch.testing.assert_close(together, log_mel(torch.from_numpy(samples), config), rtol=0, atol=1e-4)


def test_less_than_a_window_has_no_features() -> None:
    assert OnlineFeatures(FeatureConfig()).accept(np.zeros(399, np.float32)).shape == (0, 80)
