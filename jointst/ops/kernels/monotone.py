"""Monotone alignments on the CPU: best, mas and dtw.

P problems, B utterances, N speech positions, M text positions. ``band`` is in text positions, -1 for none; a total
that is not finite says that there is no valid path.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def band_limits(i, frames, positions, band):  # type: ignore[no-untyped-def]
    """First position within ``band`` of the diagonal at frame i, and one after the last."""
    if band < 0 or frames == 1:
        return 0, positions
    diagonal = i * (positions - 1)
    first = -(-diagonal // (frames - 1)) - band
    last = diagonal // (frames - 1) + band
    return max(0, first), min(positions, last + 1)


@njit(cache=True, nogil=True)
def _walk_back(fresh, position, index):  # type: ignore[no-untyped-def]
    """From the last frame's highest allowed position, the nearest place at or before it where the minimum fell."""
    for i in range(len(index) - 1, -1, -1):
        while position > 0 and not fresh[i, position]:
            position -= 1
        index[i] = position


@njit(cache=True, nogil=True)
def _best_free(cost, index):  # type: ignore[no-untyped-def]
    """cost (N, M), index (N,) is written; returns the total. Four rows at a time, or each row's minimum would wait
    for the last one's: a third faster."""
    frames, positions = cost.shape
    # lowest[j]: the least sum that ends at or before position j, which is what the next frame may follow.
    lowest = np.zeros(positions, dtype=np.float64)
    fresh = np.empty((frames, positions), dtype=np.bool_)
    whole = frames - frames % 4
    for i in range(0, whole, 4):
        cost0, cost1, cost2, cost3 = cost[i], cost[i + 1], cost[i + 2], cost[i + 3]
        fresh0, fresh1, fresh2, fresh3 = fresh[i], fresh[i + 1], fresh[i + 2], fresh[i + 3]
        low0 = low1 = low2 = low3 = np.inf
        for j in range(positions):
            total = cost0[j] + lowest[j]
            fresh0[j] = total < low0
            low0 = total if total < low0 else low0
            total = cost1[j] + low0
            fresh1[j] = total < low1
            low1 = total if total < low1 else low1
            total = cost2[j] + low1
            fresh2[j] = total < low2
            low2 = total if total < low2 else low2
            total = cost3[j] + low2
            fresh3[j] = total < low3
            low3 = total if total < low3 else low3
            lowest[j] = low3
    for i in range(whole, frames):
        low = np.inf
        for j in range(positions):
            total = cost[i, j] + lowest[j]
            fresh[i, j] = total < low
            low = total if total < low else low
            lowest[j] = low
    _walk_back(fresh, positions - 1, index)
    return lowest[positions - 1]


@njit(cache=True, nogil=True)
def _best_bounded(cost, index, pinned, band):  # type: ignore[no-untyped-def]
    """The same inside a band, or with the first frame at the first position and the last at the last."""
    frames, positions = cost.shape
    lowest = np.zeros(positions, dtype=np.float64)
    fresh = np.zeros((frames, positions), dtype=np.bool_)
    for i in range(frames):
        first, end = band_limits(i, frames, positions, band)
        if pinned and i == 0:
            end = min(end, 1)
        if pinned and i == frames - 1:
            first = max(first, positions - 1)
        low = np.inf
        for j in range(first, end):
            total = cost[i, j] + lowest[j]
            fresh[i, j] = total < low
            low = total if total < low else low
            lowest[j] = low
        lowest[:first] = np.inf
        lowest[end:] = low
    _walk_back(fresh, positions - 1, index)
    return lowest[positions - 1]


@njit(cache=True, nogil=True, parallel=True)
def best_paths(  # type: ignore[no-untyped-def]
    cost: NDArray[np.float32],
    speech_lengths: NDArray[np.int64],
    text_lengths: NDArray[np.int64],
    index: NDArray[np.int64],
    total: NDArray[np.float64],
    pinned: bool,
    band: int,
):
    """Least monotone maps of frames to positions, O(N M); ties go to the lowest position.

    Args:
        cost: (P, N, M) float; entries outside the lengths are not read.
        speech_lengths: (B,).
        text_lengths: (B,).
        index: (P, N), written up to each speech length.
        total: (P,), written.
        pinned: the first frame takes the first position and the last the last; otherwise both ends are free.
        band: text positions.
    """
    for p in prange(cost.shape[0]):
        frames = speech_lengths[p % len(speech_lengths)]
        positions = text_lengths[p % len(text_lengths)]
        if pinned or band >= 0:
            total[p] = _best_bounded(cost[p, :frames, :positions], index[p, :frames], pinned, band)
        else:
            total[p] = _best_free(cost[p, :frames, :positions], index[p, :frames])


