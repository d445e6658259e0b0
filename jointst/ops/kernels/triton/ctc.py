"""CTC (Graves et al., ICML 2006) forward and backward on a GPU, without a look at the lengths by the host.

B batch, N frames, V symbols with the blank (symbol 0), S labels, L = 2S + 1 positions: the labels with a blank before,
between and behind them. Forward and backward run side by side, one lane for each position; sums as in :mod:`.lattice`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from jointst.ops.kernels.triton.common import on_device
from jointst.ops.kernels.triton.lattice import log_add


@triton.jit
def _symbols(targets, lane, last):  # type: ignore[no-untyped-def]
    """The symbol of each position, blanks and positions that do not exist being 0."""
    return tl.load(targets + lane // 2, mask=(lane % 2 == 1) & (lane >= 0) & (lane <= last), other=0).to(tl.int32)


@triton.jit
def _scores(scores, t, symbol, frames, exists, V: tl.constexpr):  # type: ignore[no-untyped-def]
    return tl.load(scores + t * V + symbol, mask=exists & (t >= 0) & (t < frames), other=0.0).to(tl.float64)


@triton.jit
def _sweep(  # type: ignore[no-untyped-def]
    scores, targets, out, frames, last, positions, V: tl.constexpr, BACKWARD: tl.constexpr, LANES: tl.constexpr
):
    """Writes to out (N, L) the log probability of getting to each position and emitting it (backward: of the rest
    after it), and returns that of the sweep's last frame. Scores are read two frames ahead."""
    lane = tl.arange(0, LANES)
    exists = lane <= last
    symbol = _symbols(targets, lane, last)
    if BACKWARD:
        t, step = frames - 1, -1
        one, two, begins = tl.minimum(lane + 1, LANES - 1), tl.minimum(lane + 2, LANES - 1), lane >= last - 1
        has_one, other = lane < last, _symbols(targets, lane + 2, last)
        has_two = (lane + 2 <= last) & (other != 0) & (other != symbol)
    else:
        t, step = frames * 0, 1
        one, two, begins = tl.maximum(lane - 1, 0), tl.maximum(lane - 2, 0), lane <= 1
        has_one = lane >= 1
        has_two = (lane >= 2) & (symbol != 0) & (symbol != _symbols(targets, lane - 2, last))
    values = tl.full((LANES,), float("-inf"), tl.float64)
    score = _scores(scores, t, symbol, frames, exists, V)
    score_1 = _scores(scores, t + step, symbol, frames, exists, V)
    for i in range(0, frames):
        score_2 = _scores(scores, t + 2 * step, symbol, frames, exists, V)
        by_one = tl.where(has_one, tl.gather(values, one, 0), float("-inf"))
        by_two = tl.where(has_two, tl.gather(values, two, 0), float("-inf"))
        reached = log_add(log_add(values, by_one), by_two)
        reached = tl.where(i == 0, tl.where(begins, 0.0, float("-inf")), reached)
        values = tl.where(exists, reached + score, float("-inf"))
        if BACKWARD:
            tl.store(out + t * positions + lane, reached, mask=exists)
        else:
            tl.store(out + t * positions + lane, values, mask=exists)
        t += step
        score, score_1 = score_1, score_2
    return values


