"""Alignments that follow no path of least cost: ``framewise``, ``random``, ``nearest``, ``forced``.

K layers or other leading dimensions, B batch, N speech positions, M text positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from jointst.common.errors import AlignmentError, JointstError
from jointst.ops.alignment.checks import check_lengths, check_paths, check_shapes, inside
from jointst.ops.alignment.monotone import check_band
from jointst.ops.alignment.result import Alignment
from jointst.ops.masks import length_mask


@dataclass(frozen=True, kw_only=True)
class FramewiseOptions:
    """Options of ``framewise``: there are none."""


@dataclass(frozen=True, kw_only=True)
class RandomOptions:
    """Options of ``random``."""

    seed: int | None = None
    """The same seed and shapes give the same alignment; None draws from torch's random state."""

    def __post_init__(self) -> None:
        if self.seed is not None and (not isinstance(self.seed, int) or isinstance(self.seed, bool) or self.seed < 0):
            raise JointstError(f"seed is {self.seed!r}: give a whole number from 0, or None")


@dataclass(frozen=True, kw_only=True)
class NearestOptions:
    """Options of ``nearest``."""

    band: int | None = None
    """Text positions that a frame may be off the diagonal; None for any."""

    def __post_init__(self) -> None:
        check_band(self.band)


@dataclass(frozen=True, kw_only=True)
class ForcedOptions:
    """Options of ``forced``."""

    durations: Tensor
    """(B, M) int64, frames of each text position, from a duration model or :func:`durations_of`; they sum to the speech
    lengths. Padding is not read."""

    def __post_init__(self) -> None:
        if not isinstance(self.durations, Tensor) or self.durations.is_floating_point() or self.durations.dim() != 2:
            raise JointstError("durations must be a tensor (B, M) of whole numbers: frames of each text position")


def _summed(cost: Tensor, index: Tensor, speech_lengths: Tensor) -> Tensor:
    """(..., B): the cost along an index (..., B, N)."""
    picked = cost.detach().gather(-1, index[..., None])[..., 0]
    valid = length_mask(speech_lengths.to(cost.device), cost.shape[-2])
    wide = cost.dtype if cost.dtype == torch.float64 else torch.float32
    return torch.where(valid, picked.double(), 0.0).sum(-1).to(wide)


def _hard(cost: Tensor, index: Tensor, speech_lengths: Tensor) -> Alignment:
    index = index.to(cost.device).expand(cost.shape[:-1])
    return Alignment(index=index, total=_summed(cost, index, speech_lengths))


def framewise_alignment(speech_lengths: Tensor, text_lengths: Tensor, frames: int) -> Tensor:
    """Linear interpolation: the first frame to the first position, the last to the last.

    Args:
        speech_lengths: (B,) int64.
        text_lengths: (B,) int64.
        frames: N, the padded number of frames.

    Returns:
        index (B, N) int64, 0 in padding.
    """
    place = torch.arange(frames, device=speech_lengths.device)[None, :]
    steps = (speech_lengths - 1).clamp_min(1)[:, None]
    # Integer rounding to nearest, so that every device gives the same index.
    index = (2 * place * (text_lengths - 1)[:, None] + steps) // (2 * steps)
    return torch.where(length_mask(speech_lengths, frames), index, 0)


def random_alignment(
    speech_lengths: Tensor, text_lengths: Tensor, frames: int, generator: torch.Generator | None = None
) -> Tensor:
    """A sorted random map: each frame draws a position uniformly, then each utterance's draws are sorted.

    Unlike the other kinds it depends on the utterance's place in the batch and on N. Drawn on the CPU, so that a seed
    means the same on every device.

    Returns:
        index (B, N) int64, 0 in padding.
    """
    valid = length_mask(speech_lengths, frames)
    draws = torch.rand(valid.shape, generator=generator).to(speech_lengths.device)
    index = (draws * text_lengths[:, None]).long().clamp_max(text_lengths[:, None] - 1)
    index = torch.where(valid, index, torch.iinfo(torch.int64).max).sort(dim=1).values
    return torch.where(valid, index, 0)


