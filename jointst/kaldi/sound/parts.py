"""A part of a recording, sample for sample, also where a container cannot be sought in exactly.

T samples, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jointst.kaldi.sound.reader import Sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_KEPT = 4
"""Blocks that are kept behind the last one, for parts that overlap."""


class _Cursor:
    """Goes forward through a recording, and begins again only for a part that lies far back."""

    def __init__(self, sound: Sound) -> None:
        self.sound = sound
        self._blocks = sound.blocks()
        self._kept: list[tuple[int, NDArray[np.float32]]] = []  # first sample, and (T, C)
        self._done = 0

    def holds(self, start: int) -> bool:
        """Whether a sample has not been passed."""
        return start >= (self._kept[0][0] if self._kept else self._done)

    def take(self, start: int, stop: int) -> Iterator[NDArray[np.float32]]:
        """Samples (T, C) from one up to another, in pieces."""
        for first, block in list(self._kept):
            if first < stop and first + len(block) > start:
                yield block[max(0, start - first) : stop - first]
        while self._done < stop:
            item = next(self._blocks, None)
            if item is None:
                return
            first, block = self._done, item[1]
            self._done += len(block)
            self._kept = [*self._kept[1 - _KEPT :], (first, block)]
            if self._done > start:
                yield block[max(0, start - first) : stop - first]


_open: list[_Cursor] = []
"""The one that this process used last: the segments of a recording most often follow each other."""


def take(sound: Sound, start: int, stop: int) -> Iterator[NDArray[np.float32]]:
    """Samples (T, C) of a recording from one up to another, in pieces."""
    if sound.measured().can_seek:
        for _, block in sound.blocks(start, stop):
            yield block
        return
    if not _open or _open[0].sound != sound or not _open[0].holds(start):
        _open[:] = [_Cursor(sound)]
    yield from _open[0].take(start, stop)
