"""Soft-DTW on the CPU (Cuturi and Blondel, arXiv 1703.01541, algorithms 1 and 2), with lengths and a band.

P problems, B utterances, N speech positions, M text positions. ``band`` is in text positions, -1 for none.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from jointst.ops.kernels.monotone import band_limits


@njit(cache=True, nogil=True)
def soft_minimum(a, b, c, gamma):  # type: ignore[no-untyped-def]
    """-gamma log(exp(-a / gamma) + exp(-b / gamma) + exp(-c / gamma)); inf if all three are."""
    lowest = min(a, min(b, c))
    if lowest == np.inf:
        return lowest
    total = math.exp((lowest - a) / gamma) + math.exp((lowest - b) / gamma) + math.exp((lowest - c) / gamma)
    return lowest - gamma * math.log(total)


@njit(cache=True, nogil=True)
def _forward(cost, value, gamma, band):  # type: ignore[no-untyped-def]
    frames, positions = cost.shape
    value[:, :] = np.inf
    for i in range(frames):
        first, end = band_limits(i, frames, positions, band)
        for j in range(first, end):
            both = value[i - 1, j - 1] if i > 0 and j > 0 else (0.0 if i == j else np.inf)
            speech = value[i - 1, j] if i > 0 else np.inf
            text = value[i, j - 1] if j > 0 else np.inf
            value[i, j] = cost[i, j] + soft_minimum(both, speech, text, gamma)
    return value[frames - 1, positions - 1]


@njit(cache=True, nogil=True, parallel=True)
def soft_dtw_forward(  # type: ignore[no-untyped-def]
    cost: NDArray[np.float32],
    speech_lengths: NDArray[np.int64],
    text_lengths: NDArray[np.int64],
    value: NDArray[np.float64],
    total: NDArray[np.float64],
    gamma: float,
    band: int,
):
    """Soft minima over all paths of the classic three moves.

    Args:
        cost: (P, N, M) float; entries outside the lengths are not read.
        speech_lengths: (B,).
        text_lengths: (B,).
        value: (P, N, M), written inside the lengths: the soft minimum over the paths that end at each pair.
        total: (P,), written: the value of the last pair; inf if there is no path.
        gamma: temperature, in units of cost.
        band: text positions.
    """
    for p in prange(cost.shape[0]):
        frames = speech_lengths[p % len(speech_lengths)]
        positions = text_lengths[p % len(text_lengths)]
        total[p] = _forward(cost[p, :frames, :positions], value[p, :frames, :positions], gamma, band)


@njit(cache=True, nogil=True)
def step_weight(value_here, value_next, cost_next, gamma):  # type: ignore[no-untyped-def]
    """Share of the paths through the next pair that come from here."""
    if value_next == np.inf or value_here == np.inf:
        return 0.0
    return math.exp((value_next - cost_next - value_here) / gamma)


@njit(cache=True, nogil=True)
def _backward(cost, value, upstream, weight, gamma):  # type: ignore[no-untyped-def]
    frames, positions = cost.shape
    for i in range(frames - 1, -1, -1):
        for j in range(positions - 1, -1, -1):
            here = value[i, j]
            mass = upstream if i == frames - 1 and j == positions - 1 else 0.0
            if i + 1 < frames:
                mass += weight[i + 1, j] * step_weight(here, value[i + 1, j], cost[i + 1, j], gamma)
            if j + 1 < positions:
                mass += weight[i, j + 1] * step_weight(here, value[i, j + 1], cost[i, j + 1], gamma)
            if i + 1 < frames and j + 1 < positions:
                both = step_weight(here, value[i + 1, j + 1], cost[i + 1, j + 1], gamma)
                mass += weight[i + 1, j + 1] * both
            weight[i, j] = mass


@njit(cache=True, nogil=True, parallel=True)
def soft_dtw_backward(  # type: ignore[no-untyped-def]
    cost: NDArray[np.float32],
    speech_lengths: NDArray[np.int64],
    text_lengths: NDArray[np.int64],
    value: NDArray[np.float64],
    upstream: NDArray[np.float64],
    weight: NDArray[np.float64],
    gamma: float,
):
    """The gradient of the totals with respect to the cost: the expected number of visits of each pair.

    Args:
        cost: (P, N, M), as in the forward pass.
        speech_lengths: (B,).
        text_lengths: (B,).
        value: (P, N, M), of the forward pass; not changed.
        upstream: (P,), gradient with respect to the totals.
        weight: (P, N, M), written inside the lengths.
        gamma: temperature, in units of cost.
    """
    for p in prange(cost.shape[0]):
        frames = speech_lengths[p % len(speech_lengths)]
        positions = text_lengths[p % len(text_lengths)]
        _backward(
            cost[p, :frames, :positions],
            value[p, :frames, :positions],
            upstream[p],
            weight[p, :frames, :positions],
            gamma,
        )
