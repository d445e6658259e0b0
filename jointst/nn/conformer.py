"""Conformer layers and stacks of them (arXiv 2005.08100).

B batch, T positions, D features.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from jointst.nn.attention import SelfAttention, rotary_tables
from jointst.nn.convolution import ConvolutionModule
from jointst.ops.masks import attention_mask, chunk_mask, length_mask, right_context_mask

Pattern = Callable[[int, torch.device], Tensor]
"""From T to the (T, T) attention pattern."""


def chunked(chunk: int, left_chunks: int) -> Pattern:
    """Chunked attention with limited left context."""
    return lambda positions, device: chunk_mask(positions, chunk, left_chunks, device)


def full_context(right_context: int) -> Pattern:
    """Attention over everything, or over a limited right context."""
    return lambda positions, device: right_context_mask(positions, right_context, device)


class FeedForward(nn.Sequential):
    """Pre-norm feed-forward module of inner width ``multiplier`` D."""

    def __init__(self, dim: int, multiplier: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(dim),
            nn.Linear(dim, multiplier * dim),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(multiplier * dim, dim),
            nn.Dropout(dropout),
        )


class ConformerLayer(nn.Module):
    """Half feed-forward, attention, convolution, half feed-forward, norm."""

    def __init__(
        self, dim: int, *, heads: int, feed_forward_multiplier: int, kernel_size: int, dropout: float, causal: bool
    ) -> None:
        super().__init__()
        self.feed_forward_in = FeedForward(dim, feed_forward_multiplier, dropout)
        self.attention = SelfAttention(dim, heads, dropout)
        self.convolution = ConvolutionModule(dim, kernel_size, causal, dropout)
        self.feed_forward_out = FeedForward(dim, feed_forward_multiplier, dropout)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, mask: Tensor, valid: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """(B, T, D) to (B, T, D) under an attention mask (B, 1, T, T) and valid positions (B, T)."""
        x = x + 0.5 * self.feed_forward_in(x)
        x = x + self.attention(x, mask, rotary)
        x = x + self.convolution(x, valid)
        x = x + 0.5 * self.feed_forward_out(x)
        output: Tensor = self.norm(x)
        return output


class ConformerStack(nn.Module):
    """Conformer layers under one attention pattern.

    Args:
        layers: number of layers; 0 gives the identity.
        dim: D.
        pattern: the attention pattern, :func:`chunked` or :func:`full_context`.
        heads, feed_forward_multiplier, kernel_size, dropout: of each layer.
        causal: whether convolutions look at the past only.
    """

    def __init__(
        self,
        layers: int,
        dim: int,
        pattern: Pattern,
        *,
        heads: int,
        feed_forward_multiplier: int,
        kernel_size: int,
        dropout: float,
        causal: bool,
    ) -> None:
        super().__init__()
        self.pattern = pattern
        self.head_dim = dim // heads
        make = partial(
            ConformerLayer,
            dim,
            heads=heads,
            feed_forward_multiplier=feed_forward_multiplier,
            kernel_size=kernel_size,
            dropout=dropout,
            causal=causal,
        )
        self.layers = nn.ModuleList(make() for _ in range(layers))

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """Encode.

        Args:
            x: (B, T, D).
            lengths: (B,) valid positions.

        Returns:
            The output (B, T, D) of every layer, the last one being the stack's (x itself without layers),
            and the lengths.
        """
        positions = x.shape[1]
        mask = attention_mask(lengths, self.pattern(positions, x.device))
        valid = length_mask(lengths, positions)
        rotary = rotary_tables(positions, self.head_dim, x.device)
        states = []
        for layer in self.layers:
            x = layer(x, mask, valid, rotary)
            states.append(x)
        return states or [x], lengths
