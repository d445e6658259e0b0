"""All paths of a transducer lattice, or of a band of it, forward and backward, on a GPU.

B batch, T frames, S places kept for each frame, U labels, n diagonals. Place s of frame t stands for
u = ``starts[b, t] + s`` labels emitted; a label leads from (t, u) to (t, u+1), a blank from (t, u) to (t+1, u), and a
path ends with the blank of (T_b - 1, U_b). What lies on a diagonal n = t + u depends on the diagonal before alone, so
a program goes through an utterance in T_b + U_b steps, one lane for each u; forward and backward run side by side.

Sums are float64; log(1 + exp(-gap)), which is at most 0.7, is float32: that is fast, and right to 1e-7 of a weight.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from jointst.ops.kernels.triton.common import on_device


@triton.jit
def log_add(a, b):  # type: ignore[no-untyped-def]
    """log(exp(a) + exp(b)) of float64; NaN if one of them is."""
    high = tl.maximum(a, b)
    gap = tl.exp(-tl.abs(a - b).to(tl.float32))
    more = tl.where(gap < 1e-3, gap * (1.0 - 0.5 * gap), tl.log(1.0 + gap))
    return tl.where(high == float("-inf"), a + b, high + more.to(tl.float64))


@triton.jit
def _start(starts, t, mask, BANDED: tl.constexpr):  # type: ignore[no-untyped-def]
    if BANDED:
        return tl.load(starts + t, mask=mask, other=0).to(tl.int32)
    else:
        return t * 0


@triton.jit
def _steps(  # type: ignore[no-untyped-def]
    blank, label, starts, n, u, frames, labels, width, BANDED: tl.constexpr, BACKWARD: tl.constexpr
):
    """Of diagonal n: where it lies in the band, its places (t, s), and the scores of the blank and the label that lead
    to each place (backward: from it), -inf where there is none."""
    t = n - u
    here = (t >= 0) & (t < frames) & (u <= labels)
    s = u - _start(starts, t, here, BANDED)
    inside = here & (s >= 0) & (s < width)
    if BACKWARD:
        by_blank = tl.load(blank + t * width + s, mask=inside, other=float("-inf"))
        has_label = inside & (u < labels) & (s + 1 < width)
        by_label = tl.load(label + t * (width - 1) + s, mask=has_label, other=float("-inf"))
    else:
        before = here & (t > 0)
        s_before = u - _start(starts, t - 1, before, BANDED)
        has_blank = before & (s_before >= 0) & (s_before < width)
        by_blank = tl.load(blank + (t - 1) * width + s_before, mask=has_blank, other=float("-inf"))
        by_label = tl.load(label + t * (width - 1) + s - 1, mask=inside & (s > 0), other=float("-inf"))
    return inside, t * width + s, by_blank.to(tl.float64), by_label.to(tl.float64)


@triton.jit
def _sweep(  # type: ignore[no-untyped-def]
    blank, label, starts, out, frames, labels, width, BANDED: tl.constexpr, BACKWARD: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    """Writes to out (T, S) the log probability of getting to each place (backward: of the rest from it), and returns
    that of the last diagonal's. Scores are read two diagonals ahead, since the GPU takes long to fetch them."""
    u = tl.arange(0, LANES)
    last = frames - 1 + labels
    if BACKWARD:
        n, step, neighbour, origin = last, -1, tl.minimum(u + 1, LANES - 1), u == labels
    else:
        n, step, neighbour, origin = last * 0, 1, tl.maximum(u - 1, 0), u == 0
    values = tl.full((LANES,), float("-inf"), tl.float64)
    inside, place, by_blank, by_label = _steps(blank, label, starts, n, u, frames, labels, width, BANDED, BACKWARD)
    inside_1, place_1, by_blank_1, by_label_1 = _steps(
        blank, label, starts, n + step, u, frames, labels, width, BANDED, BACKWARD
    )
    for i in range(0, last + 1):
        inside_2, place_2, by_blank_2, by_label_2 = _steps(
            blank, label, starts, n + 2 * step, u, frames, labels, width, BANDED, BACKWARD
        )
        sum_of_both = log_add(values + by_blank, tl.gather(values, neighbour, 0) + by_label)
        first = tl.where(by_blank == float("-inf"), 0.0, by_blank) if BACKWARD else tl.zeros((LANES,), tl.float64)
        values = tl.where((i == 0) & origin, first, sum_of_both)
        values = tl.where(inside, values, float("-inf"))
        tl.store(out + place, values, mask=inside)
        n += step
        inside, place, by_blank, by_label = inside_1, place_1, by_blank_1, by_label_1
        inside_1, place_1, by_blank_1, by_label_1 = inside_2, place_2, by_blank_2, by_label_2
    return values


