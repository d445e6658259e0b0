"""From joiner inputs to lattice scores by fused kernels: the logits are never written in the forward pass.

B batch, T frames, U labels, S places kept for each frame (U+1, or the width of a band), J joint features, V labels
with the blank (label 0), R rows (b, t, s) of a chunk of frames. Import this only where
:func:`jointst.ops.kernels.triton.usable` says yes: it needs Triton.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from jointst.ops.kernels.triton.hidden import hidden, hidden_backward, next_labels
from jointst.ops.kernels.triton.joiner import ROWS_OF_BLOCK, joiner_gradient, joiner_scores

_ALIGNMENT = 8
"""Half-precision matrix products are fast if rows begin at multiples of so many elements."""


class _FusedJoiner(torch.autograd.Function):
    """Keeps the inputs and one number for each place; backward makes hidden values and logits again."""

    @staticmethod
    def forward(
        ctx: Any,
        encoder: Tensor,
        predictor: Tensor,
        weight: Tensor,
        bias: Tensor,
        codes: Tensor,
        starts: Tensor | None,
        hat: bool,
        budget: int,
    ) -> tuple[Tensor, Tensor]:
        encoder, predictor = encoder.contiguous(), predictor.contiguous()
        cast, offset = weight.to(encoder.dtype).contiguous(), bias.float().contiguous()
        batch, frames, width = codes.shape
        joint = encoder.shape[2]
        blank, log_total = (torch.empty(codes.shape, device=encoder.device) for _ in range(2))
        label = torch.empty(batch, frames, width - 1, device=encoder.device)
        chunk = _frames_of_chunk(budget, frames, batch * width * joint * encoder.element_size())
        memory = encoder.new_empty(batch * chunk * width, joint)
        for part in _parts(frames, chunk):
            rows = hidden(encoder, predictor, codes, starts, part, memory[: batch * (part[1] - part[0]) * width])
            joiner_scores(rows, cast, offset, codes, (blank, label, log_total), hat=hat, frames=part)
        ctx.save_for_backward(encoder, predictor, cast, offset, codes, starts, log_total)
        ctx.hat, ctx.budget, ctx.dtypes = hat, budget, (weight.dtype, bias.dtype)
        return blank, label

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, grad_blank: Tensor, grad_label: Tensor) -> tuple[Tensor | None, ...]:
        encoder, predictor, cast, offset, codes, starts, log_total = ctx.saved_tensors
        grad_blank, grad_label = (part.float().contiguous() for part in (grad_blank, grad_label))
        upstream = grad_blank, grad_label, _lost_in_rounding(grad_blank, grad_label)
        (batch, frames, width), (vocabulary, joint) = codes.shape, cast.shape
        stride = -(-vocabulary // _ALIGNMENT) * _ALIGNMENT
        chunk = _frames_of_chunk(ctx.budget, frames, batch * width * (stride + 2 * joint) * encoder.element_size())
        most = batch * chunk * width
        logits, values, inner = (encoder.new_empty(most, size) for size in (stride, joint, joint))
        grad_encoder = torch.empty_like(encoder)
        grad_predictor, grad_weight = (torch.zeros_like(part, dtype=torch.float32) for part in (predictor, cast))
        grad_bias = torch.zeros(-(-most // ROWS_OF_BLOCK), vocabulary, device=encoder.device)
        for part in _parts(frames, chunk):
            rows = batch * (part[1] - part[0]) * width
            own = hidden(encoder, predictor, codes, starts, part, values[:rows])
            on_logits = logits[:rows, :vocabulary]
            joiner_gradient(
                own, cast, offset, codes, log_total, upstream, on_logits, grad_bias, hat=ctx.hat, frames=part
            )
            on_hidden = torch.mm(on_logits, cast, out=inner[:rows])
            hidden_backward(on_hidden, own, grad_encoder, grad_predictor, width, starts, part)
            if grad_weight.dtype == own.dtype:
                grad_weight.addmm_(on_logits.t(), own)
            else:
                grad_weight += torch.mm(on_logits.t(), own)
        weight_dtype, bias_dtype = ctx.dtypes
        of_output = grad_weight.to(weight_dtype), grad_bias.sum(0).to(bias_dtype)
        return grad_encoder, grad_predictor.to(predictor.dtype), *of_output, None, None, None, None


def _frames_of_chunk(budget: int, frames: int, frame_bytes: int) -> int:
    """Frames of a chunk within a budget, at least 1, so that all chunks are about as long."""
    chunks = -(-frames // max(1, min(frames, budget // frame_bytes)))
    return -(-frames // chunks)


def _parts(frames: int, chunk: int) -> Iterator[tuple[int, int]]:
    return ((first, min(first + chunk, frames)) for first in range(0, frames, chunk))


def _lost_in_rounding(grad_blank: Tensor, grad_label: Tensor) -> Tensor:
    """For each utterance the weight (B,) below which places add up to less than its largest times the epsilon."""
    largest = grad_blank.abs().amax((1, 2))
    if grad_label.shape[2]:
        largest = torch.maximum(largest, grad_label.abs().amax((1, 2)))
    limits = torch.finfo(torch.float32)
    return (largest * (limits.eps / grad_blank[0].numel())).clamp(max=limits.max)


def fused_joint_lattice(
    encoder: Tensor,
    predictor: Tensor,
    weight: Tensor,
    bias: Tensor,
    labels: Tensor,
    *,
    hat: bool,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    starts: Tensor | None = None,
    width: int | None = None,
    budget_bytes: int,
) -> tuple[Tensor, Tensor]:
    """log P(blank) and log P(next label) at the places of a lattice or of a band, without waiting for the GPU.

    Args:
        encoder: (B, T, J), projected; float32 or a half precision, in which matrix products then are.
        predictor: (B, U+1, J), projected.
        weight: (V, J) of the output layer, which follows tanh(encoder + predictor).
        bias: (V,).
        labels: (B, U) integers, each at least 1 within the lengths.
        hat: P(blank) = sigmoid (arXiv 2003.07705) instead of one softmax over everything (arXiv 1211.3711).
        logit_lengths: (B,) frames.
        target_lengths: (B,) labels.
        starts: (B, T) labels emitted at place 0 of each frame, never falling with time.
        width: S; without, U+1.
        budget_bytes: for what backward holds of a chunk: gradients of logits, hidden values and their gradient.

    Returns:
        (B, T, S) and (B, T, S-1), float32. Both are 0 beyond the lengths, and the second where no label follows.
    """
    assert (starts is None) == (width is None)
    assert encoder.dtype != torch.float64
    width = predictor.shape[1] if width is None else width
    codes = next_labels(labels, logit_lengths, target_lengths, encoder.shape[1], width, starts)
    starts = None if starts is None else starts.contiguous()
    blank: Tensor
    label: Tensor
    blank, label = _FusedJoiner.apply(  # type: ignore[no-untyped-call]
        encoder, predictor.to(encoder.dtype), weight, bias, codes, starts, hat, budget_bytes
    )
    return blank, label
