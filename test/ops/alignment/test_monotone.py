"""Paths are constructed and demanded back; kernels are held against enumeration and the recurrences in plain loops."""

import numpy as np
import pytest
import torch
from reference.alignment import (
    banded,
    best_maps,
    best_quadratic,
    dtw_paths,
    dtw_quadratic,
    lowest_map,
    mas_maps,
    mas_quadratic,
)
from reference.costs import blank_outside, ragged

from jointst.common.errors import JointstError
from jointst.ops.alignment import Alignment, align, best_alignment


def path_of(result: Alignment, b: int, speech_lengths: torch.Tensor, positions: int) -> list[tuple[int, int]]:
    pairs = result.pairs(speech_lengths, positions)
    valid = pairs.valid[b]
    return list(zip(pairs.speech[b][valid].tolist(), pairs.text[b][valid].tolist(), strict=True))


def test_best_demands_a_constructed_path_back(device: torch.device) -> None:
    path = [0, 0, 1, 4, 4, 5, 9]
    cost = torch.ones(1, 7, 10, device=device)
    cost[0, torch.arange(7), torch.tensor(path)] = 0.25
    index, total = best_alignment(cost, torch.tensor([7]), torch.tensor([10]))
    assert index[0].tolist() == path
    assert total.item() == pytest.approx(7 * 0.25)


def test_mas_demands_a_constructed_path_back(device: torch.device) -> None:
    path = [0, 0, 1, 2, 2, 3, 3]
    cost = torch.ones(1, 7, 4, device=device)
    cost[0, torch.arange(7), torch.tensor(path)] = 0.25
    result = align("mas", cost, torch.tensor([7]), torch.tensor([4]))
    assert result.index[0].tolist() == path
    long_steps = [0, 3, 3, 5]
    cost = torch.ones(1, 4, 6, device=device)
    cost[0, torch.arange(4), torch.tensor(long_steps)] = 0.25
    result = align("mas", cost, torch.tensor([4]), torch.tensor([6]), max_step=3)
    assert result.index[0].tolist() == long_steps


def test_dtw_demands_a_constructed_path_back(device: torch.device) -> None:
    path = [(0, 0), (0, 1), (1, 2), (2, 2), (3, 2), (3, 3), (3, 4)]
    cost = torch.ones(1, 4, 5, device=device)
    for i, j in path:
        cost[0, i, j] = -1.0  # below 0, or a shorter path would be as cheap
    result = align("dtw", cost, torch.tensor([4]), torch.tensor([5]))
    assert path_of(result, 0, torch.tensor([4]), 5) == path
    assert result.first[0].tolist() == [0, 2, 2, 2]
    assert result.index[0].tolist() == [1, 2, 2, 4]
    assert result.total.item() == -len(path)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("band", [None, 1, 2])
@pytest.mark.parametrize("ends", ["free", "pinned"])
def test_best_equals_enumeration_ties_included(seed: int, band: int | None, ends: str, device: torch.device) -> None:
    cost, speech_lengths, text_lengths = ragged(seed, 5, 5, 4, longer_speech=ends == "pinned")
    if ends == "pinned":
        text_lengths = torch.where(speech_lengths == 1, 1, text_lengths)
    result = align("best", cost.to(device), speech_lengths, text_lengths, ends=ends, band=band)
    for b in range(5):
        n, m = int(speech_lengths[b]), int(text_lengths[b])
        own = banded(cost[b, :n, :m].double().numpy(), band)
        path, lowest = lowest_map(own, best_maps(n, m, ends == "pinned"))
        assert result.total[b].item() == lowest
        assert result.index[b].tolist() == path + [0] * (5 - n)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("max_step", "band"), [(1, None), (2, None), (1, 2), (3, 1)])
def test_mas_equals_enumeration_ties_included(seed: int, max_step: int, band: int | None, device: torch.device) -> None:
    cost, speech_lengths, text_lengths = ragged(seed, 5, 6, 4, longer_speech=True)
    result = align("mas", cost.to(device), speech_lengths, text_lengths, max_step=max_step, band=band)
    for b in range(5):
        n, m = int(speech_lengths[b]), int(text_lengths[b])
        path, lowest = lowest_map(banded(cost[b, :n, :m].double().numpy(), band), mas_maps(n, m, max_step))
        assert result.total[b].item() == lowest
        assert result.index[b].tolist() == path + [0] * (6 - n)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("band", [None, 2])
