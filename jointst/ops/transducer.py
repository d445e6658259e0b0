"""The transducer lattice on log P(blank) and log P(next label) alone.

B batch, T frames, U labels, S places of a frame: place s of frame t stands for starts[t] + s labels emitted. Without a
band S is U+1, and all starts are 0.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad
from torchaudio.functional import rnnt_loss

from jointst.common.errors import JointstError
from jointst.ops.band import Band
from jointst.ops.kernels.dispatch import ONE_AT_A_TIME
from jointst.ops.kernels.lattice import lattice_losses, set_off
from jointst.ops.kernels.triton import interpreted, usable
from jointst.ops.masks import length_mask

Reduction = Literal["none", "mean", "sum"]
"""What becomes of the losses of a batch's utterances."""

_IMPOSSIBLE = -1e30
"""A log probability of nothing that float32 sums bear."""


def _by_numba(
    log_blank: Tensor,
    log_label: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    band: Band | None,
    wanted: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses and, if they are ``wanted``, their gradients."""
    dtype = torch.float64 if log_blank.dtype == torch.float64 else torch.float32
    log_blank, log_label = log_blank.to(dtype), log_label.to(dtype)
    losses = log_blank.new_empty(len(log_blank))
    gradients = torch.zeros_like(log_blank), torch.zeros_like(log_label)
    starts = torch.zeros((), dtype=torch.int64).expand(log_blank.shape[:2]) if band is None else band.starts
    scores = [part.contiguous().numpy() for part in (log_blank, log_label)]
    sizes = [part.to(torch.int64).numpy() for part in (starts, logit_lengths, target_lengths)]
    near = [torch.zeros_like(part, dtype=torch.float64) for part in (log_blank, log_label)]
    totals = torch.empty(len(log_blank), dtype=torch.float64)
    with ONE_AT_A_TIME:
        set_off(*scores, *sizes, *(part.numpy() for part in (*near, totals)))
    shares = [part.exp_().numpy() for part in near]  # here and not there: torch's are vector instructions
    with ONE_AT_A_TIME:
        lattice_losses(
            *scores,
            *shares,
            totals.numpy(),
            *sizes,
            losses.numpy(),
            *(part.numpy() for part in gradients),
            wanted,
        )
    return losses, *gradients


def _by_triton(
    log_blank: Tensor,
    log_label: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    band: Band | None,
    wanted: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    from jointst.ops.kernels.triton import lattice  # which needs Triton

    band_sizes = (None, None) if band is None else (band.starts, band.states)
    losses, blank, label = lattice.lattice_losses(
        log_blank, log_label, logit_lengths, target_lengths, *band_sizes, wanted=wanted
    )
    if blank is None or label is None:
        return losses, log_blank, log_label
    # A score that no path needs, and is no number, shows in the gradients alone: the loss is to tell of it.
    return losses + 0.0 * (blank.sum((1, 2)) + label.sum((1, 2))), blank, label


class _Lattice(torch.autograd.Function):
    """All paths; the gradient is found along with the loss, and is minus the share of paths that take each step."""

    @staticmethod
    def forward(
        ctx: Any,
        log_blank: Tensor,
        log_label: Tensor,
        logit_lengths: Tensor,
        target_lengths: Tensor,
        band: Band | None,
        wanted: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        find = _by_triton if log_blank.is_cuda or interpreted() else _by_numba
        wanted = wanted or any(ctx.needs_input_grad)
        losses, *gradients = find(log_blank.detach(), log_label.detach(), logit_lengths, target_lengths, band, wanted)
        gradients = [gradient.detach() for gradient in gradients]
        ctx.save_for_backward(*gradients)
        ctx.mark_non_differentiable(*gradients)
        return losses, gradients[0], gradients[1]

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        blank, label = ctx.saved_tensors
        return gradient[:, None, None] * blank, gradient[:, None, None] * label, None, None, None, None


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
    band: Band | None = None,
    fastemit: float = 0.0,
    reduction: Reduction = "none",
) -> Tensor:
    """Negative log probability of all alignments of the labels (arXiv 1211.3711).

    The lattice only ever asks for P(blank) and P(the next label), so it is a transducer of two classes whose targets
    are all class 1, exact for any vocabulary. Kernels of our own find it (:mod:`jointst.ops.kernels.lattice`, on a GPU
    :mod:`jointst.ops.kernels.triton.lattice`); without Triton, a GPU takes torchaudio's ``rnnt_loss``.

    Args:
        log_blank: (B, T, S), log P(blank) after starts + s labels.
        log_label: (B, T, S-1), log P(label starts + s + 1) after starts + s labels.
        logit_lengths: (B,) frames of each utterance, at least 1.
        target_lengths: (B,) labels of each utterance; 0 is allowed, and so are more labels than frames.
        band: paths outside it do not count; None for all paths, of S = U+1.
        fastemit: scale added to the gradient of labels (arXiv 2010.11148); the loss's value stays as it is.
        reduction: ``none``, or the mean or sum over utterances.

    Returns:
        (B,) losses in float32 (on the CPU float64 for float64 scores), or their mean or sum, a scalar; infinity where
        there is no path. Scores beyond the lengths are never looked at: they may be NaN, and their gradient is 0.

    Raises:
        JointstError: shapes that do not fit, or lengths, or an unknown reduction. On a GPU, where lengths are not read
            back, the loss of an utterance whose lengths do not fit is NaN.
    """
    if reduction not in ("none", "mean", "sum"):
        raise JointstError(f"reduction is {reduction!r}, not none, mean or sum")
    if fastemit < 0:
        raise JointstError(f"fastemit is {fastemit}, not at least 0")
    if fastemit > 0:
        log_label = _ScaleGradient.apply(log_label, 1.0 + fastemit)  # type: ignore[no-untyped-call]
    losses = _all_paths(log_blank, log_label, logit_lengths, target_lengths, band, wanted=False)[0]
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def lattice_occupation(
    log_blank: Tensor, log_label: Tensor, logit_lengths: Tensor, target_lengths: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses as of :func:`lattice_loss`, and where the paths go.

    Args:
        log_blank, log_label, logit_lengths, target_lengths: of the whole lattice.

    Returns:
        (B,) differentiable losses, and the shares of paths that take each blank (B, T, U+1) and each label (B, T, U),
        which have no gradient and are 0 beyond the lengths.
    """
    losses, blank, label = _all_paths(log_blank, log_label, logit_lengths, target_lengths, None, wanted=True)
    return losses, -blank, -label


def _all_paths(
    log_blank: Tensor,
    log_label: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    band: Band | None,
    *,
    wanted: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses, and the gradients of both scores if they are ``wanted`` as values."""
    _check_shapes(log_blank, log_label, logit_lengths, target_lengths, band)
    found: tuple[Tensor, Tensor, Tensor]
    if usable(log_blank) or not log_blank.is_cuda:
        if not log_blank.is_cuda:
            _check_lengths(log_blank, logit_lengths, target_lengths, band)
        found = _Lattice.apply(  # type: ignore[no-untyped-call]
            log_blank, log_label, logit_lengths, target_lengths, band, wanted
        )
        return found
    _check_lengths(log_blank, logit_lengths, target_lengths, band)
    return _by_torchaudio(log_blank, log_label, logit_lengths, target_lengths, band, wanted)


def _check_shapes(
    log_blank: Tensor, log_label: Tensor, logit_lengths: Tensor, target_lengths: Tensor, band: Band | None
) -> None:
    batch, frames, places = log_blank.shape
    if log_label.shape != (batch, frames, places - 1):
        raise JointstError(f"log_label is {tuple(log_label.shape)}, not {(batch, frames, places - 1)}")
    for name, lengths in (("logit_lengths", logit_lengths), ("target_lengths", target_lengths)):
        if lengths.shape != (batch,):
            raise JointstError(f"{name} is {tuple(lengths.shape)}, not {(batch,)}")
    if band is not None and (band.starts.shape != (batch, frames) or band.width != places):
        raise JointstError(f"a band of {tuple(band.starts.shape)} x {band.width} for scores {(batch, frames, places)}")


def _check_lengths(log_blank: Tensor, logit_lengths: Tensor, target_lengths: Tensor, band: Band | None) -> None:
    _, frames, states = log_blank.shape
    states = states if band is None else band.states
    bounds = [logit_lengths.min(), logit_lengths.max(), target_lengths.min(), target_lengths.max()]
    shortest, longest, fewest, most = (int(bound) for bound in torch.stack(bounds).tolist())
    if shortest < 1 or longest > frames or fewest < 0 or most > states - 1:
        raise JointstError(
            f"lengths {logit_lengths.tolist()} and {target_lengths.tolist()} do not fit {frames} frames, "
            f"{states - 1} labels, at least 1 frame each"
        )


def _by_torchaudio(
    log_blank: Tensor,
    log_label: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    band: Band | None,
    wanted: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The plain form, of operations that have a gradient. A band becomes a whole lattice in which the rest is
    impossible, and the longest utterance fills its tensors, as ``rnnt_loss`` demands it."""
    if band is not None:
        assert not wanted
        log_blank, log_label = _widened(log_blank, log_label, band)
    whole = log_blank.shape
    frames, labels = int(logit_lengths.max()), int(target_lengths.max())
    log_blank, log_label = log_blank[:, :frames, : labels + 1], log_label[:, :frames, :labels]
    losses = _whole_by_torchaudio(log_blank, log_label, logit_lengths, target_lengths)
    if not wanted:
        return losses, log_blank, log_label
    leaves = log_blank.detach().requires_grad_(), log_label.detach().requires_grad_()
    with torch.enable_grad():
        total = _whole_by_torchaudio(*leaves, logit_lengths, target_lengths).sum()
    found = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    missing = 0, whole[2] - 1 - labels, 0, whole[1] - frames
    blank, label = (pad(gradient, missing) for gradient in found)
    return losses, blank, label


def _widened(log_blank: Tensor, log_label: Tensor, band: Band) -> tuple[Tensor, Tensor]:
    """Scores of a band in their places of the whole lattice, (B, T, U+1) and (B, T, U)."""
    batch, frames, places = log_blank.shape
    place = band.starts[:, :, None] + torch.arange(places, device=log_blank.device)
    whole = log_blank.new_full((batch, frames, band.states + places), _IMPOSSIBLE)  # room behind the last label
    blank = whole.scatter(2, place, log_blank)
    label = whole.scatter(2, place[..., :-1], log_label)
    return blank[..., : band.states], label[..., : band.states - 1]


def _whole_by_torchaudio(log_blank: Tensor, log_label: Tensor, logit_lengths: Tensor, target_lengths: Tensor) -> Tensor:
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
        torch.stack([log_blank, pad(log_label, (0, 1))], dim=-1),
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
