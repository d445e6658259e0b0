"""Conformer layers and stacks of them (arXiv 2005.08100).

B batch, T positions, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from jointst.nn.attention import AttentionState, SelfAttention, rotary_tables
from jointst.nn.convolution import ConvolutionModule
from jointst.ops.distance import widen
from jointst.ops.masks import attention_mask, chunk_mask, length_mask, right_context_mask

Pattern = Callable[[int, torch.device], Tensor]
"""From T to the (T, T) attention pattern."""

ALIGNED = 8
"""Positions are padded to multiples of this on a GPU, as its attention kernels want masks: others are copied for them,
and compiled layers would be compiled again."""


@dataclass(frozen=True)
class Chunked:
    """Chunked attention with limited left context, a :data:`Pattern`: the one under which a stack can stream.

    Attributes:
        chunk: positions of a chunk.
        left_chunks: chunks of the past that a layer sees.
    """

    chunk: int
    left_chunks: int

    def __call__(self, positions: int, device: torch.device) -> Tensor:
        """The (T, T) pattern."""
        return chunk_mask(positions, self.chunk, self.left_chunks, device)

    @property
    def cached(self) -> int:
        """Positions of the past that a layer sees at most."""
        return self.chunk * self.left_chunks

    def with_chunk(self, chunk: int) -> Chunked:
        """The same positions of the past, rounded up to whole chunks of another size."""
        return Chunked(chunk, -(-self.cached // chunk))


def full_context(right_context: int) -> Pattern:
    """Attention over everything (-1), or over so many positions ahead at most."""
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


class LayerState(NamedTuple):
    """State of a causal layer: of its attention, and of its convolution (B, D, kernel_size - 1)."""

    attention: AttentionState
    convolution: Tensor


class StackState(NamedTuple):
    """State of a causal stack: of each layer, and how many positions of its caches a stream has filled, (B,) int64."""

    layers: tuple[LayerState, ...]
    filled: Tensor


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

    def initial_state(self, batch: int, cached: int, device: torch.device) -> LayerState:
        """The state before the first position, for a cache of so many positions."""
        attention = self.attention.initial_state(batch, cached, device)
        return LayerState(attention, self.convolution.initial_state(batch, device))

    def forward_chunk(
        self, x: Tensor, mask: Tensor, rotary: tuple[Tensor, Tensor], state: LayerState
    ) -> tuple[Tensor, LayerState]:
        """The next positions of a stream, (B, T, D) to (B, T, D); see :meth:`SelfAttention.forward_chunk`."""
        x = x + 0.5 * self.feed_forward_in(x)
        attended, attention = self.attention.forward_chunk(x, mask, rotary, state.attention)
        x = x + attended
        convolved, convolution = self.convolution.forward_chunk(x, state.convolution)
        x = x + convolved
        x = x + 0.5 * self.feed_forward_out(x)
        return self.norm(x), LayerState(attention, convolution)


class ConformerStack(nn.Module):
    """Conformer layers under one attention pattern.

    Args:
        layers: number of layers; 0 gives the identity.
        dim: D.
        pattern: the attention pattern, :class:`Chunked` or :func:`full_context`.
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
        states = []
        given = x.shape[1]
        x = widen(x)  # as the first layer will be given what the others are, it is compiled once with them
        if x.device.type == "cuda":
            x = pad(x, (0, 0, 0, -given % ALIGNED))
        positions = x.shape[1]
        mask = attention_mask(lengths, self.pattern(positions, x.device))
        valid = length_mask(lengths, positions)
        rotary = rotary_tables(positions, self.head_dim, x.device)
        for layer in self.layers:
            x = layer(x, mask, valid, rotary)
            states.append(x if positions == given else x[:, :given])
        return states or [x[:, :given]], lengths

    def initial_state(self, batch: int, device: torch.device) -> StackState:
        """The state before the first position of a stream; its shapes never change."""
        assert isinstance(self.pattern, Chunked), "only chunked attention can stream"
        cached = self.pattern.cached
        layers = (layer.initial_state(batch, cached, device) for layer in cast("Iterable[ConformerLayer]", self.layers))
        return StackState(tuple(layers), torch.zeros(batch, dtype=torch.int64, device=device))

    def forward_chunk(self, x: Tensor, state: StackState) -> tuple[Tensor, StackState]:
        """Encode the next positions of a stream: exactly what :meth:`forward` gives for them.

        Args:
            x: (B, T, D), all valid; T is a multiple of the chunk, save in the last call of a stream.
            state: from :meth:`initial_state` or the call before, under the same pattern.

        Returns:
            The last layer's output (B, T, D), and the state after it.
        """
        assert isinstance(self.pattern, Chunked), "only chunked attention can stream"
        positions, cached = x.shape[1], self.pattern.cached
        # The cache holds whole chunks, so chunks counted from its start are the stream's own.
        mask = self.pattern(cached + positions, x.device)[cached:]
        places = torch.arange(cached + positions, device=x.device)
        mask = mask & (places >= cached - state.filled[:, None, None, None])  # (B, 1, T, C + T)
        rotary = rotary_tables(cached + positions, self.head_dim, x.device)
        after = []
        for layer, before in zip(cast("Iterable[ConformerLayer]", self.layers), state.layers, strict=True):
            x, own = layer.forward_chunk(x, mask, rotary, before)
            after.append(own)
        return x, StackState(tuple(after), (state.filled + positions).clamp_max(cached))