def test_dtw_equals_enumeration(seed: int, band: int | None, device: torch.device) -> None:
    cost, speech_lengths, text_lengths = ragged(seed, 5, 5, 4)
    result = align("dtw", cost.to(device), speech_lengths, text_lengths, band=band)
    for b in range(5):
        n, m = int(speech_lengths[b]), int(text_lengths[b])
        own = banded(cost[b, :n, :m].double().numpy(), band)
        lowest = min(sum(own[i, j] for i, j in path) for path in dtw_paths(n, m))
        found = path_of(result, b, speech_lengths, 4)
        assert result.total[b].item() == lowest == sum(own[i, j] for i, j in found)
        assert found in list(dtw_paths(n, m))


@pytest.mark.parametrize("seed", range(2))
def test_all_equal_the_recurrences_on_larger_sizes(seed: int, device: torch.device) -> None:
    cost, speech_lengths, text_lengths = ragged(100 + seed, 3, 41, 30, longer_speech=True)
    best, mas, dtw = (align(kind, cost.to(device), speech_lengths, text_lengths) for kind in ("best", "mas", "dtw"))
    for b in range(3):
        n, m = int(speech_lengths[b]), int(text_lengths[b])
        own = cost[b, :n, :m].double().numpy()
        assert (best.index[b, :n].tolist(), best.total[b].item()) == best_quadratic(own)
        assert (mas.index[b, :n].tolist(), mas.total[b].item()) == mas_quadratic(own, 1)
        assert (path_of(dtw, b, speech_lengths, 30), dtw.total[b].item()) == dtw_quadratic(own)


def test_all_ties_go_to_the_lowest_position(device: torch.device) -> None:
    lengths = torch.tensor([5]), torch.tensor([3])
    cost = torch.zeros(1, 5, 3, device=device)
    assert align("best", cost, *lengths).index.tolist() == [[0] * 5]
    assert align("best", cost, *lengths, ends="pinned").index.tolist() == [[0, 0, 0, 0, 2]]
    assert align("mas", cost, *lengths).index.tolist() == [[0, 0, 0, 1, 2]]
    assert align("mas", cost, *lengths, max_step=2).index.tolist() == [[0, 0, 0, 0, 2]]