@triton.jit(do_not_specialize=["frames", "width"])
def _sweeps(  # type: ignore[no-untyped-def]
    blank, label, logit_lengths, target_lengths, starts, totals, losses, forward, backward, frames, width,
    BANDED: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0)
    own_frames = tl.load(logit_lengths + b).to(tl.int32)
    own_labels = tl.load(target_lengths + b).to(tl.int32)
    known = (own_frames >= 1) & (own_frames <= frames) & (own_labels >= 0) & (own_labels < LANES)
    own_frames, own_labels = tl.where(known, own_frames, 1), tl.where(known, own_labels, 0)
    at = b.to(tl.int64) * frames
    blank += at * width
    label += at * (width - 1)
    starts += at
    if tl.program_id(1) == 0:
        values = _sweep(blank, label, starts, forward + at * width, own_frames, own_labels, width, BANDED, False, LANES)
        s = own_labels
        if BANDED:
            s -= tl.load(starts + own_frames - 1).to(tl.int32)
        ends = (s >= 0) & (s < width)
        total = tl.sum(tl.where(tl.arange(0, LANES) == own_labels, values, 0.0), 0)
        total += tl.load(blank + (own_frames - 1) * width + s, mask=ends, other=0.0).to(tl.float64)
        total = tl.where(known, total, float("nan"))  # lengths that do not fit: the host has not looked at them
        tl.store(totals + b, total)
        tl.store(losses + b, -total.to(tl.float32))
    else:
        _sweep(blank, label, starts, backward + at * width, own_frames, own_labels, width, BANDED, True, LANES)


@triton.jit(do_not_specialize=["frames", "width"])
def _occupation(  # type: ignore[no-untyped-def]
    blank, label, logit_lengths, target_lengths, starts, totals, forward, backward, grad_blank, grad_label, frames,
    width, BANDED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Minus the share of all paths that takes each step; 0 outside the lengths and where there is no path at all."""
    b = tl.program_id(0)
    row = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    t, s = row // width, row % width
    own_frames, own_labels = tl.load(logit_lengths + b), tl.load(target_lengths + b)
    at = b.to(tl.int64) * frames
    starts += at
    u = s + _start(starts, t, t < frames, BANDED)
    total = tl.load(totals + b)
    no_path = total == float("-inf")
    valid = (t < own_frames) & (t < frames) & (u <= own_labels) & (no_path == 0)
    place = at * width + row
    here = tl.load(forward + place, mask=valid, other=0.0) - total
    s_next = u - _start(starts, t + 1, t + 1 < frames, BANDED)
    has_next = valid & (t + 1 < own_frames) & (s_next >= 0) & (s_next < width)
    rest = tl.load(backward + (at + t + 1) * width + s_next, mask=has_next, other=float("-inf"))
    rest = tl.where((t + 1 == own_frames) & (u == own_labels), 0.0, rest)
    score = tl.load(blank + place, mask=valid, other=0.0).to(tl.float64)
    share = tl.exp((here + score + rest).to(tl.float32))
    tl.store(grad_blank + place, tl.where(valid, -share, 0.0), mask=t < frames)
    has_label = valid & (u < own_labels) & (s + 1 < width)
    to_label = (at + t) * (width - 1) + s
    rest = tl.load(backward + place + 1, mask=has_label, other=float("-inf"))
    score = tl.load(label + to_label, mask=has_label, other=0.0).to(tl.float64)
    share = tl.exp((here + score + rest).to(tl.float32))
    tl.store(grad_label + to_label, tl.where(has_label, -share, 0.0), mask=(t < frames) & (s + 1 < width))


def lattice_losses(
    log_blank: Tensor,
    log_label: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    starts: Tensor | None = None,
    states: int | None = None,
    *,
    wanted: bool = True,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """-log of the summed probability of all paths of each utterance, and its gradients.

    Args:
        log_blank: (B, T, S) float32.
        log_label: (B, T, S-1) float32.
        logit_lengths: (B,) frames, at least 1.
        target_lengths: (B,) labels.
        starts: (B, T) labels emitted at place 0 of each frame, never falling with time.
        states: the most labels of an utterance, plus 1; needed with starts, otherwise S.
        wanted: whether gradients are.

    Returns:
        (B,) losses, and the gradients of both scores or None, all float32. An utterance without a path in the band has
        an infinite loss and no gradient, one whose lengths do not fit has NaN. Scores beyond the lengths are never
        looked at, and their gradient is 0.
    """
    assert (starts is None) == (states is None)
    log_blank, log_label = log_blank.float().contiguous(), log_label.float().contiguous()
    batch, frames, width = log_blank.shape
    lanes = triton.next_power_of_2(max(states or width, 2))
    totals = torch.empty(batch, dtype=torch.float64, device=log_blank.device)
    losses = log_blank.new_empty(batch)
    forward = torch.empty(log_blank.shape, dtype=torch.float64, device=log_blank.device)
    backward = torch.empty_like(forward) if wanted else forward
    bands = totals if starts is None else starts.contiguous()
    inputs = log_blank, log_label, logit_lengths.contiguous(), target_lengths.contiguous(), bands
    banded, block = starts is not None, 256
    with on_device(log_blank):
        _sweeps[(batch, 1 + wanted)](
            *inputs, totals, losses, forward, backward, frames, width, BANDED=banded, LANES=lanes,
            num_warps=min(max(lanes // 64, 1), 16),
        )  # fmt: skip
        if not wanted:
            return losses, None, None
        gradients = torch.empty_like(log_blank), torch.empty_like(log_label)
        _occupation[(batch, triton.cdiv(frames * width, block))](
            *inputs, totals, forward, backward, *gradients, frames, width, BANDED=banded, BLOCK=block,
        )  # fmt: skip
    return losses, *gradients
