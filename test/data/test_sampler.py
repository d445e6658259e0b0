import hashlib
from typing import NamedTuple

import numpy as np
import pytest

from jointst.common.errors import DataError
from jointst.config import BatchConfig
from jointst.data.sampler import BucketSampler, Turns
from jointst.data.sizes import Sizes
from jointst.data.windows import groups_of


class Size(NamedTuple):
    positions: int
    encoded: int
    labels: int


SIZES = [Size(positions=10 + 7 * (i % 13), encoded=3 + 2 * (i % 13), labels=1 + i % 9) for i in range(200)]
NAMES = [f"u{i:03d}" for i in range(200)]
BOUNDS = BatchConfig(max_utterances=12, max_positions=700, max_lattice=1500)


def arrays(sizes: list[Size]) -> Sizes:
    positions, encoded, labels = np.array(sizes, dtype=np.int64).reshape(-1, 3).T
    return Sizes(positions=positions, encoded=encoded, labels=labels)


def epoch(sampler: BucketSampler, first: int = 0) -> list[list[int]]:
    """Batches from step ``first`` until all utterances were seen."""
    batches: list[list[int]] = []
    while sum(map(len, batches)) < len(SIZES):
        batches.append(sampler.batch(first + len(batches)).tolist())
    return batches


def test_an_epoch_holds_every_utterance_once_within_the_bounds() -> None:
    batches = epoch(BucketSampler(NAMES, arrays(SIZES), BOUNDS, seed=0))
    assert sorted(item for batch in batches for item in batch) == list(range(200))
    for batch in batches:
        sizes = [SIZES[i] for i in batch]
        assert len(batch) <= 12
        assert len(batch) * max(size.positions for size in sizes) <= 700
        assert len(batch) * max(size.encoded for size in sizes) * max(size.labels + 1 for size in sizes) <= 1500


def test_a_batch_is_a_function_of_seed_and_step_alone() -> None:
    walked = BucketSampler(NAMES, arrays(SIZES), BOUNDS, seed=3)
    sequence = [walked.batch(step).tolist() for step in range(150)]
    for step in (149, 0, 70, 71):
        assert BucketSampler(NAMES, arrays(SIZES), BOUNDS, seed=3).batch(step).tolist() == sequence[step]
    assert walked.batch(5).tolist() == sequence[5]
    other = BucketSampler(NAMES, arrays(SIZES), BOUNDS, seed=4)
    assert [other.batch(step).tolist() for step in range(20)] != sequence[:20]


def test_epochs_differ_and_buckets_hold_like_lengths() -> None:
    sampler = BucketSampler(NAMES, arrays(SIZES), BOUNDS, seed=0)
    first = epoch(sampler)
    assert epoch(sampler, len(first)) != first
    padded = sum(len(batch) * max(SIZES[i].positions for i in batch) for batch in first)
    assert padded < 1.35 * sum(size.positions for size in SIZES)


def test_processes_share_an_epoch_without_overlap() -> None:
    alone = BucketSampler(NAMES, arrays(SIZES), BOUNDS, seed=1)
    pair = [Turns(rank=rank, world=2) for rank in range(2)]
    taken = [alone.batch(turns.number(step)).tolist() for step in range(40) for turns in pair]
    assert taken == [alone.batch(number).tolist() for number in range(80)]


def test_the_first_half_of_a_batch_is_not_its_shorter_one() -> None:
    """Transcripts of the first half are read by the text branch too."""
    halves = [[0, 0], [0, 0]]  # sum of positions, utterances
    for batch in epoch(BucketSampler(NAMES, arrays(SIZES), BOUNDS, seed=0)):
        for i, item in enumerate(batch):
            half = halves[i >= len(batch) // 2]
            half[0] += SIZES[item].positions
            half[1] += 1
    first, second = (total / count for total, count in halves)
    assert abs(first / second - 1) < 0.03


def test_an_utterance_larger_than_a_batch_is_refused_by_name() -> None:
    sizes = [*SIZES[:3], Size(positions=5000, encoded=1250, labels=3)]
    with pytest.raises(DataError, match=r"u003.*5000 positions"):
        BucketSampler(NAMES[:4], arrays(sizes), BOUNDS, seed=0)


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(DataError, match="no utterance"):
        BucketSampler([], arrays([]), BOUNDS, seed=0)


def test_temperature_evens_languages_out() -> None:
    """160 Russian and 40 Hindi utterances: 4 to 1 as they are, 2 to 1 at temperature 2, even where it is high."""
    languages = ["ru"] * 160 + ["hi"] * 40
    for temperature, hindi in ((1.0, 40), (2.0, 67), (1e9, 100)):
        sampler = BucketSampler(
            NAMES, arrays(SIZES), BOUNDS, seed=0, groups=groups_of(languages), temperature=temperature
        )
        drawn = [item for batch in epoch(sampler) for item in batch]
        assert len(drawn) == 200
        assert sum(item >= 160 for item in drawn) == hindi
        counts = [drawn.count(item) for item in range(160, 200)]
        assert max(counts) - min(counts) <= 1, "utterances of a language are drawn evenly"
        assert epoch(sampler) == epoch(
            BucketSampler(NAMES, arrays(SIZES), BOUNDS, seed=0, groups=groups_of(languages), temperature=temperature)
        )


def test_utterances_left_out_of_one_epoch_come_in_another() -> None:
    groups = groups_of(["ru"] * 160 + ["hi"] * 40)
    sampler = BucketSampler(NAMES, arrays(SIZES), BOUNDS, seed=0, groups=groups, temperature=1e9)
    seen = {item for step in range(400) for item in sampler.batch(step).tolist()}
    assert seen == set(range(200))


def test_batches_are_those_they_have_always_been() -> None:
    """A training goes on with a newer version of the toolkit; its order must be what it was (of commit 35dca47)."""
    alone = BucketSampler(NAMES, arrays(SIZES), BOUNDS, seed=7)
    groups = groups_of(["ru"] * 160 + ["hi"] * 40)
    second = BucketSampler(NAMES, arrays(SIZES), BOUNDS, seed=7, groups=groups, temperature=3.0)
    pairs = ((alone, Turns()), (second, Turns(rank=1, world=2)))
    order = repr([sampler.batch(turns.number(step)).tolist() for sampler, turns in pairs for step in range(200)])
    expected = "947a28ba28fbef1f87131abd9f7bd3e67732f43a6717ab58f89aecf92b0e9056"
    assert hashlib.sha256(order.encode()).hexdigest() == expected


def test_places_are_those_of_the_padded_lattice() -> None:
    sampler = BucketSampler(NAMES, arrays(SIZES), BOUNDS, seed=0)
    for step, batch in enumerate(epoch(sampler)):
        sizes = [SIZES[i] for i in batch]
        tallest = 1 + max(size.labels for size in sizes)
        assert sampler.places(step) == len(batch) * max(size.encoded for size in sizes) * tallest
