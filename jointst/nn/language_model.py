"""A small recurrent language model over labels.

B batch, U labels, V labels with the blank; output 0, the blank's place, stands for the end of the sentence.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import nll_loss

from jointst.nn.predictor import BLANK, LstmPredictor
from jointst.ops.masks import length_mask

IGNORED = -100
"""Target of padding."""


class LstmLanguageModel(nn.Module):
    """An LSTM over all labels so far, of the same form as a transducer's LSTM predictor.

    Args:
        vocabulary: V.
        dim: width of embeddings and LSTM.
        dropout: on the LSTM's output.
    """

    def __init__(self, vocabulary: int, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.predictor = LstmPredictor(vocabulary, dim)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(dim, vocabulary)

    def log_probs(self, hidden: Tensor) -> Tensor:
        """log P of the end and of every label, (..., V) float32, from LSTM outputs (..., D)."""
        logits: Tensor = self.output(self.dropout(hidden))
        return logits.float().log_softmax(-1)

    def forward(self, labels: Tensor) -> Tensor:
        """log P after 0..U labels: (B, U) int64 to (B, U+1, V)."""
        return self.log_probs(self.predictor(labels))

    def loss(self, labels: Tensor, lengths: Tensor) -> Tensor:
        """-log P of sentences with their ends, summed.

        Args:
            labels: (B, U).
            lengths: (B,) labels of each.
        """
        log_probs = self(labels)  # (B, U+1, V)
        targets = nn.functional.pad(labels, (0, 1), value=BLANK)  # (B, U+1)
        places = torch.arange(targets.shape[1], device=labels.device)
        targets = torch.where(places == lengths[:, None], BLANK, targets)
        targets = targets.masked_fill(~length_mask(lengths + 1, targets.shape[1]), IGNORED)
        return nll_loss(log_probs.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")
