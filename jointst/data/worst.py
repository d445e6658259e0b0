"""The batches of a training that take the most memory, of all that its samplers may draw.

N utterances.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jointst.config import BatchConfig
from jointst.data.sampler import JITTER
from jointst.data.sizes import Sizes, SizeTable
from jointst.data.windows import WINDOW

LENGTHS_TRIED = 100
"""Lengths at most, evenly over all there are, that costly batches are looked for among."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """A batch and its size.

    Attributes:
        indices: of its utterances.
        longest: frames or phones of the longest.
        widest: most encoder positions.
        tallest: most labels, and one.
    """

    indices: NDArray[np.int64]
    longest: int
    widest: int
    tallest: int

    @property
    def count(self) -> int:
        """Utterances."""
        return len(self.indices)

    @property
    def padded(self) -> int:
        """Frames or phones, padding included."""
        return self.count * self.longest

    @property
    def lattice(self) -> int:
        """Encoder positions times labels, padding included."""
        return self.count * self.widest * self.tallest


def costly(table: SizeTable, bounds: BatchConfig) -> list[Load]:
    """Batches within bounds whose lengths differ by no more than jitter may bring together, a few hundred.

    The first has the longest utterances. The others begin with an utterance of any length, and have either as many of
    like length as possible, or the one of most labels.
    """
    some = distinct(table, bounds.max_utterances)
    loads = _costly(table.take(some), bounds)
    return [replace(load, indices=some[load.indices]) for load in loads]


def distinct(table: SizeTable, most: int) -> NDArray[np.int64]:
    """Utterances that stand for all: of those with as many positions and labels, the first ``most``.

    A batch has no more of them. All utterances, where they are no more than a window.
    """
    if len(table) <= WINDOW:
        return np.arange(len(table))
    found = []
    seen: dict[int, int] = {}
    full = np.zeros(0, dtype=np.int64)  # kinds of which there are enough, in order
    for first in range(0, len(table), WINDOW):
        indices = np.arange(first, min(first + WINDOW, len(table)))
        sizes = table.take(indices)
        keys = sizes.positions << 32 | sizes.labels
        wanted = np.flatnonzero(~_among(keys, full))  # few, after the first windows
        indices = indices[wanted]
        kinds, kind_of, counts = np.unique(keys[wanted], return_inverse=True, return_counts=True)
        before = np.array([seen.get(kind, 0) for kind in kinds.tolist()], dtype=np.int64)
        order = np.argsort(kind_of, kind="stable")
        rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)  # within its kind
        found.append(indices[np.sort(order[rank + before[kind_of[order]] < most])])
        seen.update(zip(kinds.tolist(), (before + counts).tolist(), strict=True))
        full = np.union1d(full, kinds[before + counts >= most])
    return np.concatenate(found)


def _among(keys: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which keys are among those that are known, which are in order."""
    if not len(known):
        return np.zeros(len(keys), dtype=np.bool_)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys
    return found


def _costly(sizes: Sizes, bounds: BatchConfig) -> list[Load]:
    states = sizes.states
    order = np.lexsort((-states, -sizes.positions))  # the longest first, of these the most labels first
    negated = -sizes.positions[order]
    _, firsts = np.unique(negated, return_index=True)  # of each length
    some = np.linspace(0, len(firsts) - 1, min(len(firsts), LENGTHS_TRIED)).astype(np.int64)
    found = [_filled(order, sizes, bounds)]
    for first in firsts[some]:
        end = int(np.searchsorted(negated, negated[first] * (1 - JITTER) / (1 + JITTER), side="right"))
        lines = _lines(order[first:end], order[end : end + bounds.max_utterances], sizes, bounds.max_utterances)
        found += [_filled(line, sizes, bounds) for line in lines]
    return found


def _lines(near: NDArray[np.int64], shorter: NDArray[np.int64], sizes: Sizes, most: int) -> Iterator[NDArray[np.int64]]:
    """Orders of utterances whose first ones make a costly batch.

    Args:
        near: the longest ones and those of like length, the longest first.
        shorter: those that follow, for sets that are too small to fill a batch with utterances of like length.
        sizes: of all.
        most: utterances in a batch at most.
    """
    longest = near[sizes.positions[near] == sizes.positions[near[0]]]
    fewest_labels = near[np.argsort(sizes.labels[near], kind="stable")[:most]]
    most_labels = near[[np.argmax(sizes.labels[near])]]
    for line in ([longest[-1:], fewest_labels], [near[:1], most_labels, near[:most]]):
        joined = np.concatenate([*line, shorter])
        _, at = np.unique(joined, return_index=True)
        yield joined[np.sort(at)]  # each once, where it came first


def _filled(line: NDArray[np.int64], sizes: Sizes, bounds: BatchConfig) -> Load:
    """As many utterances from the beginning of a line as go into a batch."""
    line = line[: bounds.max_utterances]
    counts = np.arange(1, len(line) + 1)
    kinds = (sizes.positions, sizes.encoded, sizes.states)
    longest, widest, tallest = (np.maximum.accumulate(kind[line]) for kind in kinds)
    over = (counts * longest > bounds.max_positions) | (counts * widest * tallest > bounds.max_lattice)
    last = (int(np.argmax(over)) if over.any() else len(line)) - 1
    return Load(
        indices=line[: last + 1], longest=int(longest[last]), widest=int(widest[last]), tallest=int(tallest[last])
    )


def worst(loads: Sequence[Load]) -> list[Load]:
    """One to three of :func:`costly`: the largest lattice, the longest utterances, the most padded frames or phones."""
    chosen = (max(loads, key=lambda load: load.lattice), loads[0], max(loads, key=lambda load: load.padded))
    return list({frozenset(load.indices.tolist()): load for load in chosen}.values())


def worst_pairs(
    speech: Sequence[Load], text: Sequence[Load], *, shared: float, padding: float
) -> list[tuple[Load, Load]]:
    """Pairs of a batch of speech and one of text that cost the most, as :func:`costly` found them.

    Each of the worst of speech, and each of the worst of text; and where both go through the shared encoders padded to
    the same length, the pairs with the most positions and with the largest lattice.

    Args:
        speech: batches of speech.
        text: batches of text.
        shared: share of a batch of speech whose transcripts are encoded too.
        padding: speech and text go together where that makes their positions so many times as many at most.
    """
    spoken, written = worst(speech), worst(text)
    pairs = [(own, written[0]) for own in spoken] + [(spoken[0], own) for own in written[1:]]
    utterances, positions, labels = (
        [np.array([getattr(load, name) for load in loads]) for loads in (speech, text)]
        for name in ("count", "widest", "tallest")
    )
    utterances[0] = np.ceil(utterances[0] * (1 + shared))  # transcripts are about as long as their speech
    apart = np.add.outer(utterances[0] * positions[0], utterances[1] * positions[1])
    together = np.add.outer(*utterances) * np.maximum.outer(*positions)
    together[together > padding * apart] = 0
    for cost in (together, together * np.maximum.outer(*labels)):
        own, other = divmod(int(np.argmax(cost)), len(text))
        if cost[own, other] > 0:
            pairs.append((speech[own], text[other]))
    distinct = {(tuple(own.indices.tolist()), tuple(other.indices.tolist())): (own, other) for own, other in pairs}
    return list(distinct.values())
