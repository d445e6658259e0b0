"""CUDA graphs of a stack against its layers, in float32; needs a GPU."""

import pytest
import torch

from jointst.nn.conformer import ConformerStack, full_context
from jointst.training.graphs import GraphedStack

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_states_and_gradients_update_after_update() -> None:
    torch.manual_seed(0)
    stack = ConformerStack(
        3, 64, full_context(-1), heads=4, feed_forward_multiplier=4, kernel_size=7, dropout=0.0, causal=False
    ).cuda()
    graphed = GraphedStack(stack)
    optimizer = torch.optim.SGD(stack.parameters(), lr=1e-2)
    for update in range(6):
        graphed.begin_update()
        gradients = []
        batches = [(5, 40 + 9 * update), (8, 40), (3, 60)]
        inputs = [torch.randn(batch, positions, 64, device="cuda", requires_grad=True) for batch, positions in batches]
        lengths = [torch.randint(1, positions + 1, (batch,), device="cuda") for batch, positions in batches]
        for forward in (lambda x, own: ConformerStack.forward(stack, x, own), graphed):
            optimizer.zero_grad()
            total = torch.zeros((), device="cuda")
            for x, own in zip(inputs, lengths):
                x.grad = None
                valid = (torch.arange(x.shape[1], device="cuda") < own[:, None])[:, :, None]
                total = total + sum((layer * valid).square().mean() for layer in forward(x, own)[0])
            total.backward()
            gradients.append([part.grad.clone() for part in (*inputs, *stack.parameters())])
        for one, other in zip(*gradients):
            torch.testing.assert_close(one, other, rtol=2e-3, atol=1e-5)
        optimizer.step()
