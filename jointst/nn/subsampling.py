"""Convolutional subsampling of features.

B batch, T frames, F mel bins, D features.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
from torch import Tensor, nn

SubsamplingState: TypeAlias = tuple[Tensor, ...]
"""The last two input frames of each convolution, (B, C, 2, F) of its input; zeros at the start."""


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
        self.factor = factor
        stages = int(math.log2(factor))
        assert 2**stages == factor
        self.convolutions = nn.ModuleList(
            nn.Conv2d(1 if i == 0 else channels, channels, kernel_size=3, stride=2, padding=(0, 1))
            for i in range(stages)
        )
        self.inputs: list[tuple[int, int]] = []
        bins = mel_bins
        for i in range(stages):
            self.inputs.append((1 if i == 0 else channels, bins))
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

    def initial_state(self, batch: int, device: torch.device) -> SubsamplingState:
        """The state before the first frame."""
        return tuple(torch.zeros(batch, channels, 2, bins, device=device) for channels, bins in self.inputs)

    def forward_chunk(self, features: Tensor, state: SubsamplingState) -> tuple[Tensor, SubsamplingState]:
        """Subsample the next frames of a stream.

        Args:
            features: (B, T, F), all valid; T is a multiple of the factor, save in the last chunk of a stream.
            state: from :meth:`initial_state` or the chunk before.

        Returns:
            (B, ceil(T / factor), D), and the state after them: without a meaning after a last chunk.
        """
        x = features[:, None]  # (B, T, F) -> (B, 1, T, F)
        after = []
        for convolution, before in zip(self.convolutions, state, strict=True):
            x = torch.cat([before, x], dim=2)
            after.append(x[:, :, -2:])
            x = torch.relu(convolution(x))
        return self.projection(x.transpose(1, 2).flatten(2)), tuple(after)
