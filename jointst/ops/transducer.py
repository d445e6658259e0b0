"""The transducer lattice on log P(blank) and log P(next label) alone.

B batch, T frames, U labels.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torchaudio.functional import rnnt_loss

from jointst.errors import JointstError
from jointst.ops.kernels.lattice import lattice_losses
from jointst.ops.masks import length_mask

Reduction = Literal["none", "mean", "sum"]
"""What becomes of the losses of a batch's utterances."""


class _Lattice(torch.autograd.Function):
    """All paths on the CPU; the gradient is found along with the loss."""

    @staticmethod
    def forward(
        ctx: Any, log_blank: Tensor, log_label: Tensor, logit_lengths: Tensor, target_lengths: Tensor
    ) -> Tensor:
        losses = log_blank.new_empty(len(log_blank))
        gradients = torch.zeros_like(log_blank), torch.zeros_like(log_label)
        lattice_losses(
            *(part.detach().contiguous().numpy() for part in (log_blank, log_label)),
            *(lengths.to(torch.int64).numpy() for lengths in (logit_lengths, target_lengths)),
            losses.numpy(),
            *(part.numpy() for part in gradients),
            any(ctx.needs_input_grad),
        )
        ctx.save_for_backward(*gradients)
        return losses

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        blank, label = ctx.saved_tensors
        return gradient[:, None, None] * blank, gradient[:, None, None] * label, None, None


class _ScaleGradient(torch.autograd.Function):
    """The identity, whose gradient is scaled."""

    @staticmethod
    def forward(ctx, values: Tensor, scale: float) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.scale = scale
        return values.view_as(values)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]
        return gradient * ctx.scale, None


def lattice_loss(
    log_blank: Tensor,
    log_label: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    *,
    fastemit: float = 0.0,
    reduction: Reduction = "none",
) -> Tensor:
    """Negative log probability of all alignments of the labels (arXiv 1211.3711).

    The lattice only ever asks for P(blank) and P(the next label), so it is a transducer of two classes whose targets
    are all class 1. On a GPU that is torchaudio's ``rnnt_loss`` without its own softmax; on the CPU, where that takes
    five times as long (tools/bench_lattice.py), :mod:`jointst.ops.kernels.lattice`. Both are exact for any vocabulary.

    Args:
        log_blank: (B, T, U+1), log P(blank) after u labels.
        log_label: (B, T, U), log P(label u+1) after u labels.
        logit_lengths: (B,) frames of each utterance, at least 1.
        target_lengths: (B,) labels of each utterance; 0 is allowed, and so are more labels than frames.
        fastemit: scale added to the gradient of labels (arXiv 2010.11148); the loss's value stays as it is.
        reduction: ``none``, or the mean or sum over utterances.

    Returns:
        (B,) losses in float32 (on the CPU float64 for float64 scores), or their mean or sum, a scalar. Scores beyond
        the lengths are never looked at: they may be NaN, and their gradient is 0.

    Raises:
        JointstError: shapes or lengths that do not fit, or an unknown reduction.
    """
    if reduction not in ("none", "mean", "sum"):
        raise JointstError(f"reduction is {reduction!r}, not none, mean or sum")
    if fastemit < 0:
        raise JointstError(f"fastemit is {fastemit}, not at least 0")
    frames, labels = _longest(log_blank, log_label, logit_lengths, target_lengths)
    if fastemit > 0:
        log_label = _ScaleGradient.apply(log_label, 1.0 + fastemit)  # type: ignore[no-untyped-call]
    arguments = log_blank[:, :frames, : labels + 1], log_label[:, :frames, :labels], logit_lengths, target_lengths
    losses = _by_torchaudio(*arguments) if log_blank.is_cuda else _by_numba(*arguments)
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def _longest(log_blank: Tensor, log_label: Tensor, logit_lengths: Tensor, target_lengths: Tensor) -> tuple[int, int]:
    """The most frames and the most labels of an utterance, once all shapes and lengths are seen to fit."""
    batch, frames, states = log_blank.shape
    if log_label.shape != (batch, frames, states - 1):
        raise JointstError(f"log_label is {tuple(log_label.shape)}, not {(batch, frames, states - 1)}")
    for name, lengths in (("logit_lengths", logit_lengths), ("target_lengths", target_lengths)):
        if lengths.shape != (batch,):
            raise JointstError(f"{name} is {tuple(lengths.shape)}, not {(batch,)}")
    bounds = [logit_lengths.min(), logit_lengths.max(), target_lengths.min(), target_lengths.max()]
    shortest, longest, fewest, most = (int(bound) for bound in torch.stack(bounds).tolist())  # one wait for the GPU
    if shortest < 1 or longest > frames or fewest < 0 or most > states - 1:
        raise JointstError(
            f"lengths {logit_lengths.tolist()} and {target_lengths.tolist()} do not fit {frames} frames, "
            f"{states - 1} labels, at least 1 frame each"
        )
    return longest, most


def _by_numba(log_blank: Tensor, log_label: Tensor, logit_lengths: Tensor, target_lengths: Tensor) -> Tensor:
    dtype = torch.float64 if log_blank.dtype == torch.float64 else torch.float32
    losses: Tensor = _Lattice.apply(  # type: ignore[no-untyped-call]
        log_blank.to(dtype), log_label.to(dtype), logit_lengths, target_lengths
    )
    return losses


def _by_torchaudio(log_blank: Tensor, log_label: Tensor, logit_lengths: Tensor, target_lengths: Tensor) -> Tensor:
    """Of lengths of which the longest fill the tensors, as ``rnnt_loss`` demands it."""
    _, frames, labels = log_label.shape
    in_time = length_mask(logit_lengths, frames)[:, :, None]
    beyond = ~(in_time & length_mask(target_lengths + 1, labels + 1)[:, None])
    log_blank = log_blank.float().masked_fill(beyond, 0.0)
    if labels == 0:
        return -log_blank.sum((1, 2))  # nothing to emit: the one path is blank in every frame
    log_label = log_label.float().masked_fill(~(in_time & length_mask(target_lengths, labels)[:, None]), 0.0)
    losses = _two_classes(log_blank, log_label, logit_lengths, target_lengths)
    if losses.requires_grad:
        losses = _near_zero(losses.detach(), log_blank, log_label, logit_lengths, target_lengths)
    return losses


def _two_classes(log_blank: Tensor, log_label: Tensor, logit_lengths: Tensor, target_lengths: Tensor) -> Tensor:
    batch, _, labels = log_label.shape
    losses: Tensor = rnnt_loss(
        torch.stack([log_blank, torch.nn.functional.pad(log_label, (0, 1))], dim=-1),
        torch.ones(batch, labels, dtype=torch.int32, device=log_blank.device),
        logit_lengths.to(torch.int32),
        target_lengths.to(torch.int32),
        blank=0,
        reduction="none",
        fused_log_softmax=False,
    )
    return losses


def _near_zero(
    losses: Tensor, log_blank: Tensor, log_label: Tensor, logit_lengths: Tensor, target_lengths: Tensor
) -> Tensor:
    """The losses once more, from scores shifted so that they come out near 0.

    Gradients are differences of float32 sums as large as the loss, so a loss of 500 costs them four digits. Every path
    takes as many steps, so a constant for each step changes no gradient and gives those digits back.
    """
    steps = logit_lengths + target_lengths
    shift = losses / steps
    shifted = log_blank + shift[:, None, None], log_label + shift[:, None, None]
    return _two_classes(*shifted, logit_lengths, target_lengths) + shift * steps
