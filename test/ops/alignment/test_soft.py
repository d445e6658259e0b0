"""Soft alignments against sums over all paths, plain scaling, and finite differences."""

import numpy as np
import pytest
import torch
from reference.alignment import (
    banded,
    in_band,
    numerical_gradient,
    sinkhorn_plain,
    soft_dtw_by_enumeration,
)
from reference.costs import ragged

from jointst.common.errors import JointstError
from jointst.ops.alignment import align


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("gamma", [0.05, 1.0])
@pytest.mark.parametrize("band", [None, 2])
def test_soft_dtw_equals_enumeration(seed: int, gamma: float, band: int | None, device: torch.device) -> None:
    cost, speech_lengths, text_lengths = ragged(seed, 4, 5, 4, ties=False)
    result = align("soft_dtw", cost.to(device), speech_lengths, text_lengths, gamma=gamma, band=band)
    for b in range(4):
        n, m = int(speech_lengths[b]), int(text_lengths[b])
        total, visits = soft_dtw_by_enumeration(banded(cost[b, :n, :m].double().numpy(), band), gamma)
        assert result.total[b].item() == pytest.approx(total, rel=1e-5, abs=1e-6)
        assert np.allclose(result.weights[b, :n, :m].cpu().numpy(), visits, atol=1e-5)
        assert (result.weights[b, n:] == 0).all()
        assert (result.weights[b, :, m:] == 0).all()


def test_the_oracle_itself_visits_are_the_gradient() -> None:
    cost = np.random.default_rng(0).random((3, 4))
    slope = numerical_gradient(lambda c: soft_dtw_by_enumeration(c, 0.3)[0], cost)
    assert np.allclose(slope, soft_dtw_by_enumeration(cost, 0.3)[1], atol=1e-6)


def test_soft_dtw_becomes_dtw_when_gamma_goes_to_zero(device: torch.device) -> None:
    cost, speech_lengths, text_lengths = ragged(3, 3, 12, 8, ties=False)
    soft = align("soft_dtw", cost.to(device), speech_lengths, text_lengths, gamma=1e-4)
    hard = align("dtw", cost.to(device), speech_lengths, text_lengths)
    assert torch.allclose(soft.total, hard.total, atol=1e-3)
    pairs = hard.pairs(speech_lengths, 8)
    for b in range(3):
        path = torch.zeros(12, 8, device=device)
        path[pairs.speech[b][pairs.valid[b]], pairs.text[b][pairs.valid[b]]] = 1
        assert torch.allclose(soft.weights[b], path, atol=1e-3)


@pytest.mark.parametrize("band", [None, 2])
def test_soft_dtw_gradcheck(band: int | None, device: torch.device) -> None:
    torch.manual_seed(0)
    cost = torch.rand(2, 4, 3, dtype=torch.float64).to(device).requires_grad_()
    lengths = torch.tensor([4, 2]), torch.tensor([3, 2])
    upstream = torch.tensor([0.7, -1.3], dtype=torch.float64, device=device)
    assert torch.autograd.gradcheck(
        lambda c: align("soft_dtw", c, *lengths, gamma=0.5, band=band).total * upstream, cost
    )
    result = align("soft_dtw", cost, *lengths, gamma=0.5, band=band)
    (gradient,) = torch.autograd.grad(result.total.sum(), cost)
    assert torch.allclose(gradient, result.weights)


