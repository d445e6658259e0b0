"""Alignments of speech positions to text positions.

B batch, N speech positions, M text positions. An alignment is an index (B, N): the text position of each frame.
"""

from __future__ import annotations

import torch
from torch import Tensor

from jointst.errors import JointstError
from jointst.ops.masks import length_mask


def check_lengths(cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor) -> None:
    """Refuse lengths that do not fit the cost (B, N, M).

    Raises:
        JointstError: names the utterance's index and its lengths.
    """
    if cost.dim() != 3 or len(speech_lengths) != len(cost) or len(text_lengths) != len(cost):
        shapes = (tuple(cost.shape), tuple(speech_lengths.shape), tuple(text_lengths.shape))
        raise JointstError(f"cost (B, N, M) and lengths (B,) do not fit: {shapes}")
    pairs = zip(speech_lengths.tolist(), text_lengths.tolist(), strict=True)
    for b, (frames, positions) in enumerate(pairs):
        if not (1 <= frames <= cost.shape[1] and 1 <= positions <= cost.shape[2]):
            raise JointstError(
                f"utterance {b} has {frames} speech and {positions} text positions; "
                f"the cost holds {cost.shape[1]} x {cost.shape[2]}, and at least 1 of each is needed"
            )


def best_alignment(cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The monotone alignment of least summed cost: argmin over a(i) >= a(i-1) of sum_i cost(i, a(i)) (2308.06125).

    Each frame may stay or jump forward any distance; text positions may stay unused. Exact in O(N M) through a
    running minimum. It is a pure function of values: no gradient flows through it.

    Args:
        cost: (B, N, M) float. Entries outside the lengths are never read; they may be NaN.
        speech_lengths: (B,) int64, each at least 1.
        text_lengths: (B,) int64, each at least 1.

    Returns:
        index (B, N) int64, 0 in padding, ties to the lowest position; total (B,) float, the summed cost.

    Raises:
        JointstError: lengths that do not fit.
    """
    check_lengths(cost, speech_lengths, text_lengths)
    cost = cost.detach()
    if cost.device.type != "cpu":
        return _best_alignment_torch(cost, speech_lengths, text_lengths)
    from jointst.ops.kernels import best_paths

    index = torch.zeros(cost.shape[:2], dtype=torch.int64)
    total = torch.zeros(len(cost), dtype=torch.float64)
    wide = cost if cost.dtype in (torch.float32, torch.float64) else cost.float()
    best_paths(
        wide.contiguous().numpy(),
        speech_lengths.to(torch.int64).contiguous().numpy(),
        text_lengths.to(torch.int64).contiguous().numpy(),
        index.numpy(),
        total.numpy(),
    )
    return index, total.to(cost.dtype)


def _best_alignment_torch(cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The same in plain torch operations, for devices without a kernel: a loop over N of operations on (B, M)."""
    batch, frames, positions = cost.shape
    outside = ~length_mask(text_lengths, positions)
    lowest = torch.zeros(batch, positions, dtype=torch.float64, device=cost.device)
    argument = torch.empty(batch, frames, positions, dtype=torch.int64, device=cost.device)
    for i in range(frames):
        total = (cost[:, i].double() + lowest).masked_fill(outside, torch.inf)
        minimum = total.cummin(dim=1).values
        # cummin breaks ties to the right; the lowest position is where the minimum last fell strictly.
        fell = torch.ones_like(outside)
        fell[:, 1:] = minimum[:, 1:] < minimum[:, :-1]
        places = torch.arange(positions, device=cost.device).expand(batch, -1)
        argument[:, i] = torch.where(fell, places, 0).cummax(dim=1).values
        valid = (i < speech_lengths)[:, None]
        lowest = torch.where(valid, minimum, lowest)
    index = torch.zeros(batch, frames, dtype=torch.int64, device=cost.device)
    position = (text_lengths - 1).to(torch.int64)
    for i in range(frames - 1, -1, -1):
        valid = i < speech_lengths
        position = torch.where(valid, argument[:, i].gather(1, position[:, None])[:, 0], position)
        index[:, i] = torch.where(valid, position, 0)
    return index, lowest.gather(1, (text_lengths - 1).to(torch.int64)[:, None])[:, 0].to(cost.dtype)


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

    Returns:
        index (B, N) int64, 0 in padding.
    """
    valid = length_mask(speech_lengths, frames)
    draws = torch.rand(valid.shape, generator=generator).to(speech_lengths.device)
    index = (draws * text_lengths[:, None]).long().clamp_max(text_lengths[:, None] - 1)
    index = torch.where(valid, index, torch.iinfo(torch.int64).max).sort(dim=1).values
    return torch.where(valid, index, 0)
