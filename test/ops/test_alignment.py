"""Paths are constructed and demanded back; the kernel is held against enumeration and the quadratic oracle."""

import numpy as np
import pytest
import torch
from reference.alignment import best_by_enumeration, best_quadratic

from jointst.errors import JointstError
from jointst.ops.alignment import (
    _best_alignment_torch,
    best_alignment,
    framewise_alignment,
    random_alignment,
)

BOTH = pytest.mark.parametrize("align", [best_alignment, _best_alignment_torch], ids=["numba", "torch"])


def ragged(seed: int, batch: int, frames: int, positions: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Costs with many ties, NaN outside ragged lengths."""
    generator = np.random.default_rng(seed)
    speech_lengths = torch.from_numpy(generator.integers(1, frames + 1, batch))
    text_lengths = torch.from_numpy(generator.integers(1, positions + 1, batch))
    speech_lengths[0], text_lengths[0] = frames, positions
    cost = torch.from_numpy(generator.integers(0, 4, (batch, frames, positions)).astype(np.float32))
    for b in range(batch):
        cost[b, speech_lengths[b] :] = torch.nan
        cost[b, :, text_lengths[b] :] = torch.nan
    return cost, speech_lengths, text_lengths


@BOTH
def test_demands_a_constructed_path_back(align) -> None:  # type: ignore[no-untyped-def]
    path = [0, 0, 1, 4, 4, 5, 9]
    cost = torch.ones(1, 7, 10)
    cost[0, torch.arange(7), torch.tensor(path)] = 0.25
    index, total = align(cost, torch.tensor([7]), torch.tensor([10]))
    assert index[0].tolist() == path
    assert total.item() == pytest.approx(7 * 0.25)


@BOTH
@pytest.mark.parametrize("seed", range(5))
def test_equals_enumeration(align, seed: int) -> None:  # type: ignore[no-untyped-def]
    cost, speech_lengths, text_lengths = ragged(seed, 6, 5, 4)
    index, total = align(cost, speech_lengths, text_lengths)
    for b in range(6):
        n, m = int(speech_lengths[b]), int(text_lengths[b])
        _, lowest = best_by_enumeration(cost[b, :n, :m].double().numpy())
        assert total[b].item() == lowest
        found = index[b, :n].tolist()
        assert found == sorted(found)
        assert sum(cost[b, i, j].item() for i, j in enumerate(found)) == lowest
        assert (index[b, n:] == 0).all()


@BOTH
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_quadratic_oracle_ties_included(align, seed: int) -> None:  # type: ignore[no-untyped-def]
    cost, speech_lengths, text_lengths = ragged(100 + seed, 4, 40, 30)
    index, total = align(cost, speech_lengths, text_lengths)
    for b in range(4):
        n, m = int(speech_lengths[b]), int(text_lengths[b])
        path, lowest = best_quadratic(cost[b, :n, :m].double().numpy())
        assert index[b, :n].tolist() == path
        assert total[b].item() == lowest


@BOTH
def test_all_ties_go_to_the_lowest_position(align) -> None:  # type: ignore[no-untyped-def]
    index, _ = align(torch.zeros(1, 5, 3), torch.tensor([5]), torch.tensor([3]))
    assert index.tolist() == [[0] * 5]


@pytest.mark.parametrize(("frames", "positions"), [(1, 1), (1, 6), (6, 1), (3, 50), (50, 3)])
def test_extreme_shapes(frames: int, positions: int) -> None:
    cost = torch.rand(2, frames, positions)
    lengths = torch.tensor([frames, frames]), torch.tensor([positions, positions])
    index, total = best_alignment(cost, *lengths)
    path, lowest = best_quadratic(cost[1].double().numpy())
    assert index[1].tolist() == path
    assert total[1].item() == pytest.approx(lowest, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_dtypes(dtype: torch.dtype) -> None:
    cost = torch.rand(2, 9, 5).to(dtype)
    lengths = torch.tensor([9, 4]), torch.tensor([5, 2])
    index, total = best_alignment(cost, *lengths)
    assert total.dtype == dtype
    assert torch.equal(index, best_alignment(cost.float(), *lengths)[0])


def test_refuses_lengths_by_the_utterance() -> None:
    with pytest.raises(JointstError, match="utterance 1 has 5 speech and 0 text"):
        best_alignment(torch.zeros(2, 5, 3), torch.tensor([5, 5]), torch.tensor([3, 0]))
    with pytest.raises(JointstError, match="utterance 0 has 6 speech"):
        best_alignment(torch.zeros(2, 5, 3), torch.tensor([6, 5]), torch.tensor([3, 1]))


def test_framewise_goes_from_end_to_end_and_stays_inside() -> None:
    speech_lengths, text_lengths = torch.tensor([5, 3, 1]), torch.tensor([9, 2, 4])
    index = framewise_alignment(speech_lengths, text_lengths, 5)
    assert index.tolist() == [[0, 2, 4, 6, 8], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]


def test_random_is_sorted_seeded_and_inside() -> None:
    speech_lengths, text_lengths = torch.tensor([50, 20]), torch.tensor([10, 3])
    index = random_alignment(speech_lengths, text_lengths, 50, torch.Generator().manual_seed(1))
    again = random_alignment(speech_lengths, text_lengths, 50, torch.Generator().manual_seed(1))
    other = random_alignment(speech_lengths, text_lengths, 50, torch.Generator().manual_seed(2))
    assert torch.equal(index, again)
    assert not torch.equal(index, other)
    assert (index.diff(dim=1)[0] >= 0).all()
    assert index[0].max() == 9
    assert index[1, :20].max() <= 2
    assert (index[1, 20:] == 0).all()
