"""Soft-DTW: a differentiable minimum over all DTW paths (Cuturi and Blondel, arXiv 1703.01541).

K layers or other leading dimensions, B batch, N speech positions, M text positions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from jointst.common.errors import JointstError
from jointst.ops.alignment.checks import check_lengths, check_paths, check_shapes
from jointst.ops.alignment.monotone import check_band
from jointst.ops.alignment.result import Alignment
from jointst.ops.kernels import dispatch


@dataclass(frozen=True, kw_only=True)
class SoftDtwOptions:
    """Options of ``soft_dtw``."""

    gamma: float = 0.1
    """Temperature, in units of cost: towards 0 it is ``dtw``, towards infinity all paths count alike."""
    band: int | None = None
    """Text positions that a frame may be off the diagonal; None for any."""

    def __post_init__(self) -> None:
        check_band(self.band)
        if not (isinstance(self.gamma, (int, float)) and math.isfinite(self.gamma) and self.gamma > 0):
            raise JointstError(f"gamma is {self.gamma!r}: give a number above 0")


class _SoftDtw(torch.autograd.Function):
    """Totals (P,) of costs (P, N, M); the gradient is the expected number of visits of each pair."""

    @staticmethod
    def forward(
        ctx: Any, cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, gamma: float, band: int
    ) -> tuple[Tensor, Tensor]:
        value, total = dispatch.soft_dtw_forward(cost, speech_lengths, text_lengths, gamma, band)
        ctx.gamma = gamma
        ctx.save_for_backward(cost, speech_lengths, text_lengths, value)
        ctx.mark_non_differentiable(value)
        return total.to(cost.dtype if cost.dtype == torch.float64 else torch.float32), value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_total: Tensor, grad_value: Tensor) -> tuple[Tensor | None, ...]:
        cost, speech_lengths, text_lengths, value = ctx.saved_tensors
        weight = dispatch.soft_dtw_backward(cost, speech_lengths, text_lengths, value, grad_total, ctx.gamma)
        return weight.to(cost.dtype), None, None, None, None


def soft_dtw(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, options: SoftDtwOptions, check: bool = True
) -> Alignment:
    """The soft minimum over all DTW paths, and how often each pair is visited on average.

    ``total`` is differentiable with respect to the cost, once; its gradient is ``weights``, which are constants. So
    the expected cost with these weights held fixed has the gradient of the soft minimum.

    Args:
        cost: (..., B, N, M) float. Entries outside the lengths are never read.
        speech_lengths: (B,) int64.
        text_lengths: (B,) int64.
        options: temperature and band.
        check: refuse lengths that do not fit and utterances without a path; reads values on the host.

    Raises:
        AlignmentError: names the utterance's index and its lengths.
    """
    (check_lengths if check else check_shapes)(cost, speech_lengths, text_lengths)
    problems = cost.reshape(-1, *cost.shape[-2:])
    band = -1 if options.band is None else options.band
    total, value = _SoftDtw.apply(problems, speech_lengths, text_lengths, options.gamma, band)  # type: ignore[no-untyped-call]
    if check:
        rule = f"soft_dtw with band {options.band} must lead from corner to corner; widen the band"
        check_paths(total.view(cost.shape[:-2]), speech_lengths, text_lengths, rule)
    ones = torch.ones_like(total, dtype=torch.float64)
    weight = dispatch.soft_dtw_backward(problems, speech_lengths, text_lengths, value, ones, options.gamma)
    return Alignment(total=total.view(cost.shape[:-2]), weights=weight.to(total.dtype).view(cost.shape))
