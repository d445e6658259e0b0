"""Predictors: the transducer's view of the labels so far.

B batch, U labels, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BLANK = 0
"""Label 0 is the blank; as a predictor's input it stands for "before the first label"."""


class EmbeddingPredictor(nn.Module):
    """Embeddings of the last few labels, concatenated and projected (arXiv 2210.07353).

    The state is the last labels themselves, (B, context) int64.

    Args:
        vocabulary: labels, the blank included.
        dim: D.
        context: labels it sees.
    """

    def __init__(self, vocabulary: int, dim: int, context: int) -> None:
        super().__init__()
        self.context = context
        self.embedding = nn.Embedding(vocabulary, dim)
        self.projection = nn.Linear(context * dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, labels: Tensor) -> Tensor:
        """Outputs after 0..U labels: (B, U) int64 to (B, U+1, D)."""
        padded = nn.functional.pad(labels, (self.context, 0), value=BLANK)
        windows = padded.unfold(1, self.context, 1)  # (B, U+1, context)
        return self._output(windows)

    def _output(self, windows: Tensor) -> Tensor:
        output: Tensor = self.norm(torch.relu(self.projection(self.embedding(windows).flatten(-2))))
        return output

    def initial_state(self, batch: int, device: torch.device) -> Tensor:
        """The state before the first label."""
        return torch.full((batch, self.context), BLANK, dtype=torch.int64, device=device)

    def output(self, state: Tensor) -> Tensor:
        """The output (B, D) of a state."""
        return self._output(state)

    def step(self, state: Tensor, labels: Tensor, emitted: Tensor) -> Tensor:
        """The state after ``labels`` (B,), in the rows where ``emitted`` (B,) is true."""
        moved = torch.cat([state[:, 1:], labels[:, None]], dim=1)
        return torch.where(emitted[:, None], moved, state)


class LstmPredictor(nn.Module):
    """An LSTM over all labels.

    The state is its output, hidden and cell vectors side by side, (B, 3 D).

    Args:
        vocabulary: labels, the blank included.
        dim: D.
    """

    def __init__(self, vocabulary: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.embedding = nn.Embedding(vocabulary, dim)
        self.lstm = nn.LSTM(dim, dim, batch_first=True)
        self.norm = nn.LayerNorm(dim)

    def forward(self, labels: Tensor) -> Tensor:
        """Outputs after 0..U labels: (B, U) int64 to (B, U+1, D)."""
        padded = nn.functional.pad(labels, (1, 0), value=BLANK)
        output: Tensor = self.norm(self.lstm(self.embedding(padded))[0])
        return output

    def initial_state(self, batch: int, device: torch.device) -> Tensor:
        """The state before the first label."""
        zeros = torch.zeros(batch, 3 * self.dim, device=device)
        labels = torch.full((batch,), BLANK, dtype=torch.int64, device=device)
        return self.step(zeros, labels, torch.ones_like(labels, dtype=torch.bool))

    def output(self, state: Tensor) -> Tensor:
        """The output (B, D) of a state."""
        return state[:, : self.dim]

    def step(self, state: Tensor, labels: Tensor, emitted: Tensor) -> Tensor:
        """The state after ``labels`` (B,), in the rows where ``emitted`` (B,) is true."""
        hidden, cell = (part.contiguous()[None] for part in state[:, self.dim :].chunk(2, dim=1))
        output, (hidden, cell) = self.lstm(self.embedding(labels)[:, None], (hidden, cell))
        moved = torch.cat([self.norm(output[:, 0]), hidden[0], cell[0]], dim=1)
        return torch.where(emitted[:, None], moved, state)
