"""Which utterances an epoch takes one window after the other: all of a small set, random parts of one that is large.

A set that does not fit in memory is not sorted as a whole. It is cut into blocks of neighbours, which lie side by side
on disk; an epoch goes through the blocks in a random order, a window of some hundred blocks at a time, and utterances
of like length are looked for within a window. An epoch of no more than one window is a window of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jointst.data.permutation import Permutation

BLOCK = 4096
"""Utterances that stand together. Whoever changes this or the window changes ``dataset.ORDER`` too."""
WINDOW = 256 * BLOCK
"""Utterances of a window at most: about a million, whose sizes take some tens of megabytes."""


class Group(Protocol):
    """The utterances of one language, wherever their numbers are kept."""

    def __len__(self) -> int: ...

    def __getitem__(self, ranks: NDArray[np.int64], /) -> NDArray[np.int64]:
        """The utterances that stand at some places of the group, in the set's own numbers."""


class Windows:
    """The windows of all epochs, counted from 0; each is a function of seed and number.

    Args:
        count: utterances of the set.
        seed: of the order.
        groups: the utterances of each language, where an epoch is to have other shares of them than there are.
        temperature: an epoch has as many utterances as there are, of a language with n of them in proportion to
            n^(1/temperature).

    Attributes:
        each: windows of an epoch.
    """

    def __init__(self, count: int, *, seed: int, groups: Sequence[Group] = (), temperature: float = 1.0) -> None:
        self._seed = seed
        self._shares = _shares(groups, temperature)
        self._drawn = sum(wanted for _, wanted in self._shares) if self._shares else count
        self._blocks = -(-self._drawn // BLOCK)
        self.each = -(-self._drawn // WINDOW)

    def window(self, number: int) -> tuple[NDArray[np.int64], np.random.Generator]:
        """The utterances of a window, in the order of the set, and what goes on drawing for it."""
        epoch, part = divmod(number, self.each)
        if self.each == 1:
            generator = np.random.default_rng((self._seed, epoch))
            return self._all(generator), generator
        first, last = (self._blocks * edge // self.each for edge in (part, part + 1))
        blocks = np.sort(Permutation(self._blocks, (self._seed, epoch))(np.arange(first, last)))
        places = (blocks[:, None] * BLOCK + np.arange(BLOCK)).ravel()
        generator = np.random.default_rng((self._seed, epoch, part))
        return self._at(places[places < self._drawn], epoch), generator

    def _all(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """The utterances of an epoch that is one window: each as often as its language's share wants."""
        if not self._shares:
            return np.arange(self._drawn)
        chosen = []
        for group, wanted in self._shares:
            members = group[np.arange(len(group))]
            whole, rest = divmod(wanted, len(members))
            chosen += [members] * whole + [generator.choice(members, rest, replace=False)]
        return np.sort(np.concatenate(chosen))

    def _at(self, places: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        """The utterances at some places, in ascending order, of all that an epoch draws, language by language."""
        if not self._shares:
            return places
        found, first = [], 0
        for index, (group, wanted) in enumerate(self._shares):
            own = places[slice(*np.searchsorted(places, (first, first + wanted)))] - first
            found.append(group[self._ranks(own, len(group), wanted, (self._seed, epoch, index, 1))])
            first += wanted
        return np.sort(np.concatenate(found))

    @staticmethod
    def _ranks(drawn: NDArray[np.int64], count: int, wanted: int, key: Sequence[int]) -> NDArray[np.int64]:
        """Places within a group: all of it as often as that goes, then some of it, other ones in each epoch."""
        whole = wanted // count * count
        blocks = count // BLOCK
        ranks = drawn % count
        # Blocks in a random order, what is left of the last one behind them; turned on, so that it is not always left.
        some = (drawn >= whole) & (ranks < blocks * BLOCK)
        if some.any():
            order = Permutation(blocks, key)
            ranks[some] = order(ranks[some] // BLOCK) * BLOCK + ranks[some] % BLOCK
        turn = int(np.random.default_rng(key).integers(count))
        return np.where(drawn >= whole, (ranks + turn) % count, ranks)


def _shares(groups: Sequence[Group], temperature: float) -> list[tuple[Group, int]]:
    """The utterances of each language, and how many of them an epoch has; none where it has each once."""
    if temperature == 1.0 or not groups:
        return []
    counts = np.array([len(group) for group in groups])
    weights = counts ** (1.0 / temperature)
    wanted = np.maximum(1, np.round(weights / weights.sum() * counts.sum()).astype(int))
    return list(zip(groups, wanted.tolist(), strict=True))


def groups_of(languages: Sequence[str]) -> list[NDArray[np.int64]]:
    """The utterances of each language, in the order of their codes."""
    of = np.array(languages)
    return [np.flatnonzero(of == lang) for lang in sorted(set(languages))]
