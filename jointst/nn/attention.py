"""Multi-head self-attention with rotary positions (arXiv 2104.09864).

B batch, T positions, H heads, K features of a head, D = H K features.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import scaled_dot_product_attention


def rotary_tables(positions: int, head_dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (T, K/2) of each position's angles, for :func:`rotate`."""
    frequency = 10000.0 ** (-torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim)
    angle = torch.arange(positions, device=device, dtype=torch.float32)[:, None] * frequency
    return angle.cos(), angle.sin()


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1).to(x.dtype)


class _Rotate(torch.autograd.Function):
    """Backward turns back: as many operations as forward, of which autograd would make three times as many."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        return _turned(x, cosine, sine)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        cosine, sine = ctx.saved_tensors
        return _turned(gradient, cosine, -sine), None, None


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn pairs of features of x (..., T, K) by the position's angles, so that products see differences only.

    Args:
        x: (..., T, K).
        cosine, sine: (T, K/2), from :func:`rotary_tables`.
    """
    turned: Tensor = _Rotate.apply(x, cosine, sine)  # type: ignore[no-untyped-call]
    return turned


class AttentionState(NamedTuple):
    """Keys, not turned yet, and values of the last C positions of a stream, each (B, H, C, K); zeros at the start.

    Keys are turned anew for every chunk, by positions counted from the start of the cache: angles stay small, however
    long the stream is.
    """

    keys: Tensor
    values: Tensor


class SelfAttention(nn.Module):
    """Pre-norm self-attention under a mask.

    Args:
        dim: D.
        heads: H.
        dropout: on the output.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.project_in = nn.Linear(dim, 3 * dim)
        self.project_out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """Attend.

        Args:
            x: (B, T, D).
            mask: (B, 1, T, T) bool, true where a query may see a key.
            rotary: from :func:`rotary_tables`.

        Returns:
            (B, T, D).
        """
        projected = self._project(x)
        query, key = rotate(projected[:2], *rotary)  # both at once: half the operations
        return self._merge(scaled_dot_product_attention(query, key, projected[2], attn_mask=mask))

    def _project(self, x: Tensor) -> Tensor:
        """Queries, keys and values of (B, T, D), (3, B, H, T, K)."""
        projected: Tensor = self.project_in(self.norm(x)).view(*x.shape[:2], 3, self.heads, -1)
        return projected.permute(2, 0, 3, 1, 4)  # (B, T, 3, H, K) -> (3, B, H, T, K)

    def _merge(self, attended: Tensor) -> Tensor:
        """(B, H, T, K) to (B, T, D)."""
        output: Tensor = self.dropout(self.project_out(attended.transpose(1, 2).flatten(2)))
        return output

    def initial_state(self, batch: int, cached: int, device: torch.device) -> AttentionState:
        """The state before the first position, for a cache of C = ``cached`` positions."""
        shape = (batch, self.heads, cached, self.project_out.in_features // self.heads)
        return AttentionState(torch.zeros(shape, device=device), torch.zeros(shape, device=device))

    def forward_chunk(
        self, x: Tensor, mask: Tensor, rotary: tuple[Tensor, Tensor], state: AttentionState
    ) -> tuple[Tensor, AttentionState]:
        """Attend from the next positions of a stream to themselves and to the cache.

        Args:
            x: (B, T, D).
            mask: (B, 1, T, C + T) bool, true where a query may see a key.
            rotary: of C + T positions.
            state: C positions before x.

        Returns:
            (B, T, D), and the state after them.
        """
        query, key, value = self._project(x)
        keys, values = torch.cat([state.keys, key], dim=2), torch.cat([state.values, value], dim=2)
        positions, cached = x.shape[1], state.keys.shape[2]
        query = rotate(query, rotary[0][cached:], rotary[1][cached:])
        attended = scaled_dot_product_attention(query, rotate(keys, *rotary), values, attn_mask=mask)
        return self._merge(attended), AttentionState(keys[:, :, positions:], values[:, :, positions:])
