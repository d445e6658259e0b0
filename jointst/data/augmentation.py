"""Training features made harder: SpecAugment (arXiv 1904.08779) and silence behind speech, on padded batches.

B batch, T frames, F mel bins.
"""

from __future__ import annotations

import torch
from torch import Tensor

from jointst.config import SpecAugmentConfig
from jointst.ops.masks import length_mask


def _spans(count: int, extent: Tensor, widest: Tensor, size: int) -> Tensor:
    """(B, size) bool, true inside ``count`` random spans of up to ``widest`` (B,) within ``extent`` (B,)."""
    shape, device = (len(extent), count), extent.device
    width = (torch.rand(shape, device=device) * (widest[:, None] + 1)).floor()
    start = (torch.rand(shape, device=device) * (extent[:, None] - width + 1)).floor()
    place = torch.arange(size, device=device)[None, None, :]
    return ((place >= start[:, :, None]) & (place < (start + width)[:, :, None])).any(1)


def utterance_means(features: Tensor, lengths: Tensor) -> Tensor:
    """The mean of each bin over each utterance, (B, 1, F), of features (B, T, F) of lengths (B,)."""
    lengths = lengths.to(features.device)
    valid = length_mask(lengths, features.shape[1])[:, :, None]
    return features.where(valid, 0.0).sum(1, keepdim=True) / lengths[:, None, None].clamp_min(1)


def silence_behind(features: Tensor, lengths: Tensor, most: int, value: float) -> tuple[Tensor, Tensor]:
    """Silence of a random length behind about half of the utterances.

    Args:
        features: (B, T, F).
        lengths: (B,) valid frames.
        most: frames of silence at most.
        value: of its features.

    Returns:
        (B, T + most, F), and the lengths (B,) with it.
    """
    drawn = torch.rand((2, len(lengths)), device=lengths.device)
    added = (drawn[0] * (most + 1)).long().clamp_max(most) * (drawn[1] < 0.5)
    longer = torch.nn.functional.pad(features, (0, 0, 0, most))
    spoken = length_mask(lengths, longer.shape[1]).to(features.device)[:, :, None]
    heard = length_mask(lengths + added, longer.shape[1]).to(features.device)[:, :, None]
    return torch.where(heard & ~spoken, value, longer), lengths + added


def spec_augment(features: Tensor, lengths: Tensor, mean: Tensor, config: SpecAugmentConfig) -> Tensor:
    """Random bands of mel bins and of frames replaced by the mean.

    Args:
        features: (B, T, F), not normalised.
        lengths: (B,) valid frames.
        mean: (F,) or (B, 1, F), what masked values become.
        config: how many and how wide.

    Returns:
        (B, T, F).
    """
    batch, frames, bins = features.shape
    extent = lengths.to(features.device).float()
    every, widest = (features.new_full((batch,), float(size)) for size in (bins, min(bins, config.frequency_width)))
    bands = _spans(config.frequency_masks, every, widest, bins)
    times = _spans(config.time_masks, extent, (extent * config.time_share).floor(), frames)
    return torch.where(bands[:, None, :] | times[:, :, None], mean.to(features.dtype), features)
