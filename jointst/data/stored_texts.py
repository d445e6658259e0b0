"""Sentences of some data directories that are read from stores on disk when they are needed: text of any amount.

N sentences.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from jointst.data.batch import TextBatch
from jointst.data.sizes import Sizes
from jointst.data.stores import open_stores
from jointst.data.symbols import Symbols, pad_text
from jointst.data.text_store import Store, damaged
from jointst.data.windows import Group

_TOGETHER = 2**16
"""Sentences whose sizes are read together: what that takes beside them stays small."""


class StoredTexts:
    """Sentences of some data directories, from their stores.

    Args:
        folders: the data directories.
        stores: of each.
        symbols: symbol tables.

    Attributes:
        utterances: their names, read when they are asked for: ids, with the set's name where several sets have one.
    """

    def __init__(self, folders: Sequence[Path], stores: Sequence[Store], symbols: Symbols) -> None:
        self._folders, self._stores = list(folders), list(stores)
        self._starts = [0, *accumulate(len(store) for store in self._stores)]
        self._symbols = symbols
        self.utterances: Sequence[str] = _Names(self)

    def __len__(self) -> int:
        return self._starts[-1]

    def find(self, i: int) -> tuple[int, int]:
        """Place of a sentence's store, and its place there."""
        at = bisect_right(self._starts, i) - 1
        return at, i - self._starts[at]

    def split(self, indices: NDArray[np.int64]) -> Iterator[tuple[Store, NDArray[np.int64], NDArray[np.bool_]]]:
        """Each store with its part of some sentences, in its own numbers, and which of them these are."""
        for store, first in zip(self._stores, self._starts, strict=False):
            own = (indices >= first) & (indices < first + len(store))
            if own.any():
                yield store, indices[own] - first, own

    @cached_property
    def _apart(self) -> bool:
        """Whether no id can be in two sets: the ids of one end before those of the next begin."""
        spans = sorted((store.name(0), store.name(len(store) - 1)) for store in self._stores)
        return all(before[1] < after[0] for before, after in zip(spans, spans[1:], strict=False))

    def name(self, i: int) -> str:
        """Name of a sentence; see :class:`jointst.kaldi.names.Names`."""
        at, own = self.find(i)
        name = self._stores[at].name(own)
        if self._apart or not any(store.holds(name) for place, store in enumerate(self._stores) if place != at):
            return name
        alike = len({folder.name for folder in self._folders}) < len(self._folders)
        return f"{self._folders[at] if alike else self._folders[at].name}/{name}"

    @property
    def groups(self) -> list[Group]:
        """The sentences of each language, in the order of their codes."""
        languages = sorted({lang for store in self._stores for lang in store.languages})
        return [_Members(self._stores, self._starts, lang) for lang in languages]

    def label_lengths(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Labels of each of the sentences at ``indices``."""
        found = np.empty(len(indices), dtype=np.int64)
        for store, own, here in self.split(indices):
            found[here] = store.labels.lengths_at(own)
            store.forget()
        return found

    def sizes(self, repeats: int) -> StoredSizes:
        """What each sentence costs when phones are repeated so often, or as often as their durations say."""
        return StoredSizes(self, self._stores, repeats)

    def batch(self, indices: Sequence[int]) -> TextBatch:
        """The sentences at ``indices``.

        Raises:
            DataError: a store is damaged.
        """
        places = [self.find(i) for i in indices]
        stores = [self._stores[at] for at, _ in places]
        rows = [(store, own) for store, (_, own) in zip(stores, places, strict=True)]
        batch = pad_text(
            [self.name(i) for i in indices],
            [store.phones[own] for store, own in rows],
            [store.labels[own] for store, own in rows],
            [store.language(own) for store, own in rows],
            [_durations(store, own) for store, own in rows] if self._stores[0].durations is not None else None,
        )
        sizes = self._symbols.sizes
        if int(batch.phones.max()) >= sizes["inputs"] or int(batch.labels.max()) >= sizes["labels"]:
            raise damaged(stores[0].folder)
        return batch


def _durations(store: Store, i: int) -> Tensor:
    assert store.durations is not None, "all stores have them, or none"
    return store.durations[i]


class _Names(Sequence[str]):
    """Names of sentences, read when they are asked for."""

    def __init__(self, texts: StoredTexts) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, i: int) -> str: ...

    @overload
    def __getitem__(self, i: slice) -> list[str]: ...

    def __getitem__(self, i: int | slice) -> str | list[str]:
        if isinstance(i, slice):
            return [self._texts.name(own) for own in range(*i.indices(len(self)))]
        if not 0 <= i < len(self):
            raise IndexError(i)
        return self._texts.name(i)


class _Members:
    """The sentences of one language in several stores."""

    def __init__(self, stores: Sequence[Store], starts: Sequence[int], lang: str) -> None:
        self._parts = []
        for store, first in zip(stores, starts, strict=False):
            members = store.members(lang)
            self._parts.append((first, len(store) if members is None else len(members), members))
        self._ends = np.cumsum([0, *(count for _, count, _ in self._parts)])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, ranks: NDArray[np.int64], /) -> NDArray[np.int64]:
        found = np.empty(len(ranks), dtype=np.int64)
        for number, (first, count, members) in enumerate(self._parts):
            own = ranks - self._ends[number]
            here = (own >= 0) & (own < count)
            found[here] = first + (own[here] if members is None else members[own[here]])
        return found


class StoredSizes:
    """What each sentence costs, read when it is asked for.

    Args:
        texts: the sentences.
        stores: of them.
        repeats: encoder positions of a phone, where there are no durations.
    """

    def __init__(self, texts: StoredTexts, stores: Sequence[Store], repeats: int) -> None:
        self._texts, self._stores = texts, stores
        self._repeats = repeats

    def __len__(self) -> int:
        return len(self._texts)

    def take(self, indices: NDArray[np.int64]) -> Sizes:
        """What the sentences at ``indices`` cost, in their order."""
        positions, encoded, labels = (np.empty(len(indices), dtype=np.int64) for _ in range(3))
        for first in range(0, len(indices), _TOGETHER):
            part = slice(first, first + _TOGETHER)
            for store, own, here in self._texts.split(indices[part]):
                positions[part][here] = store.phones.lengths_at(own)
                labels[part][here] = store.labels.lengths_at(own)
                if store.encoded is not None:
                    encoded[part][here] = store.encoded[own]
                else:
                    encoded[part][here] = positions[part][here] * self._repeats
                store.forget()
        return Sizes(positions=positions, encoded=encoded, labels=labels)

    @property
    def longest(self) -> int:
        """The most phones that one has."""
        return max(store.longest for store in self._stores)

    @property
    def lattice(self) -> int:
        """The most places that a lattice of one has."""
        return max(store.lattice * (self._repeats if store.encoded is None else 1) for store in self._stores)


def open_texts(
    folders: Sequence[Path], symbols: Symbols, *, durations: Path | None = None, threads: int = 1
) -> StoredTexts | None:
    """The sentences of some data directories, from their stores, which are written where they are missing.

    Args:
        folders: the data directories.
        symbols, durations, threads: see :func:`stored`.

    Returns:
        None, with a line that says so, where nothing may be written in a data directory that has no store.

    Raises:
        DataError, OSError: as :func:`stored`.
    """
    stores = open_stores(folders, symbols, durations=durations, threads=threads)
    return None if stores is None else StoredTexts(folders, stores, symbols)
