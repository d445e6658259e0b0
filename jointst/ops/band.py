"""A band of the transducer lattice: the few labels of each frame at which nearly all paths are (arXiv 2206.13236).

B batch, T frames, U labels, S places of a frame: place s of frame t stands for starts[t] + s labels emitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad


class Band(NamedTuple):
    """A band of a batch's lattices: its first labels (B, T) int64, S, and U+1 of the whole lattice."""

    starts: Tensor
    width: int
    states: int


def band_width(band: int, frames: Sequence[int], labels: Sequence[int]) -> int:
    """Places of a frame for a batch: ``band``, or where that is too few the least with which each utterance has a path.

    From its first frame to its last an utterance may pass S - 1 labels in each. No more than U+1 places are of use.

    Args:
        band: places wanted, at least 2.
        frames: of each utterance, at least 1.
        labels: of each utterance.
    """
    least = max((-(-u // t) + 1 for t, u in zip(frames, labels, strict=True)), default=1)
    return min(max(band, least), max(labels, default=0) + 1)


def find_band(occupation: Tensor, logit_lengths: Tensor, target_lengths: Tensor, width: int) -> Band:
    """The band whose ``width`` places hold most of the occupation of each frame.

    Starts never fall, and rise by at most S - 1 from frame to frame, so that a path leads through the band; the first
    frame has no label behind it, the last frame of an utterance its last one. Nothing is read back from a GPU.

    Args:
        occupation: (B, T, U+1), how many paths are at a place: of any scale, but 0 beyond the lengths.
        logit_lengths: (B,) frames.
        target_lengths: (B,) labels.
        width: S, from :func:`band_width`.
    """
    _, frames, states = occupation.shape
    if width >= states:
        return Band(torch.zeros(occupation.shape[:2], dtype=torch.int64, device=occupation.device), width, states)
    sums = pad(occupation.cumsum(-1), (1, 0))
    wanted = (sums[..., width:] - sums[..., :-width]).argmax(-1)  # (B, T)
    step = width - 1
    time = torch.arange(frames, device=occupation.device)
    highest = (target_lengths + 1 - width).clamp_min(0)[:, None]
    to_go = (logit_lengths[:, None] - 1 - time).clamp_min(0)
    wanted = torch.minimum(wanted, torch.minimum(highest, step * time))
    wanted = torch.maximum(wanted, highest - step * to_go)
    # Never fall: each start is at most the least that follows. Then never rise too fast: what is far ahead lifts those
    # before it, by a step for each frame between them.
    wanted = wanted.flip(1).cummin(1).values
    behind = step * time.flip(0)
    return Band(((wanted - behind).cummax(1).values + behind).flip(1), width, states)


def mass_outside(occupied_blank: Tensor, band: Band, logit_lengths: Tensor) -> Tensor:
    """The share of paths outside a band, mean over frames: a path takes one blank in each.

    Args:
        occupied_blank: (B, T, U+1), share of paths that take the blank at a place; 0 beyond the lengths.
        band: of the same lattices.
        logit_lengths: (B,).

    Returns:
        (B,), 0 to 1.
    """
    sums = pad(occupied_blank.cumsum(-1), (1, 0))
    first = band.starts[..., None]
    last = (first + band.width).clamp_max(sums.shape[-1] - 1)
    inside = (sums.gather(-1, last) - sums.gather(-1, first)).sum((1, 2))
    return (1 - inside / logit_lengths).clamp(0, 1)
