"""Refusals that name the utterance. They read lengths and totals on the host: a synchronisation where those are on a
GPU, so callers in a training step may switch them off; kernels then give NaN for lengths that do not fit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from jointst.common.errors import AlignmentError, JointstError
from jointst.ops.masks import length_mask


def check_shapes(cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor) -> None:
    """Refuse shapes other than cost (..., B, N, M) and lengths (B,).

    Raises:
        JointstError: with the shapes.
    """
    batch = cost.shape[-3] if cost.dim() >= 3 else -1
    fits = tuple(speech_lengths.shape) == tuple(text_lengths.shape) == (batch,)
    if not fits or not cost.is_floating_point():
        shapes = (tuple(cost.shape), tuple(speech_lengths.shape), tuple(text_lengths.shape))
        raise JointstError(f"cost (..., B, N, M) float and lengths (B,) do not fit: {shapes}, {cost.dtype}")


def check_lengths(cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor) -> None:
    """Refuse lengths that do not fit the cost (..., B, N, M).

    Raises:
        AlignmentError: names the utterance's index and its lengths.
    """
    check_shapes(cost, speech_lengths, text_lengths)
    pairs = zip(speech_lengths.tolist(), text_lengths.tolist(), strict=True)
    for b, (frames, positions) in enumerate(pairs):
        if not (1 <= frames <= cost.shape[-2] and 1 <= positions <= cost.shape[-1]):
            rule = f"does not fit the cost of {cost.shape[-2]} x {cost.shape[-1]}, or has none: at least 1 is needed"
            raise AlignmentError(b, frames, positions, rule)


def check_paths(total: Tensor, speech_lengths: Tensor, text_lengths: Tensor, rule: str) -> None:
    """Refuse utterances without a valid path.

    Args:
        total: (..., B), not finite where there is none.
        speech_lengths: (B,).
        text_lengths: (B,).
        rule: what a path must be, and what to do.

    Raises:
        AlignmentError: names the first such utterance's index and its lengths.
    """
    lost = ~torch.isfinite(total.detach()).reshape(-1, total.shape[-1]).all(0)
    if not bool(lost.any()):
        return
    b = int(lost.nonzero()[0])
    lengths = int(speech_lengths[b]), int(text_lengths[b])
    raise AlignmentError(b, *lengths, f"has no valid path of finite cost: {rule}")


def inside(cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, band: int | None = None) -> Tensor:
    """(B, N, M) bool: pairs within the lengths, and within ``band`` text positions of the diagonal.

    The diagonal leads from the first pair to the last; an utterance of one frame has no band.
    """
    frames, positions = cost.shape[-2:]
    speech_lengths, text_lengths = speech_lengths.to(cost.device), text_lengths.to(cost.device)
    valid = length_mask(speech_lengths, frames)[:, :, None] & length_mask(text_lengths, positions)[:, None, :]
    if band is None:
        return valid
    steps = (speech_lengths - 1)[:, None, None]
    diagonal = torch.arange(frames, device=cost.device)[None, :, None] * (text_lengths - 1)[:, None, None]
    off = torch.arange(positions, device=cost.device)[None, None, :] * steps - diagonal
    return valid & ((off.abs() <= band * steps) | (steps == 0))
