"""The transducer lattice on log P(blank) and log P(next label) alone.

B batch, T frames, U labels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import rnnt_loss

from jointst.errors import JointstError


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
) -> Tensor:
    """Negative log probability of all alignments of the labels (arXiv 1211.3711).

    The lattice only ever asks for P(blank) and P(the next label), so it is a transducer of two classes whose targets
    are all class 1; torchaudio's ``rnnt_loss`` without its own softmax is then exact for any vocabulary.

    Args:
        log_blank: (B, T, U+1), log P(blank) after u labels.
        log_label: (B, T, U), log P(label u+1) after u labels.
        logit_lengths: (B,) frames of each utterance, at least 1.
        target_lengths: (B,) labels of each utterance; 0 is allowed, and so are more labels than frames.
        fastemit: scale added to the gradient of labels (arXiv 2010.11148); the loss's value stays as it is.

    Returns:
        (B,) losses in float32.

    Raises:
        JointstError: shapes or lengths that do not fit.
    """
    batch, frames, states = log_blank.shape
    if log_label.shape != (batch, frames, states - 1):
        raise JointstError(f"log_label is {tuple(log_label.shape)}, not {(batch, frames, states - 1)}")
    if int(logit_lengths.min()) < 1 or int(logit_lengths.max()) > frames or int(target_lengths.max()) > states - 1:
        raise JointstError(
            f"lengths {logit_lengths.tolist()} and {target_lengths.tolist()} do not fit {frames} frames, "
            f"{states - 1} labels, at least 1 frame each"
        )
    if fastemit > 0:
        log_label = _ScaleGradient.apply(log_label, 1.0 + fastemit)  # type: ignore[no-untyped-call]
    # torchaudio's lattice is undefined for a batch without any label: add one that no utterance reaches.
    padding = log_label.new_zeros(batch, frames, 1 if states > 1 else 2)
    log_label = torch.cat([log_label, padding], dim=2)
    if states == 1:
        log_blank = torch.cat([log_blank, torch.zeros_like(log_blank)], dim=2)
    # rnnt_loss demands that the longest utterance of a batch fills the tensor.
    frames, labels = int(logit_lengths.max()), max(1, int(target_lengths.max()))
    logits = torch.stack([log_blank, log_label], dim=-1)[:, :frames, : labels + 1].float()
    if int(target_lengths.max()) == 0:
        # Nothing to emit: the one path is blank in every frame.
        valid = torch.arange(frames, device=logits.device) < logit_lengths[:, None]
        return -(logits[:, :, 0, 0] * valid).sum(1)
    losses: Tensor = rnnt_loss(
        logits.contiguous(),
        torch.ones(batch, labels, dtype=torch.int32, device=logits.device),
        logit_lengths.to(torch.int32),
        target_lengths.to(torch.int32),
        blank=0,
        reduction="none",
        fused_log_softmax=False,
    )
    return losses
