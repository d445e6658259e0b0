"""The batches that take the most memory, against batches that are drawn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from jointst.config import BatchConfig
from jointst.data.sampler import BucketSampler
from jointst.data.sizes import Sizes
from jointst.data.worst import costly, worst, worst_pairs


class Size(NamedTuple):
    positions: int
    encoded: int
    labels: int


def arrays(sizes: list[Size]) -> Sizes:
    positions, encoded, labels = np.array(sizes, dtype=np.int64).reshape(-1, 3).T
    return Sizes(positions=positions, encoded=encoded, labels=labels)


def cost(batch: list[int], sizes: list[Size]) -> tuple[int, int, int]:
    """The longest utterance, padded positions and padded lattice of a batch."""
    longest, widest, tallest = (max(sizes[i][kind] for i in batch) for kind in range(3))
    return longest, len(batch) * longest, len(batch) * widest * (tallest + 1)


@pytest.mark.parametrize(
    "bounds",
    [
        BatchConfig(max_utterances=12, max_positions=700, max_lattice=1500),
        BatchConfig(max_utterances=5, max_positions=10_000, max_lattice=100_000),
        BatchConfig(max_utterances=1000, max_positions=600, max_lattice=100_000),
        BatchConfig(max_utterances=1000, max_positions=10_000, max_lattice=700),
    ],
)
def test_no_drawn_batch_costs_more_than_the_worst(bounds: BatchConfig) -> None:
    generator = np.random.default_rng(0)
    lengths = generator.integers(20, 120, 200)
    sizes = [Size(int(n), -(-int(n) // 4), int(n * generator.uniform(0.05, 0.2))) for n in lengths]
    sampler = BucketSampler([str(i) for i in range(200)], arrays(sizes), bounds, seed=0)
    loads = costly(sampler.sizes, bounds)
    for load in loads:
        batch = load.indices.tolist()
        assert (load.longest, load.padded, load.lattice) == cost(batch, sizes)
        assert len(set(batch)) == len(batch) <= bounds.max_utterances
        longest, positions, lattice = cost(batch, sizes)
        assert positions <= bounds.max_positions
        assert lattice <= bounds.max_lattice
    assert 1 <= len(worst(loads)) <= 3
    most = [max(costs) for costs in zip(*(cost(load.indices.tolist(), sizes) for load in worst(loads)))]
    drawn = [cost(sampler.batch(step).tolist(), sizes) for step in range(400)]
    assert most[0] == max(lengths)
    for kind, name in ((1, "positions"), (2, "lattice")):
        # where the bound cuts, a batch one utterance smaller may leave less of it unused
        assert max(costs[kind] for costs in drawn) <= 1.05 * most[kind], name


def test_the_worst_batches_hold_the_longest_speech_and_the_most_labels_that_may_be_beside_it() -> None:
    lengths_and_labels = [(100, 10), (99, 10), (90, 30), (40, 60), (98, 10), (70, 5), (70, 5)]
    sizes = [Size(length, -(-length // 4), labels) for length, labels in lengths_and_labels]
    found = worst(costly(arrays(sizes), BatchConfig(max_utterances=2)))
    assert [load.indices.tolist() for load in found] == [[0, 2], [0, 1]], "40 frames do not come with 100"


def drawn_sizes(seed: int, lowest: int, highest: int, share: int) -> Sizes:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(lowest, highest, 200)
    return Sizes(positions=lengths, encoded=-(-lengths // share), labels=(lengths * 0.1).astype(np.int64))


def test_no_drawn_pair_that_goes_together_is_larger_than_the_worst_pairs() -> None:
    speech, text = drawn_sizes(0, 20, 400, 4), drawn_sizes(1, 5, 150, 1)
    bounds = (BatchConfig(max_utterances=40, max_positions=2000), BatchConfig(max_utterances=20, max_positions=1500))
    padding, shared = 1.5, 0.5

    def together(own: Sizes, other: Sizes, batch: list[int], sentences: list[int]) -> tuple[int, int]:
        """Positions and lattice of both, padded to the same length; of neither where that is too much."""
        utterances = (-(-len(batch) * 3 // 2), len(sentences))
        widest = (int(own.encoded[batch].max()), int(other.encoded[sentences].max()))
        labels = 1 + max(int(own.labels[batch].max()), int(other.labels[sentences].max()))
        positions = sum(utterances) * max(widest)
        apart = sum(count * width for count, width in zip(utterances, widest))
        return (positions, positions * labels) if positions <= padding * apart else (0, 0)

    pairs = worst_pairs(costly(speech, bounds[0]), costly(text, bounds[1]), shared=shared, padding=padding)
    most = [
        max(costs) for costs in zip(*(together(speech, text, a.indices.tolist(), b.indices.tolist()) for a, b in pairs))
    ]
    samplers = [
        BucketSampler([str(i) for i in range(200)], own, bound, seed=0) for own, bound in zip((speech, text), bounds)
    ]
    drawn = [
        together(speech, text, samplers[0].batch(a).tolist(), samplers[1].batch(b).tolist())
        for a in range(60)
        for b in range(60)
    ]
    for kind in range(2):
        assert 0 < max(costs[kind] for costs in drawn) <= 1.05 * most[kind]
    assert len(pairs) <= 7
    assert len({(tuple(a.indices), tuple(b.indices)) for a, b in pairs}) == len(pairs)