@njit(cache=True, nogil=True)
def least_step(frames, positions, max_step):  # type: ignore[no-untyped-def]
    """The longest step of ``mas``: ``max_step``, or for 0 the least with which this utterance has a path."""
    if max_step > 0 or frames == 1:
        return max_step
    return max(1, -(-(positions - 1) // (frames - 1)))


@njit(cache=True, nogil=True)
def _mas_row(cost, before, now, steps, longest):  # type: ignore[no-untyped-def]
    """One frame: cost, now and steps of the allowed positions; before of those and of ``longest`` in front of them."""
    for j in range(len(now)):
        lowest, step = before[j + longest], 0
        for s in range(1, longest + 1):
            # <= and not <: of equal predecessors the lowest position.
            if before[j + longest - s] <= lowest:
                lowest, step = before[j + longest - s], s
        now[j] = cost[j] + lowest
        steps[j] = step


@njit(cache=True, nogil=True)
def _mas(cost, index, max_step, band):  # type: ignore[no-untyped-def]
    frames, positions = cost.shape
    longest = least_step(frames, positions, max_step)
    # Least sums by position, after ``longest`` places that no path can come from.
    before = np.full(longest + positions, np.inf, dtype=np.float64)
    now = np.full(longest + positions, np.inf, dtype=np.float64)
    steps = np.zeros((frames, positions), dtype=np.int32)
    before[longest] = 0.0
    for i in range(frames):
        first, end = band_limits(i, frames, positions, band)
        first = max(first, positions - 1 - (frames - 1 - i) * longest)
        end = max(first, min(end, i * longest + 1))
        now[:] = np.inf
        row = now[longest + first : longest + end]
        if longest == 1:  # said with a constant, so that it compiles to vector instructions
            _mas_row(cost[i, first:end], before[first : 1 + end], row, steps[i, first:end], 1)
        else:
            _mas_row(cost[i, first:end], before[first : longest + end], row, steps[i, first:end], longest)
        if i == 0:
            steps[0] = 0
        before, now = now, before
    position = positions - 1
    for i in range(frames - 1, -1, -1):
        index[i] = position
        position -= steps[i, position]
    return before[longest + positions - 1]


@njit(cache=True, nogil=True, parallel=True)
def mas_paths(  # type: ignore[no-untyped-def]
    cost: NDArray[np.float32],
    speech_lengths: NDArray[np.int64],
    text_lengths: NDArray[np.int64],
    index: NDArray[np.int64],
    total: NDArray[np.float64],
    max_step: int,
    band: int,
):
    """Least maps from the first position to the last, each frame 0 to ``max_step`` further, O(N M max_step).

    Args:
        cost: (P, N, M) float; entries outside the lengths are not read.
        speech_lengths: (B,).
        text_lengths: (B,).
        index: (P, N), written up to each speech length.
        total: (P,), written.
        max_step: text positions; 0 for the least with which an utterance has a path.
        band: text positions.
    """
    for p in prange(cost.shape[0]):
        frames = speech_lengths[p % len(speech_lengths)]
        positions = text_lengths[p % len(text_lengths)]
        total[p] = _mas(cost[p, :frames, :positions], index[p, :frames], max_step, band)


@njit(cache=True, nogil=True)
def _dtw(cost, first_index, index, band):  # type: ignore[no-untyped-def]
    frames, positions = cost.shape
    lowest = np.full(positions + 1, np.inf, dtype=np.float64)  # of the frame before, one place to the right
    lowest[0] = 0.0
    moves = np.zeros((frames, positions), dtype=np.uint8)  # 0 both advance, 1 text advances, 2 speech advances
    for i in range(frames):
        first, end = band_limits(i, frames, positions, band)
        left, both = np.inf, lowest[first]
        lowest[: first + 1] = np.inf
        for j in range(first, end):
            speech = lowest[j + 1]
            total, move = both, 0
            if left < total:
                total, move = left, 1
            if speech < total:
                total, move = speech, 2
            moves[i, j] = move
            both = speech
            left = cost[i, j] + total
            lowest[j + 1] = left
        lowest[end + 1 :] = np.inf
    total = lowest[positions]
    i, j = frames - 1, positions - 1
    index[i] = j
    while np.isfinite(total) and (i > 0 or j > 0):
        move = moves[i, j]
        if move != 1:
            first_index[i] = j
            i -= 1
        if move != 2:
            j -= 1
        if move != 1:
            index[i] = j
    first_index[0] = 0
    return total


@njit(cache=True, nogil=True, parallel=True)
def dtw_paths(  # type: ignore[no-untyped-def]
    cost: NDArray[np.float32],
    speech_lengths: NDArray[np.int64],
    text_lengths: NDArray[np.int64],
    first_index: NDArray[np.int64],
    index: NDArray[np.int64],
    total: NDArray[np.float64],
    band: int,
):
    """Least paths of the classic three moves from corner to corner: frame i takes first_index[i] to index[i].

    Of equal moves into a pair: both sides advance, then text alone, then speech alone.

    Args:
        cost: (P, N, M) float; entries outside the lengths are not read.
        speech_lengths: (B,).
        text_lengths: (B,).
        first_index: (P, N), written up to each speech length.
        index: (P, N), written up to each speech length.
        total: (P,), written.
        band: text positions.
    """
    for p in prange(cost.shape[0]):
        frames = speech_lengths[p % len(speech_lengths)]
        positions = text_lengths[p % len(text_lengths)]
        total[p] = _dtw(cost[p, :frames, :positions], first_index[p, :frames], index[p, :frames], band)
