"""A random order of a great many things that is computed for each place, and never kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ROUNDS = 6
"""Of the network; four are enough for a pseudorandom permutation (Luby and Rackoff, 1988), these are weaker ones."""
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_SHIFTS = (30, 27, 31)
"""Constants of splitmix64 (Steele, Lea and Flood, 2014), whose steps mix the bits of a half."""


class Permutation:
    """A permutation of 0 ... count - 1: a Feistel network over the next power of four, walked along its cycles.

    A network permutes a range whose size is a power of four. Where it leads out of 0 ... count - 1 it is applied again,
    until it leads back; since the range is less than four times too large, that is soon.

    Args:
        count: of the things, at least 1.
        key: whole numbers from 0, on which alone the permutation depends.
    """

    def __init__(self, count: int, key: Sequence[int]) -> None:
        self._count = np.uint64(count)
        half = max(1, ((count - 1).bit_length() + 1) // 2)
        self._half, self._mask = np.uint64(half), np.uint64((1 << half) - 1)
        self._keys = np.random.SeedSequence(tuple(key)).generate_state(ROUNDS, np.uint64)

    def __call__(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """What stands at some places, (N,) from (N,)."""
        found = self._network(places.astype(np.uint64))
        outside = found >= self._count
        while outside.any():
            found[outside] = self._network(found[outside])
            outside = found >= self._count
        return found.astype(np.int64)

    def _network(self, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = values >> self._half, values & self._mask
        for key in self._keys:
            left, right = right, left ^ (_mixed(right ^ key) & self._mask)
        found: NDArray[np.uint64] = left << self._half | right
        return found


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Numbers each of whose bits depends on all bits of the given ones."""
    for shift, factor in zip(_SHIFTS, (*_FACTORS, 1), strict=True):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values
