"""The gradient flows through the gathered pairs alone, and is exact while the alignment holds."""

import torch

from jointst.losses.consistency import consistency_loss, pair_distance
from jointst.ops.alignment import best_alignment
from jointst.ops.distance import pairwise_l2


def test_equals_the_definition_on_ragged_lengths() -> None:
    torch.manual_seed(0)
    speech, text = torch.randn(3, 8, 5), torch.randn(3, 6, 5)
    speech_lengths, text_lengths = torch.tensor([8, 3, 5]), torch.tensor([4, 6, 1])
    index, total = best_alignment(torch.cdist(speech, text), speech_lengths, text_lengths)
    (loss,) = consistency_loss([speech], [text], speech_lengths, text_lengths, normalised=False)
    assert torch.allclose(loss, (total / speech_lengths).mean(), atol=1e-5)


def test_gradcheck_with_a_random_upstream_gradient_and_ragged_lengths() -> None:
    torch.manual_seed(0)
    speech = torch.randn(2, 6, 4, dtype=torch.float64, requires_grad=True)
    text = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    index = torch.tensor([[0, 0, 1, 3, 4, 4], [0, 2, 2, 0, 0, 0]])
    lengths = torch.tensor([6, 3])
    scale = torch.tensor([0.3, -1.7])
    # pair_distance works in float32, as training does: a coarser step and tolerance than usual.
    assert torch.autograd.gradcheck(
        lambda s, t: pair_distance(s, t, index, lengths).double() * scale,
        (speech, text),
        eps=1e-2,
        atol=1e-2,
        rtol=1e-2,
    )


def test_gradient_of_the_whole_loss_equals_finite_differences() -> None:
    torch.manual_seed(1)
    speech = torch.randn(2, 6, 4, requires_grad=True)
    text = torch.randn(2, 5, 4, requires_grad=True)
    lengths = torch.tensor([6, 4]), torch.tensor([5, 3])

    def loss() -> torch.Tensor:
        return consistency_loss([speech], [text], *lengths)[0]

    loss().backward()
    for leaf in (speech, text):
        direction = torch.randn_like(leaf)
        step = 1e-3
        with torch.no_grad():
            leaf.add_(step * direction)
            above = loss()
            leaf.sub_(2 * step * direction)
            below = loss()
            leaf.add_(step * direction)
        slope = (above - below) / (2 * step)
        assert torch.allclose(slope, (leaf.grad * direction).sum(), rtol=2e-2, atol=1e-3)


def test_unused_text_positions_get_no_gradient_and_padding_none() -> None:
    speech = torch.zeros(1, 3, 2, requires_grad=True)
    text = torch.tensor([[[1.0, 0.0], [9.0, 9.0], [5.0, 5.0]]], requires_grad=True)
    consistency_loss([speech], [text], torch.tensor([2]), torch.tensor([3]), normalised=False)[0].backward()
    assert text.grad[0, 0].abs().sum() > 0
    assert (text.grad[0, 1:] == 0).all()
    assert (speech.grad[0, 2] == 0).all()


def test_equal_states_have_loss_and_gradient_zero() -> None:
    states = torch.randn(1, 4, 3)
    speech, text = states.clone().requires_grad_(), states.clone().requires_grad_()
    lengths = torch.tensor([4]), torch.tensor([4])
    (loss,) = consistency_loss([speech], [text], *lengths)
    loss.backward()
    assert loss.item() < 1e-5
    assert torch.isfinite(speech.grad).all()


def test_normalised_loss_does_not_fall_when_norms_shrink() -> None:
    torch.manual_seed(0)
    speech, text = torch.randn(2, 6, 16), torch.randn(2, 5, 16)
    lengths = torch.tensor([6, 6]), torch.tensor([5, 5])
    whole = consistency_loss([speech], [text], *lengths)[0]
    shrunk = consistency_loss([0.1 * speech], [0.1 * text], *lengths)[0]
    assert torch.allclose(whole, shrunk, rtol=1e-2)
    raw = consistency_loss([speech], [text], *lengths, normalised=False)[0]
    raw_shrunk = consistency_loss([0.1 * speech], [0.1 * text], *lengths, normalised=False)[0]
    assert raw_shrunk < 0.2 * raw


def test_graph_holds_no_tensor_of_all_pairs() -> None:
    """Memory O(N D): nothing saved for backward has N x M entries."""
    batch, frames, positions, dim = 1, 301, 211, 4
    sizes: list[int] = []
    speech = torch.randn(batch, frames, dim, requires_grad=True)
    text = torch.randn(batch, positions, dim, requires_grad=True)

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        consistency_loss([speech], [text], torch.tensor([frames]), torch.tensor([positions]))
    assert pairwise_l2(speech, text).numel() == frames * positions
    assert max(sizes) <= frames * dim