def test_soft_dtw_backward_twice_gives_the_same(device: torch.device) -> None:
    cost = torch.rand(1, 4, 3, device=device, requires_grad=True)
    total = align("soft_dtw", cost, torch.tensor([4]), torch.tensor([3])).total
    first, second = (torch.autograd.grad(total, cost, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_soft_dtw_stands_costs_far_beyond_exp(device: torch.device) -> None:
    cost = 1e5 * torch.rand(1, 6, 5, device=device)
    result = align("soft_dtw", cost, torch.tensor([6]), torch.tensor([5]), gamma=0.01)
    assert result.total.isfinite().all()
    assert result.weights.isfinite().all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("prior", "band"), [(0.0, None), (0.2, None), (0.2, 2)])
def test_sinkhorn_equals_plain_scaling(seed: int, prior: float, band: int | None) -> None:
    cost, speech_lengths, text_lengths = ragged(seed, 4, 7, 5, ties=False)
    options = {"temperature": 0.5, "iterations": 7, "prior": prior, "band": band}
    result = align("sinkhorn", cost, speech_lengths, text_lengths, **options)
    for b in range(4):
        n, m = int(speech_lengths[b]), int(text_lengths[b])
        own = cost[b, :n, :m].double().numpy()
        kernel = np.exp(-own / 0.5)
        for i, j in np.ndindex(n, m):
            off = (i + 0.5) / n - (j + 0.5) / m
            kernel[i, j] *= np.exp(-0.5 * (off / prior) ** 2) if prior else 1
            kernel[i, j] *= in_band(i, j, n, m, band)
        plan = sinkhorn_plain(kernel, 7)
        assert np.allclose(result.weights[b, :n, :m].numpy(), plan, atol=1e-5)
        assert result.total[b].item() == pytest.approx((plan * own).sum(), rel=1e-4)
        assert result.weights[b].sum().item() == pytest.approx(n, rel=1e-5)


def test_sinkhorn_demands_a_constructed_plan_back() -> None:
    cost = torch.ones(1, 6, 3)
    path = [2, 0, 0, 1, 2, 1]
    cost[0, torch.arange(6), torch.tensor(path)] = 0.0
    lengths = torch.tensor([6]), torch.tensor([3])
    result = align("sinkhorn", cost, *lengths, temperature=0.02, prior=0, iterations=50)
    assert result.weights[0].argmax(1).tolist() == path
    assert result.total.item() == pytest.approx(0, abs=1e-4)
    ordered = align("sinkhorn", cost, *lengths, temperature=0.5, prior=0.05)
    assert ordered.weights[0].argmax(1).tolist() == [0, 0, 1, 1, 2, 2]


def test_sinkhorn_converges_to_its_margins_and_the_minimum_has_its_weights_as_gradient() -> None:
    torch.manual_seed(0)
    cost = torch.rand(1, 6, 4, dtype=torch.float64)
    lengths = torch.tensor([6]), torch.tensor([4])
    options = {"temperature": 0.3, "prior": 0.0, "iterations": 300}
    weights = align("sinkhorn", cost, *lengths, **options).weights[0]
    assert torch.allclose(weights.sum(1), torch.ones(6, dtype=torch.float64))
    assert torch.allclose(weights.sum(0), torch.full((4,), 1.5, dtype=torch.float64))

    def minimum(own: np.ndarray) -> float:
        plan = align("sinkhorn", torch.from_numpy(own)[None], *lengths, **options).weights[0]
        return float((plan * torch.from_numpy(own)).sum() + 0.3 * (plan * plan.log()).sum())

    assert np.allclose(numerical_gradient(minimum, cost[0].numpy(), 1e-5), weights.numpy(), atol=1e-5)


@pytest.mark.parametrize(("prior", "band"), [(0.0, None), (0.3, 2)])
def test_sinkhorn_gradcheck(prior: float, band: int | None) -> None:
    torch.manual_seed(0)
    cost = torch.rand(3, 5, 4, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([5, 2, 4]), torch.tensor([4, 3, 1])
    upstream = torch.randn(3, 5, 4, dtype=torch.float64), torch.randn(3, dtype=torch.float64)

    def function(c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        result = align("sinkhorn", c, *lengths, temperature=0.5, iterations=4, prior=prior, band=band)
        return result.weights * upstream[0], result.total * upstream[1]

    assert torch.autograd.gradcheck(function, cost)


def test_sinkhorn_with_a_band_that_leaves_positions_out() -> None:
    cost = torch.rand(1, 3, 11)
    result = align("sinkhorn", cost, torch.tensor([3]), torch.tensor([11]), band=1)
    assert torch.allclose(result.weights.sum(-1), torch.ones(1, 3))
    assert (result.weights[0, :, 2:4] == 0).all()


def test_sinkhorn_refuses_infinite_costs_by_the_utterance() -> None:
    cost = torch.rand(2, 3, 3)
    cost[1, 0] = torch.inf
    with pytest.raises(JointstError, match="utterance 1 with 3 speech and 2 text"):
        align("sinkhorn", cost, torch.tensor([3, 3]), torch.tensor([3, 2]))
