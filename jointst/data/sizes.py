"""What utterances cost: arrays in memory, or what a store on disk says when it is asked.

N utterances.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class SizeTable(Protocol):
    """What each of N utterances costs, wherever that is kept."""

    def __len__(self) -> int: ...

    def take(self, indices: NDArray[np.int64]) -> Sizes:
        """What the utterances at ``indices`` cost, in their order."""

    @property
    def longest(self) -> int:
        """The most positions that one has."""

    @property
    def lattice(self) -> int:
        """The most places that a lattice of one has: encoder positions times labels and one."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What each of N utterances costs, in memory.

    Attributes:
        positions: (N,) int64, frames of speech, or phones of text.
        encoded: (N,) int64, encoder positions.
        labels: (N,) int64.
    """

    positions: NDArray[np.int64]
    encoded: NDArray[np.int64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, indices: NDArray[np.int64]) -> Sizes:
        """Those at ``indices``."""
        return Sizes(positions=self.positions[indices], encoded=self.encoded[indices], labels=self.labels[indices])

    @property
    def longest(self) -> int:
        """The most positions that one has."""
        return int(self.positions.max())

    @property
    def lattice(self) -> int:
        """The most places that a lattice of one has."""
        return int(self.lattices.max())

    @property
    def states(self) -> NDArray[np.int64]:
        """(N,), labels and one."""
        return self.labels + 1

    @property
    def lattices(self) -> NDArray[np.int64]:
        """(N,), places of the lattice of each."""
        return self.encoded * self.states