def framewise(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, options: FramewiseOptions, check: bool = True
) -> Alignment:
    """:func:`framewise_alignment`, with the cost (..., B, N, M) along it."""
    (check_lengths if check else check_shapes)(cost, speech_lengths, text_lengths)
    return _hard(cost, framewise_alignment(speech_lengths, text_lengths, cost.shape[-2]), speech_lengths)


def random(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, options: RandomOptions, check: bool = True
) -> Alignment:
    """:func:`random_alignment`, with the cost (..., B, N, M) along it; all layers share one draw."""
    (check_lengths if check else check_shapes)(cost, speech_lengths, text_lengths)
    generator = None if options.seed is None else torch.Generator().manual_seed(options.seed)
    return _hard(cost, random_alignment(speech_lengths, text_lengths, cost.shape[-2], generator), speech_lengths)


def nearest(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, options: NearestOptions, check: bool = True
) -> Alignment:
    """Each frame's nearest text position, in whatever order; of equally near ones the lowest.

    Args:
        cost: (..., B, N, M) float; what is outside the lengths does not matter.
        speech_lengths: (B,).
        text_lengths: (B,).
        options: band.
        check: refuse lengths that do not fit and frames without a position; reads values on the host.
    """
    (check_lengths if check else check_shapes)(cost, speech_lengths, text_lengths)
    allowed = inside(cost, speech_lengths, text_lengths, options.band) & ~cost.isnan()
    index = torch.where(allowed, cost.detach(), torch.inf).argmin(-1)
    valid = length_mask(speech_lengths.to(cost.device), cost.shape[-2])
    result = _hard(cost, torch.where(valid, index, 0), speech_lengths)
    if check:
        check_paths(result.total, speech_lengths, text_lengths, "each frame needs a position of finite cost")
    return result


def forced(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, options: ForcedOptions, check: bool = True
) -> Alignment:
    """The alignment that durations give: position j takes the next durations[j] frames.

    Args:
        cost: (..., B, N, M) float.
        speech_lengths: (B,).
        text_lengths: (B,).
        options: durations.
        check: refuse lengths and durations that do not fit; reads values on the host.

    Raises:
        AlignmentError: names the utterance whose durations do not sum to its speech length.
    """
    (check_lengths if check else check_shapes)(cost, speech_lengths, text_lengths)
    durations = options.durations.to(text_lengths.device)
    if durations.shape != (len(text_lengths), cost.shape[-1]):
        raise JointstError(f"durations have shape {tuple(durations.shape)}, the cost {tuple(cost.shape)}")
    durations = durations * length_mask(text_lengths, cost.shape[-1])
    ends = durations.cumsum(1)
    if check:
        sums, negative = ends[:, -1].tolist(), (durations < 0).any(1).tolist()
        for b, frames in enumerate(speech_lengths.tolist()):
            if sums[b] != frames or negative[b]:
                rule = f"has durations that sum to {sums[b]}: each at least 0, they must sum to the speech positions"
                raise AlignmentError(b, frames, int(text_lengths[b]), rule)
    place = torch.arange(cost.shape[-2], device=ends.device).expand(len(ends), -1).contiguous()
    index = torch.searchsorted(ends, place, right=True)
    index = torch.minimum(index, (text_lengths - 1)[:, None])
    return _hard(cost, torch.where(length_mask(speech_lengths, cost.shape[-2]), index, 0), speech_lengths)


def durations_of(index: Tensor, speech_lengths: Tensor, positions: int) -> Tensor:
    """Frames of each text position under an alignment, for ``forced``.

    Args:
        index: (B, N) int64, as ``best`` gives it, or as read off a CTC or transducer alignment.
        speech_lengths: (B,).
        positions: M.

    Returns:
        (B, M) int64; rows sum to the speech lengths.
    """
    valid = length_mask(speech_lengths, index.shape[1])
    durations = torch.zeros(len(index), positions, dtype=torch.int64, device=index.device)
    return durations.scatter_add_(1, index, valid.long())
