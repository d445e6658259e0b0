"""Soft-DTW on GPUs: arguments as in :mod:`.soft_dtw`, threads as in :mod:`.monotone_cuda`.

P problems, one block each; B utterances, N speech positions, M text positions. What the last thread of a strip leaves
for the next strip is in the results themselves. Lengths that do not fit give a NaN total and no weights.
"""

from __future__ import annotations

import math

from numba import cuda, float64

from jointst.ops.kernels.cuda_common import THREADS, band_limits, fits, soft_minimum, step_weight


@cuda.jit(cache=True)
def soft_dtw_forward(cost, speech_lengths, text_lengths, value, total, gamma, band):  # type: ignore[no-untyped-def]
    """Soft minima over the paths that end at each pair."""
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
                    speech = value[p, i - 1, j]
                here = math.inf
                if first <= j and j < end:
                    here = float64(cost[p, i, j]) + soft_minimum(both, speech, text, gamma)
                value[p, i, j] = here
                handed[step % 2, t] = here
                both, text = speech, here
            cuda.syncthreads()
    if t == 0:
        total[p] = value[p, frames - 1, positions - 1]


@cuda.jit(cache=True)
def soft_dtw_backward(  # type: ignore[no-untyped-def]
    cost, speech_lengths, text_lengths, value, upstream, weight, gamma
):
    """Expected visits of each pair, from the last pair to the first: thread t has frame N - 1 - start - t."""
    p, t = cuda.blockIdx.x, cuda.threadIdx.x
    frames = speech_lengths[p % speech_lengths.shape[0]]
    positions = text_lengths[p % text_lengths.shape[0]]
    if not fits(frames, positions, cost):
        return
    handed = cuda.shared.array((2, THREADS), float64)
    for start in range(0, frames, cuda.blockDim.x):
        i = frames - 1 - start - t
        rows = min(cuda.blockDim.x, frames - start)
        text, both = 0.0, 0.0  # weights of (i, j + 1) and of (i + 1, j + 1)
        for step in range(positions + rows - 1):
            j = positions - 1 - (step - t)
            if t < rows and j >= 0 and j < positions:
                here = value[p, i, j]
                mass = 0.0
                speech = 0.0
                if i == frames - 1 and j == positions - 1:
                    mass = upstream[p]
                if i + 1 < frames:
                    if t > 0:
                        speech = handed[(step + 1) % 2, t - 1]
                    else:
                        speech = weight[p, i + 1, j]
                    mass += speech * step_weight(here, value[p, i + 1, j], cost[p, i + 1, j], gamma)
                if j + 1 < positions:
                    mass += text * step_weight(here, value[p, i, j + 1], cost[p, i, j + 1], gamma)
                    if i + 1 < frames:
                        mass += both * step_weight(here, value[p, i + 1, j + 1], cost[p, i + 1, j + 1], gamma)
                weight[p, i, j] = mass
                handed[step % 2, t] = mass
                both, text = speech, mass
            cuda.syncthreads()
