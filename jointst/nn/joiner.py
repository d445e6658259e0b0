"""Joiners: from encoder and predictor outputs to log P(blank) and log P(label).

J joint features, V labels with the blank (label 0) included, "..." any shape.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid


class Joiner(nn.Module):
    """Projects both sides to J features, adds them, squashes them, and splits the probability.

    Args:
        encoder_dim: features of the encoder's output.
        predictor_dim: features of the predictor's output.
        joint_dim: J.
        outputs: width of the last layer.
    """

    def __init__(self, encoder_dim: int, predictor_dim: int, joint_dim: int, outputs: int) -> None:
        super().__init__()
        self.project_encoder = nn.Linear(encoder_dim, joint_dim)
        self.project_predictor = nn.Linear(predictor_dim, joint_dim, bias=False)
        self.output = nn.Linear(joint_dim, outputs)

    def logits(self, encoder: Tensor, predictor: Tensor) -> Tensor:
        """Logits of projected sides (..., J) that broadcast together, in float32."""
        logits: Tensor = self.output(torch.tanh(encoder + predictor))
        return logits.float()

    @abstractmethod
    def log_probs(self, encoder: Tensor, predictor: Tensor) -> tuple[Tensor, Tensor]:
        """log P(blank) (...) and log P(label) (..., V-1), where entry k is label k+1."""

    @abstractmethod
    def lattice(self, encoder: Tensor, predictor: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """What a lattice needs, without normalised scores of the labels that are not asked for.

        Args:
            encoder: (B, T, 1, J).
            predictor: (B, 1, U+1, J).
            labels: (B, U) int64, each at least 1.

        Returns:
            log P(blank) (B, T, U+1) and log P(next label) (B, T, U).
        """


def _pick(logits: Tensor, labels: Tensor) -> Tensor:
    """Entries of logits (B, T, U, V') at indices (B, U): (B, T, U)."""
    index = labels[:, None, :, None].expand(-1, logits.shape[1], -1, -1)
    return logits.gather(3, index).squeeze(3)


class HatJoiner(Joiner):
    """HAT (arXiv 2003.07705): P(blank) = sigmoid(b), P(label) = (1 - P(blank)) softmax."""

    def __init__(self, vocabulary: int, encoder_dim: int, predictor_dim: int, joint_dim: int) -> None:
        super().__init__(encoder_dim, predictor_dim, joint_dim, vocabulary)

    def log_probs(self, encoder: Tensor, predictor: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Joiner.log_probs`."""
        logits = self.logits(encoder, predictor)
        blank = logits[..., 0]
        return logsigmoid(blank), logsigmoid(-blank)[..., None] + logits[..., 1:].log_softmax(-1)

    def lattice(self, encoder: Tensor, predictor: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Joiner.lattice`."""
        logits = self.logits(encoder, predictor)
        blank, scores = logits[..., 0], logits[:, :, :-1, 1:]
        log_label = _pick(scores, labels - 1) - scores.logsumexp(-1)
        return logsigmoid(blank), logsigmoid(-blank[:, :, :-1]) + log_label


class RnntJoiner(Joiner):
    """One softmax over the blank and all labels (arXiv 1211.3711)."""

    def __init__(self, vocabulary: int, encoder_dim: int, predictor_dim: int, joint_dim: int) -> None:
        super().__init__(encoder_dim, predictor_dim, joint_dim, vocabulary)

    def log_probs(self, encoder: Tensor, predictor: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Joiner.log_probs`."""
        log_probs = self.logits(encoder, predictor).log_softmax(-1)
        return log_probs[..., 0], log_probs[..., 1:]

    def lattice(self, encoder: Tensor, predictor: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Joiner.lattice`."""
        logits = self.logits(encoder, predictor)
        total = logits.logsumexp(-1)
        return logits[..., 0] - total, _pick(logits[:, :, :-1], labels) - total[:, :, :-1]
