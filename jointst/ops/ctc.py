"""The CTC loss (Graves et al., ICML 2006), on a GPU without waiting for it.

B batch, N positions, V symbols with the blank (symbol 0), S symbols of a target.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import ctc_loss

from jointst.ops.kernels.triton import usable


def ctc_losses(
    log_probs: Tensor, targets: Tensor, lengths: Tensor, target_lengths: Tensor, *, zero_infinity: bool = False
) -> Tensor:
    """Negative log probability of all alignments of the targets.

    Args:
        log_probs: (B, N, V), normalised.
        targets: (B, S) int64, none of them 0 within the lengths.
        lengths: (B,) positions, at least 1.
        target_lengths: (B,) symbols.
        zero_infinity: a loss and gradient of 0 for an utterance with too few positions for its symbols.

    Returns:
        (B,) float32.
    """
    if usable(log_probs):
        from jointst.ops.fused_ctc import fused_ctc_loss  # which needs Triton

        return fused_ctc_loss(log_probs, targets, lengths, target_lengths, zero_infinity=zero_infinity)
    losses: Tensor = ctc_loss(
        log_probs.transpose(0, 1),  # (B, N, V) -> (N, B, V)
        targets,
        lengths,
        target_lengths,
        blank=0,
        reduction="none",
        zero_infinity=zero_infinity,
    )
    return losses
