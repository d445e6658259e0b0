"""From the states of a pretrained encoder to positions of ours.

B batch, T states, W width of a state, N positions, D features.
"""

from __future__ import annotations

from torch import Tensor, nn

from jointst.ops.masks import length_mask


class StackedStates(nn.Module):
    """Neighbouring states side by side, then a projection.

    Args:
        width: W.
        dim: D.
        factor: states for each position.
        dropout: of the projection's input.
    """

    def __init__(self, width: int, dim: int, factor: int, dropout: float) -> None:
        super().__init__()
        self.factor = factor
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(factor * width, dim)

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Stack.

        Args:
            states: (B, T, W).
            lengths: (B,) valid states.

        Returns:
            (B, ceil(T / factor), D) and (B,) valid positions; where states are missing to fill one up, it has zeros.
        """
        valid = length_mask(lengths, states.shape[1])[:, :, None]
        x = nn.functional.pad(states * valid, (0, 0, 0, -states.shape[1] % self.factor))
        x = x.reshape(x.shape[0], -1, self.factor * x.shape[2])  # (B, T, W) -> (B, N, factor W)
        return self.projection(self.dropout(x)), (lengths + self.factor - 1) // self.factor  # as ONNX divides too
