"""The conformer's convolution module (arXiv 2005.08100), with layer norm and lengths.

B batch, T positions, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jointst.ops.depthwise import depthwise


class ConvolutionModule(nn.Module):
    """Gated pointwise, depthwise over time, pointwise; causal or centred.

    Batch norm is replaced by layer norm, and padding is zeroed before the depthwise convolution: an utterance's
    output must not depend on its batch mates.

    Args:
        dim: D.
        kernel_size: positions, odd.
        causal: look at the past only.
        dropout: on the output.
    """

    def __init__(self, dim: int, kernel_size: int, causal: bool, dropout: float) -> None:
        super().__init__()
        self.causal = causal
        self.padding = (kernel_size - 1, 0) if causal else (kernel_size // 2, kernel_size // 2)
        self.norm = nn.LayerNorm(dim)
        self.gate = nn.Linear(dim, 2 * dim)
        self.depthwise = nn.Conv1d(dim, dim, kernel_size, groups=dim)  # for its weights; called by ops.depthwise
        self.depthwise_norm = nn.LayerNorm(dim)
        self.project_out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Convolve.

        Args:
            x: (B, T, D).
            valid: (B, T) bool.

        Returns:
            (B, T, D).
        """
        x = nn.functional.glu(self.gate(self.norm(x)), dim=-1)
        x = x.masked_fill(~valid[:, :, None], 0.0)
        return self._convolve(nn.functional.pad(x, (0, 0, *self.padding)))

    def _convolve(self, padded: Tensor) -> Tensor:
        """Gated inputs with their context, (B, T + kernel_size - 1, D), to (B, T, D)."""
        assert self.depthwise.bias is not None
        x = depthwise(padded, self.depthwise.weight, self.depthwise.bias)
        x = torch.nn.functional.silu(self.depthwise_norm(x))
        output: Tensor = self.dropout(self.project_out(x))
        return output

    def initial_state(self, batch: int, device: torch.device) -> Tensor:
        """The state before the first position: the last gated inputs, zeros (B, D, kernel_size - 1)."""
        return torch.zeros(batch, self.depthwise.in_channels, self.padding[0], device=device)

    def forward_chunk(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve the next positions of a stream, (B, T, D), all valid; the state keeps its shape."""
        assert self.causal, "a centred convolution waits for the future"
        x = nn.functional.glu(self.gate(self.norm(x)), dim=-1)
        padded = torch.cat([state.transpose(1, 2), x], dim=1)
        return self._convolve(padded), padded[:, padded.shape[1] - state.shape[2] :].transpose(1, 2)
