"""Batches of utterances of like length, bounded in memory, the same on every run.

One class serves paired speech and text. The batch at a step is a pure function of (seed, rank, step), so that the
state of a sampler is one integer, and resuming gives the very batches an unbroken run would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jointst.config import BatchConfig
from jointst.errors import DataError

JITTER = 0.15
"""Share by which lengths are made longer or shorter for the order of an epoch, anew in each."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What each of N utterances costs.

    Attributes:
        positions: (N,) int64, frames of speech, or phones of text.
        encoded: (N,) int64, encoder positions.
        labels: (N,) int64.
    """

    positions: NDArray[np.int64]
    encoded: NDArray[np.int64]
    labels: NDArray[np.int64]


class BucketSampler:
    """Length-bucketed batches.

    Args:
        names: utterance ids, for messages.
        sizes: of each utterance.
        bounds: of a padded batch.
        seed: of the order.
        rank: this process among ``world``; processes take turns on an epoch's batches.
        world: number of processes.
        languages: of the utterances, for ``temperature``.
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
        sizes: Sizes,
        bounds: BatchConfig,
        *,
        seed: int,
        rank: int = 0,
        world: int = 1,
        languages: Sequence[str] = (),
        temperature: float = 1.0,
    ) -> None:
        if not names:
            raise DataError("no utterance to sample from")
        self._shares = _shares(languages, temperature) if temperature != 1.0 else []
        self.sizes = sizes
        self.bounds = bounds
        self._positions = sizes.positions
        self._encoded = sizes.encoded
        self._states = sizes.labels + 1
        self._seed = seed
        self._rank = rank
        self._world = world
        over = (self._positions > bounds.max_positions) | (self._encoded * self._states > bounds.max_lattice)
        if over.any():
            lattice = self._encoded * self._states
            worst = int(np.argmax(lattice))
            raise DataError(
                f"{int(over.sum())} utterances are larger than a whole batch, the largest with "
                f"{self._positions[worst]} positions and {self._states[worst] - 1} labels",
                utterance=names[worst],
                fix=f"segment or drop them, or raise the batch's max_positions to {self._positions.max()} and "
                f"max_lattice to {lattice.max()}",
            )
        self._first_batch = [0]  # of each epoch known so far, counted over all processes
        self._epoch = -1
        self._batches: list[NDArray[np.int64]] = []

    def _choose(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """The utterances of an epoch, in their order: each as often as its language's share wants."""
        if not self._shares:
            return np.arange(len(self._positions))
        chosen = []
        for members, wanted in self._shares:
            whole, rest = divmod(wanted, len(members))
            chosen += [members] * whole + [generator.choice(members, rest, replace=False)]
        return np.sort(np.concatenate(chosen))

    def _make_epoch(self, epoch: int) -> list[NDArray[np.int64]]:
        generator = np.random.default_rng((self._seed, epoch))
        chosen = self._choose(generator)
        # Jitter mixes utterances of like length anew in every epoch.
        jitter = generator.uniform(1 - JITTER, 1 + JITTER, len(chosen))
        order = chosen[np.argsort(self._positions[chosen] * jitter, kind="stable")]
        batches: list[NDArray[np.int64]] = []
        current: list[int] = []
        longest = widest = tallest = 0
        for item in order:
            longest_with = max(longest, int(self._positions[item]))
            widest_with = max(widest, int(self._encoded[item]))
            tallest_with = max(tallest, int(self._states[item]))
            count = len(current) + 1
            if current and (
                count > self.bounds.max_utterances
                or count * longest_with > self.bounds.max_positions
                or count * widest_with * tallest_with > self.bounds.max_lattice
            ):
                batches.append(np.array(current))
                current = []
                longest_with, widest_with = int(self._positions[item]), int(self._encoded[item])
                tallest_with = int(self._states[item])
            current.append(int(item))
            longest, widest, tallest = longest_with, widest_with, tallest_with
        batches.append(np.array(current))
        # Mixed within a batch too: its first utterances, whose transcripts are read too, must not be the shortest ones.
        return [generator.permutation(batches[i]) for i in generator.permutation(len(batches))]

    def batch(self, step: int) -> NDArray[np.int64]:
        """Indices of the utterances of this process's batch number ``step``, counted from 0 over all epochs."""
        wanted = step * self._world + self._rank
        epoch = int(np.searchsorted(self._first_batch, wanted, side="right")) - 1
        while True:
            if epoch != self._epoch:
                self._batches, self._epoch = self._make_epoch(epoch), epoch
                if epoch == len(self._first_batch) - 1:
                    self._first_batch.append(self._first_batch[-1] + len(self._batches))
            if wanted < self._first_batch[epoch + 1]:
                return self._batches[wanted - self._first_batch[epoch]]
            epoch += 1

    def places(self, step: int) -> int:
        """Places in the padded lattice of this process's batch number ``step``, what a transducer's work follows."""
        indices = self.batch(step)
        return len(indices) * int(self._encoded[indices].max()) * int(self._states[indices].max())


def _shares(languages: Sequence[str], temperature: float) -> list[tuple[NDArray[np.int64], int]]:
    """The utterances of each language, and how many of them an epoch has."""
    of = np.array(languages)
    members = [np.flatnonzero(of == lang) for lang in sorted(set(languages))]
    weights = np.array([len(own) for own in members]) ** (1.0 / temperature)
    wanted = np.maximum(1, np.round(weights / weights.sum() * len(languages)).astype(int))
    return list(zip(members, wanted.tolist(), strict=True))
