"""Convolutional subsampling of features.

B batch, T frames, F mel bins, D features.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ConvSubsampling(nn.Module):
    """Causal 2-D convolutions of stride 2, then a projection: a position sees the past only.

    Each convolution pads two frames on the left, none on the right, so output i reads inputs 2i-2..2i, which are
    valid whenever output i is: padding can never leak in, and streaming needs no look-ahead.

    Args:
        mel_bins: F.
        dim: D.
        factor: frames for each position: 2, 4 or 8.
        channels: of the convolutions.
    """

    def __init__(self, mel_bins: int, dim: int, factor: int, channels: int = 32) -> None:
        super().__init__()
        stages = int(math.log2(factor))
        assert 2**stages == factor
        self.convolutions = nn.ModuleList(
            nn.Conv2d(1 if i == 0 else channels, channels, kernel_size=3, stride=2, padding=(0, 1))
            for i in range(stages)
        )
        bins = mel_bins
        for _ in range(stages):
            bins = -(-bins // 2)
        self.projection = nn.Linear(channels * bins, dim)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Subsample.

        Args:
            features: (B, T, F).
            lengths: (B,) valid frames.

        Returns:
            (B, ceil(T / factor), D) and (B,) valid positions.
        """
        x = features[:, None]  # (B, T, F) -> (B, 1, T, F)
        for convolution in self.convolutions:
            x = torch.relu(convolution(nn.functional.pad(x, (0, 0, 2, 0))))
            lengths = (lengths + 1) // 2
        x = x.transpose(1, 2).flatten(2)  # (B, C, T', F') -> (B, T', C F')
        return self.projection(x), lengths