@triton.jit(do_not_specialize=["frames", "longest"])
def _sweeps(  # type: ignore[no-untyped-def]
    scores, targets, input_lengths, target_lengths, totals, forward, backward, frames, longest, V: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0)
    own_frames = tl.load(input_lengths + b).to(tl.int32)
    own_labels = tl.load(target_lengths + b).to(tl.int32)
    known = (own_frames >= 1) & (own_frames <= frames) & (own_labels >= 0) & (own_labels <= longest)
    own_frames, own_labels = tl.where(known, own_frames, 1), tl.where(known, own_labels, 0)
    positions = 2 * longest + 1
    at = b.to(tl.int64) * frames
    scores += at * V
    targets += b * longest
    last = 2 * own_labels
    if tl.program_id(1) == 0:
        values = _sweep(scores, targets, forward + at * positions, own_frames, last, positions, V, False, LANES)
        lane = tl.arange(0, LANES)
        largest = tl.max(tl.where(lane == last, values, float("-inf")), 0)
        other = tl.max(tl.where(lane == last - 1, values, float("-inf")), 0)
        ends = (lane == last) | (lane == last - 1)
        broken = tl.sum(tl.where(ends & (values != values), 1, 0), 0) > 0  # a maximum does not see NaN
        total = tl.where(known & (broken == 0), log_add(largest, other), float("nan"))
        tl.store(totals + b, total)
    else:
        _sweep(scores, targets, backward + at * positions, own_frames, last, positions, V, True, LANES)


@triton.jit(do_not_specialize=["frames", "longest"])
def _occupation(  # type: ignore[no-untyped-def]
    targets, input_lengths, target_lengths, totals, forward, backward, grad, frames, longest, V: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    """Adds minus the share of all paths that emit each symbol in each frame."""
    b, t = tl.program_id(0), tl.program_id(1)
    if t >= tl.load(input_lengths + b):
        return
    total = tl.load(totals + b)
    if total == float("-inf"):
        return
    lane = tl.arange(0, LANES)
    last = 2 * tl.load(target_lengths + b).to(tl.int32)
    frame = b.to(tl.int64) * frames + t
    place = frame * (2 * longest + 1) + lane
    exists = (lane <= last) & (lane <= 2 * longest)
    here = tl.load(forward + place, mask=exists, other=float("-inf"))
    rest = tl.load(backward + place, mask=exists, other=float("-inf"))
    share = tl.where(exists, tl.exp((here + rest - total).to(tl.float32)), 0.0)
    symbol = _symbols(targets + b * longest, lane, tl.minimum(last, 2 * longest))
    out = grad + frame * V
    tl.store(out, -tl.sum(tl.where(lane % 2 == 0, share, 0.0), 0))
    tl.atomic_add(out + symbol, -share, mask=exists & (lane % 2 == 1))


def ctc_losses(
    log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor, *, wanted: bool = True
) -> tuple[Tensor, Tensor | None]:
    """-log of the summed probability of all paths of each utterance, and its gradient.

    Args:
        log_probs: (B, N, V) float32.
        targets: (B, S) integers, none of them 0 within the lengths.
        input_lengths: (B,) frames, at least 1.
        target_lengths: (B,) labels.
        wanted: whether the gradient is.

    Returns:
        (B,) losses, and the gradient (B, N, V) or None, float32. An utterance with too few frames for its labels has an
        infinite loss and no gradient, one whose lengths do not fit has NaN. Scores beyond the lengths are never looked
        at, and their gradient is 0.
    """
    log_probs, targets = log_probs.float().contiguous(), targets.contiguous()
    (batch, frames, symbols), longest = log_probs.shape, targets.shape[1]
    lanes = triton.next_power_of_2(2 * longest + 1) if longest else 2
    totals = torch.empty(batch, dtype=torch.float64, device=log_probs.device)
    forward = torch.empty(batch, frames, 2 * longest + 1, dtype=torch.float64, device=log_probs.device)
    backward = torch.empty_like(forward) if wanted else forward
    lengths = input_lengths.contiguous(), target_lengths.contiguous()
    sizes = {"V": symbols, "LANES": lanes, "num_warps": min(max(lanes // 64, 1), 16)}
    with on_device(log_probs):
        _sweeps[(batch, 1 + wanted)](log_probs, targets, *lengths, totals, forward, backward, frames, longest, **sizes)
        losses = -totals.float()
        if not wanted:
            return losses, None
        grad = torch.zeros_like(log_probs)
        _occupation[(batch, frames)](targets, *lengths, totals, forward, backward, grad, frames, longest, **sizes)
    return losses, grad
