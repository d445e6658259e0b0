"""Batches to align: ragged lengths, many ties, NaN where nothing may be read."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def blank_outside(cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor) -> Tensor:
    """The cost (B, N, M) with NaN or inf outside the lengths."""
    cost = cost.clone()
    for b in range(len(cost)):
        cost[b, speech_lengths[b] :] = torch.nan
        cost[b, :, text_lengths[b] :] = torch.inf if b % 2 else torch.nan
    return cost


def ragged(
    seed: int, batch: int, frames: int, positions: int, *, ties: bool = True, longer_speech: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Float32 costs and lengths, the first utterance full.

    Args:
        seed: of everything.
        batch: B.
        frames: N.
        positions: M.
        ties: whole costs from 0 to 3; otherwise uniform ones.
        longer_speech: no utterance has more text than speech.
    """
    generator = np.random.default_rng(seed)
    speech_lengths = torch.from_numpy(generator.integers(1, frames + 1, batch))
    text_lengths = torch.from_numpy(generator.integers(1, positions + 1, batch))
    speech_lengths[0], text_lengths[0] = frames, positions
    if longer_speech:
        text_lengths = torch.minimum(text_lengths, speech_lengths)
    shape = (batch, frames, positions)
    cost = generator.integers(0, 4, shape) if ties else generator.uniform(0, 3, shape)
    cost = torch.from_numpy(cost.astype(np.float32))
    return blank_outside(cost, speech_lengths, text_lengths), speech_lengths, text_lengths