@pytest.mark.parametrize(("frames", "positions"), [(1, 1), (1, 6), (6, 1), (3, 20), (20, 3)])
def test_extreme_shapes(frames: int, positions: int, device: torch.device) -> None:
    generator = np.random.default_rng(frames)
    cost = generator.random((2, frames, positions)).astype(np.float32)
    lengths = torch.tensor([frames, frames]), torch.tensor([positions, positions])
    own = cost[1].astype(np.float64)
    on_device = torch.from_numpy(cost).to(device)
    best = align("best", on_device, *lengths)
    assert best.index[1].tolist() == best_quadratic(own)[0]
    assert best.total[1].item() == pytest.approx(best_quadratic(own)[1], rel=1e-6)
    assert path_of(align("dtw", on_device, *lengths), 1, lengths[0], positions) == dtw_quadratic(own)[0]
    if frames > 1 or positions == 1:
        longest = max(1, -(-(positions - 1) // max(1, frames - 1)))
        least = align("mas", on_device, *lengths, max_step=0)
        assert least.index[1].tolist() == mas_quadratic(own, longest)[0]


@pytest.mark.parametrize("kind", ["best", "mas", "dtw", "nearest", "framewise", "soft_dtw", "sinkhorn"])
def test_alone_equals_in_a_padded_batch_and_layers_equal_one_by_one(kind: str, device: torch.device) -> None:
    cost, speech_lengths, text_lengths = ragged(7, 4, 9, 6, ties=False, longer_speech=True)
    layers = torch.stack([cost, blank_outside(1 - cost, speech_lengths, text_lengths)]).to(device)
    batch = align(kind, layers, speech_lengths, text_lengths)
    assert batch.total.shape == (2, 4)
    for layer in range(2):
        for b in range(4):
            n, m = int(speech_lengths[b]), int(text_lengths[b])
            alone = align(kind, layers[layer, b : b + 1, :n, :m], speech_lengths[b : b + 1], text_lengths[b : b + 1])
            assert torch.allclose(batch.total[layer, b], alone.total[0], rtol=1e-6, atol=1e-6)
            if batch.is_soft:
                weights = batch.weights[layer, b]
                assert torch.allclose(weights[:n, :m], alone.weights[0], atol=1e-6)
                assert weights.sum().item() == pytest.approx(weights[:n, :m].sum().item())
                assert weights.isfinite().all()
            else:
                assert batch.index[layer, b, :n].tolist() == alone.index[0].tolist()
                assert (batch.index[layer, b, n:] == 0).all()


@pytest.mark.parametrize("kind", ["best", "mas", "dtw", "soft_dtw", "sinkhorn", "nearest"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_dtypes(kind: str, dtype: torch.dtype, device: torch.device) -> None:
    torch.manual_seed(0)
    cost = torch.rand(2, 9, 5).to(device, dtype)
    lengths = torch.tensor([9, 4]), torch.tensor([5, 2])
    result, wide = align(kind, cost, *lengths), align(kind, cost.float(), *lengths)
    assert result.total.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    if result.is_soft:
        assert torch.allclose(result.weights.float(), wide.weights, atol=1e-5)
    else:
        assert torch.equal(result.index, wide.index)


def test_no_gradient_and_no_change_of_the_cost(device: torch.device) -> None:
    cost = torch.rand(1, 4, 3, device=device, requires_grad=True)
    before = cost.detach().clone()
    result = align("best", cost, torch.tensor([4]), torch.tensor([3]))
    assert not result.total.requires_grad
    assert torch.equal(cost, before)
    turned = torch.rand(1, 3, 4, device=device).transpose(1, 2)
    lengths = torch.tensor([4]), torch.tensor([3])
    assert torch.equal(best_alignment(turned, *lengths)[0], best_alignment(turned.contiguous(), *lengths)[0])


def test_refuses_lengths_by_the_utterance(device: torch.device) -> None:
    cost = torch.zeros(2, 5, 3, device=device)
    with pytest.raises(JointstError, match="utterance 1 with 5 speech and 0 text"):
        best_alignment(cost, torch.tensor([5, 5]), torch.tensor([3, 0]))
    with pytest.raises(JointstError, match="utterance 0 with 6 speech"):
        best_alignment(cost, torch.tensor([6, 5]), torch.tensor([3, 1]))
    with pytest.raises(JointstError, match="do not fit"):
        best_alignment(cost, torch.tensor([5]), torch.tensor([3]))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("mas", {}),
        ("mas", {"max_step": 2, "band": 1}),
        ("dtw", {"band": 1}),
        ("soft_dtw", {"band": 1}),
    ],
)
def test_no_path_is_an_error_with_index_and_lengths(kind: str, options: dict[str, int], device: torch.device) -> None:
    cost = torch.rand(3, 5, 19, device=device)
    with pytest.raises(JointstError, match="utterance 2 with 3 speech and 19 text positions has no valid path"):
        align(kind, cost, torch.tensor([5, 5, 3]), torch.tensor([5, 4, 19]), **options)


def test_no_path_for_pinned_ends_of_one_frame_and_for_infinite_costs(device: torch.device) -> None:
    cost = torch.rand(1, 1, 2, device=device)
    with pytest.raises(JointstError, match="utterance 0 with 1 speech and 2 text"):
        align("best", cost, torch.tensor([1]), torch.tensor([2]), ends="pinned")
    for bad in (torch.inf, torch.nan):
        with pytest.raises(JointstError, match="no valid path"):
            best_alignment(torch.full((1, 2, 2), bad, device=device), torch.tensor([2]), torch.tensor([2]))


def test_unchecked_lengths_that_do_not_fit_read_nothing_on_the_gpu(device: torch.device) -> None:
    from jointst.ops.kernels.dispatch import simulated

    if device.type == "cpu" and not simulated():
        pytest.skip("lengths are always checked on the CPU")
    for kind in ("best", "mas", "dtw", "soft_dtw"):
        cost = torch.rand(2, 4, 3, device=device)
        result = align(kind, cost, torch.tensor([4, 9]), torch.tensor([3, 3]), check=False)
        assert result.total[0].isfinite()
        assert result.total[1].isnan()
