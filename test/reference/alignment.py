"""Slow, obvious alignments: by enumeration, and by the recurrences as the papers state them, in plain loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

Cost = NDArray[np.float64]
Path = list[tuple[int, int]]


def in_band(i: int, j: int, frames: int, positions: int, band: int | None) -> bool:
    """Whether pair (i, j) is within ``band`` text positions of the line from the first pair to the last."""
    return band is None or frames == 1 or abs(j - i * (positions - 1) / (frames - 1)) <= band + 1e-9


def banded(cost: Cost, band: int | None) -> Cost:
    """The cost with inf outside the band."""
    frames, positions = cost.shape
    allowed = [[in_band(i, j, frames, positions, band) for j in range(positions)] for i in range(frames)]
    return np.where(np.array(allowed), cost, np.inf)


def best_maps(frames: int, positions: int, pinned: bool = False) -> Iterator[tuple[int, ...]]:
    """Every monotone map of frames to positions."""
    for path in combinations_with_replacement(range(positions), frames):
        if not pinned or (path[0] == 0 and path[-1] == positions - 1):
            yield path


def mas_maps(frames: int, positions: int, max_step: int) -> Iterator[tuple[int, ...]]:
    """Every map from the first to the last position whose steps are 0 to ``max_step``."""
    for path in best_maps(frames, positions, pinned=True):
        if all(b - a <= max_step for a, b in zip(path, path[1:])):
            yield path


def dtw_paths(frames: int, positions: int) -> Iterator[Path]:
    """Every path of the three moves from corner to corner."""

    def extend(path: Path) -> Iterator[Path]:
        i, j = path[-1]
        if (i, j) == (frames - 1, positions - 1):
            yield path
        for k, m in ((i + 1, j + 1), (i, j + 1), (i + 1, j)):
            if k < frames and m < positions:
                yield from extend([*path, (k, m)])

    yield from extend([(0, 0)])


def lowest_map(cost: Cost, maps: Iterator[tuple[int, ...]]) -> tuple[list[int], float] | None:
    """The cheapest map; of equal ones the lowest, compared from the last frame backwards; None without any."""
    scored = [(sum(cost[i, j] for i, j in enumerate(path)), path[::-1]) for path in maps]
    finite = [item for item in scored if np.isfinite(item[0])]
    if not finite:
        return None
    total, backwards = min(finite)
    return list(backwards[::-1]), float(total)


def best_quadratic(cost: Cost) -> tuple[list[int], float]:
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


def mas_quadratic(cost: Cost, max_step: int) -> tuple[list[int], float]:
    """Q[i, j] = d(i, j) + min over s <= max_step of Q[i-1, j-s], from the first position to the last."""
    frames, positions = cost.shape
    table = np.full((frames, positions), np.inf)
    table[0, 0] = cost[0, 0]
    for i in range(1, frames):
        for j in range(positions):
            table[i, j] = cost[i, j] + min(table[i - 1, max(0, j - max_step) : j + 1])
    path = [positions - 1]
    for i in range(frames - 2, -1, -1):
        first = max(0, path[-1] - max_step)
        path.append(first + int(np.argmin(table[i, first : path[-1] + 1])))
    return path[::-1], float(table[-1, -1])


def dtw_quadratic(cost: Cost) -> tuple[Path, float]:
    """Classic DTW; of equal moves into a pair: both, then text alone, then speech alone."""
    frames, positions = cost.shape
    table = np.full((frames + 1, positions + 1), np.inf)
    table[0, 0] = 0.0
    for i in range(frames):
        for j in range(positions):
            table[i + 1, j + 1] = cost[i, j] + min(table[i, j], table[i + 1, j], table[i, j + 1])
    i, j = frames - 1, positions - 1
    path = [(i, j)]
    while (i, j) != (0, 0):
        moves = ((i - 1, j - 1), (i, j - 1), (i - 1, j))
        i, j = moves[int(np.argmin([table[k + 1, m + 1] if min(k, m) >= 0 else np.inf for k, m in moves]))]
        path.append((i, j))
    return path[::-1], float(table[-1, -1])


def soft_dtw_by_enumeration(cost: Cost, gamma: float) -> tuple[float, Cost]:
    """-gamma log of the sum over all paths of exp(-cost / gamma), and the expected visits of each pair."""
    paths = list(dtw_paths(*cost.shape))
    totals = np.array([sum(cost[i, j] for i, j in path) for path in paths])
    shares = np.exp(-(totals - totals.min()) / gamma)
    visits = np.zeros(cost.shape)
    for path, share in zip(paths, shares / shares.sum(), strict=True):
        for i, j in path:
            visits[i, j] += share
    return float(totals.min() - gamma * np.log(shares.sum())), visits


def sinkhorn_plain(kernel: Cost, iterations: int) -> Cost:
    """Scale the rows of a positive kernel (N, M) to 1 and its columns to N / M in turn, rows last."""
    frames, positions = kernel.shape
    column = np.ones(positions)
    for _ in range(iterations):
        row = 1 / (kernel @ column)
        column = (frames / positions) / (kernel.T @ row)
    plan = kernel * column
    return plan / plan.sum(1, keepdims=True)


def numerical_gradient(function: Callable[[Cost], float], at: Cost, step: float = 1e-6) -> Cost:
    """Central differences."""
    gradient = np.zeros_like(at)
    for place in np.ndindex(*at.shape):
        moved = at.copy()
        moved[place] += step
        above = function(moved)
        moved[place] -= 2 * step
        gradient[place] = (above - function(moved)) / (2 * step)
    return gradient
