"""Stacks captured as graphs: by a capture that needs no GPU, and on a GPU by the real one (check_graphs.py)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from jointst.nn.conformer import ConformerStack, full_context
from jointst.training.graphs import BATCHES, POSITIONS, GraphedStack, Replay

D = 8


def stack_of(layers: int = 2) -> ConformerStack:
    torch.manual_seed(0)
    return ConformerStack(
        layers,
        D,
        full_context(-1),
        heads=2,
        feed_forward_multiplier=2,
        kernel_size=3,
        dropout=0.0,
        causal=False,
    )


class Captured:
    """A capture that calls the layers, and notes the shapes that it was asked for."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, stack: ConformerStack, x: Tensor, lengths: Tensor) -> Replay:
        self.shapes.append(tuple(x.shape))
        return lambda x, lengths: tuple(ConformerStack.forward(stack, x, lengths)[0])


def inputs(batch: int, positions: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(batch * 1000 + positions)
    lengths = torch.randint(1, positions + 1, (batch,))
    return torch.randn(batch, positions, D, requires_grad=True), lengths


@pytest.mark.parametrize(("batch", "positions"), [(1, 1), (3, 31), (8, 32), (9, 33)])
def test_states_and_gradients_are_those_of_the_layers(batch: int, positions: int) -> None:
    stack, captured = stack_of(), Captured()
    x, lengths = inputs(batch, positions)
    wanted = stack(x, lengths)[0]
    weights = [torch.randn_like(layer) for layer in wanted]

    def gradients(states: list[Tensor]) -> list[Tensor]:
        valid = (torch.arange(positions) < lengths[:, None])[:, :, None]
        total = sum((layer * weight * valid).sum() for layer, weight in zip(states, weights, strict=True))
        assert isinstance(total, Tensor)
        return list(torch.autograd.grad(total, [x, *stack.parameters()]))

    found, back = GraphedStack(stack, captured)(x, lengths)
    assert captured.shapes == [(-(-batch // BATCHES) * BATCHES, -(-positions // POSITIONS) * POSITIONS, D)]
    assert back is lengths
    for layer, other in zip(found, wanted, strict=True):
        assert layer.shape == other.shape
        for row, length in enumerate(lengths.tolist()):
            torch.testing.assert_close(layer[row, :length], other[row, :length])
    for one, other in zip(gradients(found), gradients(wanted), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_graph_serves_once_in_an_update() -> None:
    captured = Captured()
    graphed = GraphedStack(stack_of(), captured)
    for _ in range(3):
        graphed.begin_update()
        graphed(*inputs(4, 20))
        graphed(*inputs(5, 30))  # of the same shape when it is padded
        graphed(*inputs(5, 40))
    assert captured.shapes == [(8, 32, D), (8, 32, D), (8, 64, D)]


def test_evaluation_and_what_is_not_trained_are_not_captured() -> None:
    stack, captured = stack_of(), Captured()
    graphed = GraphedStack(stack, captured)
    x, lengths = inputs(2, 5)
    graphed(x.detach(), lengths)
    with torch.no_grad():
        graphed(x, lengths)
    stack.eval()
    graphed(x, lengths)
    GraphedStack(stack_of(0), captured)(x, lengths)
    assert not captured.shapes


def test_weights_that_are_frozen_later_are_captured_anew() -> None:
    stack, captured = stack_of(), Captured()
    graphed = GraphedStack(stack, captured)
    graphed(*inputs(2, 5))
    graphed.begin_update()
    next(stack.parameters()).requires_grad_(False)
    graphed(*inputs(2, 5))
    assert len(captured.shapes) == 2
