"""Epochs of sets that are too large for one window."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from reference import windows as reference

from jointst.config import BatchConfig
from jointst.data import sampler, windows, worst
from jointst.data.sampler import BucketSampler, Turns
from jointst.data.sizes import Sizes
from jointst.data.windows import Windows, groups_of

BLOCK, WINDOW = 8, 64
COUNT = 500


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of eight blocks of eight."""
    monkeypatch.setattr(windows, "BLOCK", BLOCK)
    for module in (windows, sampler, worst):
        monkeypatch.setattr(module, "WINDOW", WINDOW)


def sizes_of(count: int) -> Sizes:
    generator = np.random.default_rng(1)
    lengths = generator.integers(5, 60, count)
    return Sizes(
        positions=lengths, encoded=2 * lengths, labels=(lengths * generator.uniform(0.2, 0.5, count)).astype(int)
    )


BOUNDS = BatchConfig(max_utterances=6, max_positions=250, max_lattice=5000)


def drawn_by(count: int = COUNT) -> BucketSampler:
    return BucketSampler([f"u{i}" for i in range(count)], sizes_of(count), BOUNDS, seed=3)


def epoch(first: int, own: BucketSampler, count: int = COUNT) -> list[list[int]]:
    """Batches from number ``first`` until as many utterances were seen as there are."""
    batches: list[list[int]] = []
    while sum(map(len, batches)) < count:
        batches.append(own.batch(first + len(batches)).tolist())
    return batches


