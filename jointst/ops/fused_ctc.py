"""CTC loss on a GPU without waiting for it: torch's own copies the lengths to the host.

B batch, N frames, V symbols with the blank (symbol 0), S labels. Import this only where
:func:`jointst.ops.kernels.triton.usable` says yes: it needs Triton.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from jointst.ops.kernels.triton.ctc import ctc_losses


class _FusedCtc(torch.autograd.Function):
    """The gradient is found along with the loss."""

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor) -> Tensor:
        losses, gradient = ctc_losses(log_probs, targets, input_lengths, target_lengths, wanted=ctx.needs_input_grad[0])
        ctx.save_for_backward(gradient)
        ctx.dtype = log_probs.dtype
        return losses

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return (gradient * upstream[:, None, None]).to(ctx.dtype), None, None, None


def fused_ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor, *, zero_infinity: bool = False
) -> Tensor:
    """:func:`torch.nn.functional.ctc_loss` with blank 0 and no reduction, for lengths that are on the GPU.

    Args:
        log_probs: (B, N, V), normalised.
        targets: (B, S) integers, none of them 0 within the lengths.
        input_lengths: (B,) frames, at least 1.
        target_lengths: (B,) labels.
        zero_infinity: a loss of 0 for an utterance with too few frames for its labels, whose gradient is 0 anyway.

    Returns:
        (B,) float32; NaN for lengths that do not fit.
    """
    losses: Tensor = _FusedCtc.apply(log_probs, targets, input_lengths, target_lengths)  # type: ignore[no-untyped-call]
    return losses.masked_fill(losses == torch.inf, 0.0) if zero_infinity else losses
