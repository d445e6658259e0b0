"""From joiner inputs to lattice scores, without ever holding the logits of a whole batch.

B batch, T frames, U labels, J joint features, V labels with the blank (label 0), R rows: (B, t, U+1) of a time chunk.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

_FLOAT_BYTES = 4


def frames_for_bytes(budget: int, rows: int, vocabulary: int) -> int:
    """Frames of a time chunk whose float32 logits fit a budget, at least 1.

    Args:
        budget: bytes.
        rows: B (U+1), rows of logits for each frame.
        vocabulary: V.
    """
    return max(1, budget // (rows * vocabulary * _FLOAT_BYTES))


class _JointLattice(torch.autograd.Function):
    """Hand-written gradient: autograd would keep and copy several tensors of the logits' size.

    With z the logits of a row, HAT has log P(blank) = logsigmoid(z_0), log P(y) = logsigmoid(-z_0) + z_y - lse(z_1..);
    RNN-T has log P(k) = z_k - lse(z). Both gradients are (weights at the asked-for labels) - (a factor) * softmax.
    """

    @staticmethod
    def forward(
        ctx: Any,
        encoder: Tensor,
        predictor: Tensor,
        weight: Tensor,
        bias: Tensor,
        labels: Tensor,
        hat: bool,
        chunk: int,
    ) -> tuple[Tensor, Tensor]:
        ctx.hat, ctx.chunk = hat, chunk
        # With a single chunk the softmax is kept for backward; otherwise each chunk is made again.
        keep = chunk >= encoder.shape[1]
        blanks, picks, softmax = [], [], None
        for first in range(0, encoder.shape[1], chunk):
            logits = _logits(encoder[:, first : first + chunk], predictor, weight, bias)[1]
            blank, total = _totals(logits, hat)
            label = _pick(logits, labels) - total[:, :, :-1]
            blanks.append(logsigmoid(blank) if hat else blank - total)
            picks.append(logsigmoid(-blank[:, :, :-1]) + label if hat else label)
            if keep:
                softmax = _softmax_in_place(logits, blank, total, hat)
        ctx.save_for_backward(encoder, predictor, weight, bias, labels, softmax)
        return torch.cat(blanks, dim=1), torch.cat(picks, dim=1)

    @staticmethod
    def backward(ctx: Any, grad_blank: Tensor, grad_label: Tensor) -> tuple[Tensor | None, ...]:
        encoder, predictor, weight, bias, labels, kept = ctx.saved_tensors
        grad_encoder = torch.empty_like(encoder)
        grad_predictor = torch.zeros_like(predictor, dtype=torch.float32)
        grad_weight = torch.zeros_like(weight, dtype=torch.float32)
        grad_bias = torch.zeros_like(bias, dtype=torch.float32)
        for first in range(0, encoder.shape[1], ctx.chunk):
            part = slice(first, first + ctx.chunk)
            if kept is None:
                hidden, logits = _logits(encoder[:, part], predictor, weight, bias)
                blank, total = _totals(logits, ctx.hat)
                softmax = _softmax_in_place(logits, blank, total, ctx.hat)
            else:  # copied, since a graph may be gone through twice
                hidden, softmax = _hidden(encoder[:, part], predictor), kept.clone()
            grad_logits = _grad_in_place(softmax, grad_blank[:, part], grad_label[:, part], labels, ctx.hat)
            rows = grad_logits.view(-1, grad_logits.shape[-1]).to(hidden.dtype)
            grad_bias += rows.sum(0)
            grad_weight += rows.t() @ hidden.view(-1, hidden.shape[-1])
            grad_hidden = (rows @ weight.to(hidden.dtype)).view_as(hidden)
            grad_sum = torch.ops.aten.tanh_backward(grad_hidden, hidden)
            grad_encoder[:, part] = grad_sum.sum(2)
            grad_predictor += grad_sum.sum(1)
        gradients = grad_predictor.to(predictor.dtype), grad_weight.to(weight.dtype), grad_bias.to(bias.dtype)
        return grad_encoder, *gradients, None, None, None


def _hidden(encoder: Tensor, predictor: Tensor) -> Tensor:
    """tanh of the sum of (B, t, J) and (B, U+1, J): (B, t, U+1, J)."""
    return (encoder[:, :, None] + predictor[:, None]).tanh_()


def _logits(encoder: Tensor, predictor: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    hidden = _hidden(encoder, predictor)
    logits = torch.nn.functional.linear(hidden, weight.to(hidden.dtype), bias.to(hidden.dtype))
    return hidden, logits if logits.dtype == torch.float64 else logits.float()


def _totals(logits: Tensor, hat: bool) -> tuple[Tensor, Tensor]:
    """The blank's logit, and the log of the softmax's denominator, each (B, t, U+1)."""
    return logits[..., 0].clone(), (logits[..., 1:] if hat else logits).logsumexp(-1)


def _pick(logits: Tensor, labels: Tensor) -> Tensor:
    """Logits (B, t, U+1, V) of the next labels (B, U): (B, t, U)."""
    index = labels[:, None, :, None].expand(-1, logits.shape[1], -1, -1)
    return logits[:, :, :-1].gather(3, index).squeeze(3)


def _softmax_in_place(logits: Tensor, blank: Tensor, total: Tensor, hat: bool) -> Tensor:
    """Logits to probabilities; for HAT entry 0 becomes P(blank) and the others P(label | not blank)."""
    softmax = logits.sub_(total[..., None]).exp_()
    if hat:
        softmax[..., 0] = blank.sigmoid()
    return softmax


def _grad_in_place(softmax: Tensor, grad_blank: Tensor, grad_label: Tensor, labels: Tensor, hat: bool) -> Tensor:
    """Probabilities to the gradient of the logits."""
    on_label = torch.nn.functional.pad(grad_label, (0, 1))  # (B, t, U) -> (B, t, U+1), nothing after the last label
    if hat:
        blank = softmax[..., 0].clone()
        grad = softmax.mul_(-on_label[..., None])
        grad[..., 0] = grad_blank * (1 - blank) - on_label * blank
    else:
        grad = softmax.mul_(-(on_label + grad_blank)[..., None])
        grad[..., 0] += grad_blank
    index = labels[:, None, :, None].expand(-1, grad.shape[1], -1, -1)
    grad[:, :, :-1].scatter_add_(3, index, grad_label[..., None])
    return grad


def joint_lattice(
    encoder: Tensor,
    predictor: Tensor,
    weight: Tensor,
    bias: Tensor,
    labels: Tensor,
    *,
    hat: bool,
    lattice_bytes: int,
) -> tuple[Tensor, Tensor]:
    """log P(blank) and log P(next label) of a joiner: all that a transducer lattice asks for.

    The logits (B, T, U+1, V) are made in chunks of time within a memory budget, and made again in backward; if all
    of them fit the budget they are kept instead.

    Args:
        encoder: (B, T, J), projected.
        predictor: (B, U+1, J), projected.
        weight: (V, J) of the output layer, which follows tanh(encoder + predictor).
        bias: (V,).
        labels: (B, U) int64, each at least 1, padding too.
        hat: P(blank) = sigmoid (arXiv 2003.07705) instead of one softmax over everything (arXiv 1211.3711).
        lattice_bytes: the budget of a chunk's logits.

    Returns:
        (B, T, U+1) and (B, T, U), float32 (float64 for float64 inputs).
    """
    chunk = frames_for_bytes(lattice_bytes, predictor.shape[0] * predictor.shape[1], weight.shape[0])
    blank: Tensor
    label: Tensor
    blank, label = _JointLattice.apply(  # type: ignore[no-untyped-call]
        encoder, predictor, weight, bias, labels, hat, min(chunk, encoder.shape[1])
    )
    return blank, label