@pytest.mark.parametrize("count", [65, 128, 129, 500, 512, 513])
def test_windows_are_those_of_the_reference(count: int) -> None:
    own = Windows(count, seed=3)
    assert own.each == -(-count // WINDOW)
    for epoch_number in range(3):
        first = own.each * epoch_number
        found = [own.window(first + part)[0].tolist() for part in range(own.each)]
        assert found == reference.windows(count, 3, epoch_number, BLOCK, WINDOW)
        assert sorted(i for window in found for i in window) == list(range(count))
        assert max(map(len, found)) <= WINDOW + BLOCK
        assert max(map(len, found)) - min(map(len, found)) <= 2 * BLOCK


def test_batches_are_those_of_the_reference() -> None:
    own, sizes = drawn_by(), sizes_of(COUNT)
    rows = list(zip(*(kind.tolist() for kind in (sizes.positions, sizes.encoded, sizes.labels))))
    expected = []
    for number in range(2):
        for part, chosen in enumerate(reference.windows(COUNT, 3, number, BLOCK, WINDOW)):
            expected += reference.batches(chosen, rows, (6, 250, 5000), (3, number, part))
    assert [own.batch(number).tolist() for number in range(len(expected))] == expected


def test_an_epoch_holds_every_utterance_once() -> None:
    own = drawn_by()
    first = epoch(0, own)
    second = epoch(len(first), own)
    for batches in (first, second):
        assert sorted(i for batch in batches for i in batch) == list(range(COUNT))
    assert first != second


def test_a_batch_is_a_function_of_seed_and_number_alone() -> None:
    expected = [drawn_by().batch(number).tolist() for number in (300, 0, 150, 151, 7)]
    walked = drawn_by()
    everything = [walked.batch(number).tolist() for number in range(301)]
    assert [everything[number] for number in (300, 0, 150, 151, 7)] == expected


def test_a_known_place_saves_the_windows_before(monkeypatch: pytest.MonkeyPatch) -> None:
    walked = drawn_by()
    window, first = walked.place(400)
    assert first <= 400
    assert window > Windows(COUNT, seed=3).each, "in a later epoch"
    made: list[int] = []
    plain = BucketSampler._make
    monkeypatch.setattr(BucketSampler, "_make", lambda self, number: (made.append(number), plain(self, number))[1])
    fresh = drawn_by()
    fresh.know(window, first)
    assert fresh.batch(400).tolist() == walked.batch(400).tolist()
    assert made == [window]
    assert fresh.batch(3).tolist() == walked.batch(3).tolist(), "what came before is found all the same"
    assert [fresh.batch(i).tolist() for i in range(500)] == [walked.batch(i).tolist() for i in range(500)]


@pytest.mark.parametrize("count", [50, COUNT])
@pytest.mark.parametrize("worlds", [(4, 2), (2, 4), (1, 3), (3, 1), (4, 2, 3)])
def test_every_utterance_once_whatever_the_number_of_processes(count: int, worlds: tuple[int, ...]) -> None:
    """A training that is gone on with by other numbers of processes, each time for some steps."""
    alone = drawn_by(count)
    expected = epoch(0, alone, count)
    expected += epoch(len(expected), alone, count)
    seen: list[list[int]] = []
    step, used = 0, 0
    for world in [*worlds, 1]:
        turns = [Turns(rank=rank, world=world, first=step, used=used) for rank in range(world)]
        samplers = [drawn_by(count) for _ in turns]
        steps = 5 if world != 1 else len(expected) - used
        for own_step in range(step, step + steps):
            for own, process in zip(turns, samplers):
                if len(seen) < len(expected):
                    seen.append(process.batch(own.number(own_step)).tolist())
        step += steps
        used = turns[0].used_by(step)
        assert used >= len(seen)
    assert seen == expected[: len(seen)], "no batch twice, and none left out"
    counts = Counter(i for batch in seen for i in batch)
    assert len(seen) == len(expected)
    assert counts == Counter(dict.fromkeys(range(count), 2))


LANGUAGES = ["ru"] * 360 + ["hi"] * 100 + ["de"] * 40


def test_temperature_evens_languages_out() -> None:
    for temperature, wanted in ((2.0, {"de": 90, "hi": 142, "ru": 269}), (1e9, {"de": 167, "hi": 167, "ru": 167})):
        own = Windows(COUNT, seed=0, groups=groups_of(LANGUAGES), temperature=temperature)
        total = sum(wanted.values())
        assert own.each == -(-total // WINDOW)
        sums: Counter[int] = Counter()
        for epoch_number in range(12):
            parts = [own.window(epoch_number * own.each + part)[0].tolist() for part in range(own.each)]
            assert all(part == sorted(part) for part in parts)
            counts = Counter(i for part in parts for i in part)
            assert Counter(LANGUAGES[i] for i in counts.elements()) == wanted
            for lang in wanted:
                own_counts = [counts[i] for i in range(COUNT) if LANGUAGES[i] == lang]
                assert max(own_counts) - min(own_counts) <= 1, "utterances of a language are drawn evenly"
            sums += counts
        assert len(sums) == COUNT, "those left out of one epoch come in another"


def test_the_costliest_batches_of_a_large_set_are_those_of_all_its_utterances(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = sizes_of(2000)
    some = worst.distinct(sizes, BOUNDS.max_utterances)
    assert len(some) < 1900
    kinds = Counter(zip(sizes.positions.tolist(), sizes.labels.tolist()))
    chosen = Counter((int(sizes.positions[i]), int(sizes.labels[i])) for i in some)
    assert chosen == {kind: min(count, BOUNDS.max_utterances) for kind, count in kinds.items()}
    found = [(load.longest, load.padded, load.lattice, load.count) for load in worst.costly(sizes, BOUNDS)]
    for load in worst.costly(sizes, BOUNDS):
        assert load.longest == sizes.positions[load.indices].max()
    monkeypatch.setattr(worst, "WINDOW", 10**6)
    assert found == [(load.longest, load.padded, load.lattice, load.count) for load in worst.costly(sizes, BOUNDS)]


def test_one_endless_utterance_takes_no_memory() -> None:
    sizes = sizes_of(2000)
    sizes.positions[700], sizes.labels[700] = 10**7, 10**6  # a table of all sizes up to there would take terabytes
    assert 700 in worst.distinct(sizes, 1)
