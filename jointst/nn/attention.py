"""Multi-head self-attention with rotary positions (arXiv 2104.09864).

B batch, T positions, H heads, K features of a head, D = H K features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


def rotary_tables(positions: int, head_dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (T, K/2) of each position's angles, for :func:`rotate`."""
    frequency = 10000.0 ** (-torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim)
    angle = torch.arange(positions, device=device, dtype=torch.float32)[:, None] * frequency
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn pairs of features of x (B, H, T, K) by the position's angles, so that products see differences only."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1).to(x.dtype)


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
        batch, positions, dim = x.shape
        projected = self.project_in(self.norm(x))
        # (B, T, 3 D) -> 3 x (B, H, T, K)
        query, key, value = projected.view(batch, positions, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key = rotate(query, *rotary), rotate(key, *rotary)
        attended = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        output: Tensor = self.dropout(self.project_out(attended.transpose(1, 2).reshape(batch, positions, dim)))
        return output
