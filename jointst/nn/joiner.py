"""Joiners: from encoder and predictor outputs to log P(blank) and log P(label).

B batch, T frames, U labels, J joint features, V labels with the blank (label 0) included, "..." any shape.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from jointst.ops.additive_lattice import additive_lattice
from jointst.ops.band import Band
from jointst.ops.joint_lattice import joint_lattice


class Joiner(nn.Module):
    """Projects both sides to J features, adds them, squashes them, and splits the probability.

    Args:
        encoder_dim: features of the encoder's output.
        predictor_dim: features of the predictor's output.
        joint_dim: J.
        vocabulary: V.
    """

    hat: bool
    """Whether P(blank) is kept apart from the labels' softmax."""

    def __init__(self, vocabulary: int, encoder_dim: int, predictor_dim: int, joint_dim: int) -> None:
        super().__init__()
        self.project_encoder = nn.Linear(encoder_dim, joint_dim)
        self.project_predictor = nn.Linear(predictor_dim, joint_dim, bias=False)
        self.output = nn.Linear(joint_dim, vocabulary)

    def logits(self, encoder: Tensor, predictor: Tensor) -> Tensor:
        """Logits of projected sides (..., J) that broadcast together, in float32."""
        logits: Tensor = self.output(torch.tanh(encoder + predictor))
        return logits.float()

    @abstractmethod
    def log_probs(self, encoder: Tensor, predictor: Tensor) -> tuple[Tensor, Tensor]:
        """log P(blank) (...) and log P(label) (..., V-1), where entry k is label k+1."""

    @abstractmethod
    def may_emit(self, encoder: Tensor, predictor: Tensor, raised: Tensor | None = None) -> Tensor:
        """Where a label may be likelier than the blank, (...) bool: cheaper than to see whether one is.

        Never false where a label is likelier, but for rounding; ``raised`` (...) is the most that is added to a log
        P(label).
        """

    def internal_lm(self, predictor: Tensor) -> Tensor:
        """log P(label) of the internal language model, (..., V-1), from the predictor's side (..., J) alone.

        The labels' softmax with the encoder's output set to zero (arXiv 2003.07705, section 3.3).
        """
        return self.logits(self.project_encoder.bias, predictor)[..., 1:].log_softmax(-1)

    def lattice(
        self,
        encoder: Tensor,
        predictor: Tensor,
        labels: Tensor,
        lattice_bytes: int | None,
        lengths: tuple[Tensor, Tensor] | None = None,
        band: Band | None = None,
    ) -> tuple[Tensor, Tensor]:
        """log P(blank) (B, T, S) and log P(next label) (B, T, S-1), in little memory; S is U+1 without a band.

        Args:
            encoder: (B, T, J), projected.
            predictor: (B, U+1, J), projected.
            labels: (B, U) int64, each at least 1.
            lattice_bytes, lengths, band: see :func:`jointst.ops.joint_lattice.joint_lattice`.
        """
        return joint_lattice(
            encoder,
            predictor,
            self.output.weight,
            self.output.bias,
            labels,
            hat=self.hat,
            lattice_bytes=lattice_bytes,
            lengths=lengths,
            band=band,
        )


class HatJoiner(Joiner):
    """HAT (arXiv 2003.07705): P(blank) = sigmoid(b), P(label) = (1 - P(blank)) softmax."""

    hat = True

    def log_probs(self, encoder: Tensor, predictor: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Joiner.log_probs`."""
        logits = self.logits(encoder, predictor)
        blank = logits[..., 0]
        return logsigmoid(blank), logsigmoid(-blank)[..., None] + logits[..., 1:].log_softmax(-1)

    def may_emit(self, encoder: Tensor, predictor: Tensor, raised: Tensor | None = None) -> Tensor:
        """See :meth:`Joiner.may_emit`; no label is likelier than a blank of at least one half.

        For log P(blank) - log(1 - P(blank)) is the blank's logit, and no log P(label) is above log(1 - P(blank)).
        """
        most = -self.output.bias[0] if raised is None else raised - self.output.bias[0]
        return torch.tanh(encoder + predictor) @ self.output.weight[0] < most


class RnntJoiner(Joiner):
    """One softmax over the blank and all labels (arXiv 1211.3711)."""

    hat = False

    def log_probs(self, encoder: Tensor, predictor: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Joiner.log_probs`."""
        log_probs = self.logits(encoder, predictor).log_softmax(-1)
        return log_probs[..., 0], log_probs[..., 1:]

    def may_emit(self, encoder: Tensor, predictor: Tensor, raised: Tensor | None = None) -> Tensor:
        """See :meth:`Joiner.may_emit`; no softmax is needed."""
        logits = self.logits(encoder, predictor)
        best = logits[..., 1:].amax(-1)
        return (best if raised is None else best + raised) > logits[..., 0]


class AdditiveJoiner(nn.Module):
    """A joiner without a hidden layer, the sum of what each side says of each label (arXiv 2206.13236, section 3).

    Its whole lattice costs two small products, which is what it is for: to know where paths go, so that the real joiner
    need be computed there alone.

    Args:
        vocabulary: V.
        encoder_dim: features of the encoder's output.
        predictor_dim: features of the predictor's output.
        hat: as of the real joiner.
    """

    def __init__(self, vocabulary: int, encoder_dim: int, predictor_dim: int, hat: bool) -> None:
        super().__init__()
        self.hat = hat
        self.encoder = nn.Linear(encoder_dim, vocabulary)
        self.predictor = nn.Linear(predictor_dim, vocabulary, bias=False)

    def forward(self, encoded: Tensor, predicted: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of the whole lattice.

        Args:
            encoded: (B, T, D), of the encoder.
            predicted: (B, U+1, D'), of the predictor.
            labels: (B, U) int64, each at least 1, padding too.

        Returns:
            log P(blank) (B, T, U+1) and log P(next label) (B, T, U), float32 (float64 for float64 inputs).
        """
        return additive_lattice(self.encoder(encoded), self.predictor(predicted), labels, hat=self.hat)
