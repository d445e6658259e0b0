"""The lattice of an additive joiner, whose logits are a sum of both sides: all of it by matrix products.

B batch, T frames, U labels, V labels with the blank (label 0).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def _log_totals(encoder: Tensor, predictor: Tensor) -> Tensor:
    """log of the sum over labels of exp(encoder + predictor), (B, T, X) and (B, U+1, X) to (B, T, U+1)."""
    largest = encoder.detach().amax(-1, keepdim=True), predictor.detach().amax(-1, keepdim=True)
    products = torch.bmm((encoder - largest[0]).exp(), (predictor - largest[1]).exp().transpose(1, 2))
    # Where both sides' largest labels are too far apart for exponentials, the total is too small, and has no gradient.
    return products.clamp_min(torch.finfo(products.dtype).tiny).log() + largest[0] + largest[1].transpose(1, 2)


def additive_lattice(encoder: Tensor, predictor: Tensor, labels: Tensor, *, hat: bool) -> tuple[Tensor, Tensor]:
    """log P(blank) and log P(next label) where logits are encoder + predictor (arXiv 2206.13236, section 3.1).

    Args:
        encoder: (B, T, V).
        predictor: (B, U+1, V).
        labels: (B, U) int64, each at least 1, padding too.
        hat: P(blank) = sigmoid (arXiv 2003.07705) instead of one softmax over everything (arXiv 1211.3711).

    Returns:
        (B, T, U+1) and (B, T, U), float32 (float64 for float64 inputs). Where the labels that each side likes best are
        more than 85 (float64: 700) nats apart, scores of labels are too high: nothing that finds a band comes near.
    """
    with torch.autocast(encoder.device.type, enabled=False):
        if encoder.dtype != torch.float64:
            encoder, predictor = encoder.float(), predictor.float()
        blank = encoder[:, :, None, 0] + predictor[:, None, :, 0]  # (B, T, U+1)
        spoken = encoder.gather(2, labels[:, None].expand(-1, encoder.shape[1], -1))  # (B, T, U)
        picked = spoken + predictor[:, :-1].gather(2, labels[:, :, None]).transpose(1, 2)
        if not hat:
            totals = _log_totals(encoder, predictor)
            return blank - totals, picked - totals[:, :, :-1]
        totals = _log_totals(encoder[:, :, 1:], predictor[:, :-1, 1:])
        return logsigmoid(blank), picked + logsigmoid(-blank[:, :, :-1]) - totals
