"""SpecAugment (arXiv 1904.08779) on padded batches.

B batch, T frames, F mel bins.
"""

from __future__ import annotations

import torch
from torch import Tensor

from jointst.config import SpecAugmentConfig


def _spans(batch: int, count: int, extent: Tensor, widest: Tensor, size: int) -> Tensor:
    """(B, size) bool, true inside ``count`` random spans of up to ``widest`` (B,) within ``extent`` (B,)."""
    width = (torch.rand(batch, count) * (widest[:, None] + 1)).floor()
    start = (torch.rand(batch, count) * (extent[:, None] - width + 1)).floor()
    place = torch.arange(size)[None, None, :]
    return ((place >= start[:, :, None]) & (place < (start + width)[:, :, None])).any(1)


def spec_augment(features: Tensor, lengths: Tensor, mean: Tensor, config: SpecAugmentConfig) -> Tensor:
    """Random bands of mel bins and of frames replaced by the mean.

    Args:
        features: (B, T, F), not normalised.
        lengths: (B,) valid frames.
        mean: (F,) what masked values become.
        config: how many and how wide.

    Returns:
        (B, T, F).
    """
    batch, frames, bins = features.shape
    extent = lengths.cpu().float()
    bands = _spans(
        batch,
        config.frequency_masks,
        torch.full((batch,), float(bins)),
        torch.full((batch,), float(min(bins, config.frequency_width))),
        bins,
    )
    times = _spans(batch, config.time_masks, extent, (extent * config.time_share).floor(), frames)
    masked = (bands[:, None, :] | times[:, :, None]).to(features.device)
    return torch.where(masked, mean.to(features.dtype), features)
