"""Dynamic programs in numba: arrays and integers in, arrays out; no torch.

B batch, N speech positions, M text positions.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _best_path(cost, index):  # type: ignore[no-untyped-def]
    """One utterance: cost (N, M), index (N,) is written; returns the summed cost."""
    frames, positions = cost.shape
    # lowest[j] = min over k <= j of the best sum ending at position k, which is what the next frame may follow.
    lowest = np.zeros(positions, dtype=np.float64)
    is_new_lowest = np.empty((frames, positions), dtype=np.bool_)
    for i in range(frames):
        running = np.inf
        for j in range(positions):
            total = cost[i, j] + lowest[j]
            better = total < running
            is_new_lowest[i, j] = better
            running = total if better else running
            lowest[j] = running
    position = positions - 1
    for i in range(frames - 1, -1, -1):
        while not is_new_lowest[i, position]:
            position -= 1
        index[i] = position
    return lowest[positions - 1]


@njit(cache=True, nogil=True, parallel=True)
def best_paths(  # type: ignore[no-untyped-def]
    cost: NDArray[np.float32], speech_lengths: NDArray[np.int64], text_lengths: NDArray[np.int64], index, total
):
    """Best monotone alignments of a batch, O(N M) each; ties go to the lowest position.

    Args:
        cost: (B, N, M) float; entries outside the lengths are not read.
        speech_lengths: (B,) int64.
        text_lengths: (B,) int64.
        index: (B, N) int64, written up to each speech length.
        total: (B,) float64, written.
    """
    for b in prange(cost.shape[0]):
        frames, positions = speech_lengths[b], text_lengths[b]
        total[b] = _best_path(cost[b, :frames, :positions], index[b, :frames])
