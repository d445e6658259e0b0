"""Batches of utterances of like length, bounded in memory, the same on every run.

One class serves paired speech and text, in memory or on disk. A batch is a pure function of (seed, number), where the
batches of all processes are numbered in one row; :class:`Turns` says which of them a process takes at a step. So the
state of a sampler is one integer, resuming gives the very batches an unbroken run would have seen, and it may be
resumed by another number of processes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jointst.common.errors import DataError
from jointst.config import BatchConfig
from jointst.data.sizes import SizeTable
from jointst.data.windows import WINDOW, Group, Windows
from jointst.ops.kernels.cut import cut

JITTER = 0.15
"""Share by which lengths are made longer or shorter for the order of an epoch, anew in each."""
KEPT = 2
"""Windows whose batches are kept: some batches are looked at ahead of their turn."""


@dataclass(frozen=True, kw_only=True)
class Turns:
    """Which batches a process takes: processes take turns, also where there were others before.

    Attributes:
        rank: this process among ``world``.
        world: number of processes.
        first: the step, of each process, with which there came to be so many.
        used: batches that were used up by then, by all processes.
    """

    rank: int = 0
    world: int = 1
    first: int = 0
    used: int = 0

    def number(self, step: int) -> int:
        """The number, among the batches of all processes, of this one's at a step."""
        return self.used_by(step) + self.rank

    def used_by(self, step: int) -> int:
        """Batches that all processes together have used up before a step."""
        return self.used + (step - self.first) * self.world


class BucketSampler:
    """Length-bucketed batches.

    Args:
        names: utterance ids, for messages.
        sizes: of each utterance.
        bounds: of a padded batch.
        seed: of the order.
        groups: the utterances of each language, for ``temperature``.
        temperature: an epoch has as many utterances as there are, of a language with n of them in proportion to
            n^(1/temperature): 1 takes each once, more evens the languages out.

    Attributes:
        sizes, bounds: as given.

    Raises:
        DataError: an empty set, or an utterance that alone is over the bounds, by name.
    """

    def __init__(
        self,
        names: Sequence[str],
        sizes: SizeTable,
        bounds: BatchConfig,
        *,
        seed: int,
        groups: Sequence[Group] = (),
        temperature: float = 1.0,
    ) -> None:
        if not len(sizes):
            raise DataError("no utterance to sample from")
        self.sizes = sizes
        self.bounds = bounds
        if sizes.longest > bounds.max_positions or sizes.lattice > bounds.max_lattice:
            _refuse(names, sizes, bounds)
        self._windows = Windows(len(sizes), seed=seed, groups=groups, temperature=temperature)
        self._known, self._firsts = [0], [0]  # windows whose first batch is known, and its number
        self._batches: dict[int, list[NDArray[np.int64]]] = {}

    @property
    def windowed(self) -> bool:
        """Whether the set is too large for an epoch to be one window."""
        return self._windows.each > 1

    def batch(self, number: int) -> NDArray[np.int64]:
        """Indices of the utterances of a batch, counted from 0 over all epochs and processes."""
        window, first = self.place(number)
        return self._made(window)[number - first]

    def place(self, number: int) -> tuple[int, int]:
        """The window that a batch is in, and the number of that window's first batch."""
        at = bisect_right(self._firsts, number) - 1
        while True:
            window, first = self._known[at], self._firsts[at]
            at += 1
            if at == len(self._known) or self._known[at] != window + 1:
                self._known.insert(at, window + 1)
                self._firsts.insert(at, first + len(self._made(window)))
            if number < self._firsts[at]:
                return window, first

    def know(self, window: int, first: int) -> None:
        """Take the first batch of a window for known, as :meth:`place` said: to find it takes all windows before."""
        if window not in self._known:
            at = bisect_right(self._known, window)
            self._known.insert(at, window)
            self._firsts.insert(at, first)

    def _made(self, window: int) -> list[NDArray[np.int64]]:
        """The batches of a window."""
        if window not in self._batches:
            while len(self._batches) >= KEPT:
                del self._batches[next(iter(self._batches))]
            self._batches[window] = self._make(window)
        return self._batches[window]

    def _make(self, window: int) -> list[NDArray[np.int64]]:
        chosen, generator = self._windows.window(window)
        sizes = self.sizes.take(chosen)
        # Jitter mixes utterances of like length anew in every epoch.
        jittered = generator.uniform(1 - JITTER, 1 + JITTER, len(chosen))
        jittered *= sizes.positions
        order = np.argsort(jittered, kind="stable")
        del jittered  # of a large window some megabytes, as the rest
        line, bounds = sizes.take(order), self.bounds
        del sizes
        ends = cut(
            line.positions, line.encoded, line.states, bounds.max_utterances, bounds.max_positions, bounds.max_lattice
        )
        batches = np.split(chosen[order], ends[:-1])
        # Mixed within a batch too: its first utterances, whose transcripts are read too, must not be the shortest ones.
        return [generator.permutation(batches[i]) for i in generator.permutation(len(batches))]

    def places(self, number: int) -> int:
        """Places in the padded lattice of a batch, what a transducer's work follows."""
        sizes = self.sizes.take(self.batch(number))
        return len(sizes) * int(sizes.encoded.max()) * int(sizes.states.max())


def _refuse(names: Sequence[str], sizes: SizeTable, bounds: BatchConfig) -> None:
    """Name the largest of the utterances that are over the bounds.

    Raises:
        DataError: always.
    """
    over, worst, lattice, positions, labels = 0, 0, -1, 0, 0
    for first in range(0, len(sizes), WINDOW):
        part = sizes.take(np.arange(first, min(first + WINDOW, len(sizes))))
        over += int(((part.positions > bounds.max_positions) | (part.lattices > bounds.max_lattice)).sum())
        largest = int(np.argmax(part.lattices))
        if part.lattices[largest] > lattice:
            worst, lattice = first + largest, int(part.lattices[largest])
            positions, labels = int(part.positions[largest]), int(part.labels[largest])
    raise DataError(
        f"{over} utterances are larger than a whole batch, the largest with {positions} positions and {labels} labels",
        utterance=names[worst],
        fix=f"segment or drop them, or raise the batch's max_positions to {sizes.longest} and max_lattice to {lattice}",
    )
