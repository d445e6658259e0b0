"""Monotone alignments on GPUs: best, mas and dtw; arguments as in :mod:`.monotone`, then scratch arrays.

P problems, one block each; B utterances, N speech positions, M text positions.

``best`` and ``dtw`` run along anti-diagonals: thread t has frame ``start + t`` and at step s looks at position s - t,
for which thread t - 1 has just left its result in shared memory. The last thread's results go through global memory
to the next strip of frames. ``mas`` needs no value of its own row: its threads share the positions of a frame.
Lengths that do not fit give a NaN total.
"""

from __future__ import annotations

import math

from numba import cuda, float64

from jointst.ops.kernels.cuda_common import THREADS, band_limits, fits, least_step


@cuda.jit(cache=True)
def best_paths(  # type: ignore[no-untyped-def]
    cost, speech_lengths, text_lengths, index, total, pinned, band, fresh, edge
):
    """Scratch: fresh (P, N, M) uint8, whether the minimum fell at a position; edge (P, M) float64."""
    p, t = cuda.blockIdx.x, cuda.threadIdx.x
    frames = speech_lengths[p % speech_lengths.shape[0]]
    positions = text_lengths[p % text_lengths.shape[0]]
    if not fits(frames, positions, cost):
        if t == 0:
            total[p] = math.nan
        return
    handed = cuda.shared.array((2, THREADS), float64)
    for start in range(0, frames, cuda.blockDim.x):
        i = start + t
        rows = min(cuda.blockDim.x, frames - start)
        first, end = band_limits(i, frames, positions, band)
        if pinned and i == 0:
            end = min(end, 1)
        if pinned and i == frames - 1:
            first = max(first, positions - 1)
        low = math.inf
        for step in range(positions + rows - 1):
            j = step - t
            if t < rows and j >= 0 and j < positions:
                before = 0.0
                if t > 0:
                    before = handed[(step + 1) % 2, t - 1]
                elif i > 0:
                    before = edge[p, j]
                is_new = False
                if first <= j and j < end:
                    value = cost[p, i, j] + before
                    is_new = value < low
                    if is_new:
                        low = value
                fresh[p, i, j] = is_new
                handed[step % 2, t] = low
                if t == rows - 1:
                    edge[p, j] = low
            cuda.syncthreads()
    if t == 0:
        total[p] = edge[p, positions - 1]
        position = positions - 1
        for i in range(frames - 1, -1, -1):
            while position > 0 and not fresh[p, i, position]:
                position -= 1
            index[p, i] = position


@cuda.jit(cache=True)
def mas_paths(  # type: ignore[no-untyped-def]
    cost, speech_lengths, text_lengths, index, total, max_step, band, steps, lowest
):
    """Scratch: steps (P, N, M) int32; lowest (P, 2, M) float64, the least sums of this frame and the one before."""
    p, t = cuda.blockIdx.x, cuda.threadIdx.x
    frames = speech_lengths[p % speech_lengths.shape[0]]
    positions = text_lengths[p % text_lengths.shape[0]]
    if not fits(frames, positions, cost):
        if t == 0:
            total[p] = math.nan
        return
    longest = least_step(frames, positions, max_step)
    for i in range(frames):
        first, end = band_limits(i, frames, positions, band)
        first = max(first, positions - 1 - (frames - 1 - i) * longest)
        end = min(end, i * longest + 1)
        now, before = i % 2, (i + 1) % 2
        for j in range(t, positions, cuda.blockDim.x):
            value, step = math.inf, 0
            if first <= j and j < end:
                value = 0.0
                if i > 0:
                    value = lowest[p, before, j]
                    for s in range(1, min(longest, j) + 1):
                        if lowest[p, before, j - s] <= value:
                            value, step = lowest[p, before, j - s], s
                value += cost[p, i, j]
            lowest[p, now, j] = value
            steps[p, i, j] = step
        cuda.syncthreads()
    if t == 0:
        total[p] = lowest[p, (frames - 1) % 2, positions - 1]
        position = positions - 1
        for i in range(frames - 1, -1, -1):
            index[p, i] = position
            position -= steps[p, i, position]


@cuda.jit(cache=True)
def dtw_paths(  # type: ignore[no-untyped-def]
    cost, speech_lengths, text_lengths, first_index, index, total, band, moves, edge
):
    """Scratch: moves (P, N, M) uint8, 0 both, 1 text, 2 speech; edge (P, M) float64."""
    p, t = cuda.blockIdx.x, cuda.threadIdx.x
    frames = speech_lengths[p % speech_lengths.shape[0]]
    positions = text_lengths[p % text_lengths.shape[0]]
    if not fits(frames, positions, cost):
        if t == 0:
            total[p] = math.nan
        return
    handed = cuda.shared.array((2, THREADS), float64)
    for start in range(0, frames, cuda.blockDim.x):
        i = start + t
        rows = min(cuda.blockDim.x, frames - start)
        first, end = band_limits(i, frames, positions, band)
        text, both = math.inf, math.inf
        if i == 0:
            both = 0.0
        for step in range(positions + rows - 1):
            j = step - t
            if t < rows and j >= 0 and j < positions:
                speech = math.inf
                if t > 0:
                    speech = handed[(step + 1) % 2, t - 1]
                elif i > 0:
                    speech = edge[p, j]
                value, move = both, 0
                if text < value:
                    value, move = text, 1
                if speech < value:
                    value, move = speech, 2
                both = speech
                text = math.inf
                if first <= j and j < end:
                    text = cost[p, i, j] + value
                moves[p, i, j] = move
                handed[step % 2, t] = text
                if t == rows - 1:
                    edge[p, j] = text
            cuda.syncthreads()
    if t == 0:
        total[p] = edge[p, positions - 1]
        i, j = frames - 1, positions - 1
        index[p, i] = j
        while math.isfinite(total[p]) and (i > 0 or j > 0):
            move = moves[p, i, j]
            if move != 1:
                first_index[p, i] = j
                i -= 1
            if move != 2:
                j -= 1
            if move != 1:
                index[p, i] = j
        first_index[p, 0] = 0
