"""Sinkhorn: entropic optimal transport between speech and text positions (Cuturi, arXiv 1306.0895), in logarithms.

K layers or other leading dimensions, B batch, N speech positions, M text positions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from jointst.common.errors import JointstError
from jointst.ops.alignment.checks import check_lengths, check_paths, check_shapes, inside
from jointst.ops.alignment.monotone import check_band
from jointst.ops.alignment.result import Alignment
from jointst.ops.masks import length_mask


@dataclass(frozen=True, kw_only=True)
class SinkhornOptions:
    """Options of ``sinkhorn``."""

    temperature: float = 0.1
    """Weight of the entropy, in units of cost: towards 0 the transport is as hard as it can be."""
    iterations: int = 20
    """Updates of both sides."""
    prior: float = 0.2
    """Standard deviation of a Gaussian prior around the diagonal, in shares of the utterance; 0 for no prior.
    Transport alone does not know of order."""
    band: int | None = None
    """Text positions that a frame may be off the diagonal; None for any."""

    def __post_init__(self) -> None:
        check_band(self.band)
        for key in ("temperature", "prior"):
            value = getattr(self, key)
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
                raise JointstError(f"{key} is {value!r}: give a number from 0")
        if self.temperature == 0:
            raise JointstError("temperature is 0: give a number above 0")
        if not isinstance(self.iterations, int) or isinstance(self.iterations, bool) or self.iterations < 1:
            raise JointstError(f"iterations is {self.iterations!r}: give a whole number, at least 1")


def _positional_prior(cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, deviation: float) -> Tensor:
    """(B, N, M): logarithm of a Gaussian around the diagonal, up to a constant."""
    place = torch.arange(cost.shape[-2], device=cost.device, dtype=cost.dtype)[:, None]
    position = torch.arange(cost.shape[-1], device=cost.device, dtype=cost.dtype)[None, :]
    # Centres of positions, so that one frame or one position stands for the whole utterance.
    off = (place + 0.5) / speech_lengths[:, None, None] - (position + 0.5) / text_lengths[:, None, None]
    return -0.5 * (off / deviation).square()


def sinkhorn(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, options: SinkhornOptions, check: bool = True
) -> Alignment:
    """Transport plan between the frames and the text positions of an utterance, each side of equal masses.

    It minimises sum_ij w_ij cost_ij + temperature * KL(w | prior); rows of ``weights`` sum to exactly 1, columns to
    N / M as far as the iterations went. ``weights`` and ``total`` (their expected cost) are differentiable, by
    automatic differentiation through all iterations, if the cost requires gradients: memory is then
    O(iterations N M). With the weights held fixed, the expected cost has the gradient of the minimum (at convergence).

    Args:
        cost: (..., B, N, M) float; what is outside the lengths does not matter.
        speech_lengths: (B,) int64.
        text_lengths: (B,) int64.
        options: temperature, iterations, prior and band.
        check: refuse lengths that do not fit and frames without a position; reads values on the host.

    Raises:
        AlignmentError: names the utterance's index and its lengths.
    """
    (check_lengths if check else check_shapes)(cost, speech_lengths, text_lengths)
    speech_lengths, text_lengths = speech_lengths.to(cost.device), text_lengths.to(cost.device)
    cost = cost if cost.dtype == torch.float64 else cost.float()
    allowed = inside(cost, speech_lengths, text_lengths, options.band)
    cost = torch.where(allowed, cost, 0.0)
    scores = -cost / options.temperature
    if options.prior > 0:
        scores = scores + _positional_prior(cost, speech_lengths, text_lengths, options.prior)
    # A finite floor instead of -inf: sums over what is all padding stay finite, and so do their gradients.
    floor = torch.finfo(cost.dtype).min / 8
    scores = torch.where(allowed, scores, floor)
    rows, columns = allowed.any(-1), allowed.any(-2)
    mass = (speech_lengths.to(cost.dtype) / text_lengths).log()[:, None]  # of a column, where a row has 1
    column = torch.zeros_like(cost[..., 0, :])
    for _ in range(options.iterations):
        row = torch.where(rows, -torch.logsumexp(scores + column[..., None, :], -1), 0.0)
        column = torch.where(columns, mass - torch.logsumexp(scores + row[..., :, None], -2), 0.0)
    plan = torch.softmax(scores + column[..., None, :], -1)
    weights = torch.where(allowed, plan, 0.0)
    total = (weights * cost).sum((-1, -2))
    if check:
        reached = (rows | ~length_mask(speech_lengths, cost.shape[-2])).all(-1)
        lost = torch.where(reached, total.detach(), torch.inf)
        check_paths(lost, speech_lengths, text_lengths, "each frame needs a text position: widen the band")
    return Alignment(total=total, weights=weights)
