"""Many sequences of whole numbers in one array, in memory or in a file that is mapped into it.

N sequences.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Sequences:
    """Sequences of ids: a list of tensors would take ten times the memory.

    Args:
        ids: of all of them, one behind the other; of any whole type.
        ends: (N + 1,) int64, 0 and where each ends.
    """

    def __init__(self, ids: NDArray[np.integer[Any]], ends: NDArray[np.int64]) -> None:
        self._ids = ids
        self._ends = ends

    @classmethod
    def of(cls, sequences: Iterable[Sequence[int]]) -> Sequences:
        """Sequences in memory, as 32-bit numbers."""
        ids, ends = array("i"), array("q", [0])
        for sequence in sequences:
            ids.extend(sequence)
            ends.append(len(ids))
        held = np.frombuffer(ids, dtype=np.int32) if ids else np.empty(0, dtype=np.int32)
        return cls(held, np.frombuffer(ends, dtype=np.int64))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, i: int) -> Tensor:
        """Sequence ``i``, (length,) int64."""
        return torch.from_numpy(self.raw(i).astype(np.int64))

    def raw(self, i: int) -> NDArray[np.integer[Any]]:
        """Sequence ``i``, (length,), as it is kept."""
        return self._ids[self._ends[i] : self._ends[i + 1]]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each, (N,)."""
        return np.diff(self._ends)

    def lengths_at(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Length of those at ``indices``."""
        found: NDArray[np.int64] = self._ends[indices + 1] - self._ends[indices]
        return found
