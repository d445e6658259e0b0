"""Slow, obvious alignments: by enumeration, and by the quadratic recurrence as the paper states it."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray


def best_by_enumeration(cost: NDArray[np.float64]) -> tuple[list[int], float]:
    """Every monotone map of N frames to M positions, the first of the cheapest in lexicographic order."""
    frames, positions = cost.shape
    candidates = combinations_with_replacement(range(positions), frames)
    scored = [(sum(cost[i, j] for i, j in enumerate(path)), path) for path in candidates]
    lowest = min(total for total, _ in scored)
    return list(min(path for total, path in scored if total == lowest)), lowest


def best_quadratic(cost: NDArray[np.float64]) -> tuple[list[int], float]:
    """D[i, j] = d(i, j) + min over k <= j of D[i-1, k], in O(N M^2); ties to the lowest position, from the end."""
    frames, positions = cost.shape
    table = np.zeros((frames, positions))
    table[0] = cost[0]
    for i in range(1, frames):
        for j in range(positions):
            table[i, j] = cost[i, j] + min(table[i - 1, k] for k in range(j + 1))
    path = [int(np.argmin(table[-1]))]
    for i in range(frames - 2, -1, -1):
        path.append(int(np.argmin(table[i, : path[-1] + 1])))
    return path[::-1], float(table[-1].min())
