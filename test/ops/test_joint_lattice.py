"""The chunked joiner against the plain formulas and autograd."""

import pytest
import torch

from jointst.ops.joint_lattice import frames_for_bytes, joint_lattice


def plain(encoder, predictor, weight, bias, labels, hat):  # type: ignore[no-untyped-def]
    logits = torch.tanh(encoder[:, :, None] + predictor[:, None]) @ weight.t() + bias
    index = labels[:, None, :, None].expand(-1, logits.shape[1], -1, -1)
    if not hat:
        log_probs = logits.log_softmax(-1)
        return log_probs[..., 0], log_probs[:, :, :-1].gather(3, index).squeeze(3)
    blank = logits[..., 0].sigmoid()
    label = (1 - blank)[..., None] * logits[..., 1:].softmax(-1)
    return blank.log(), label[:, :, :-1].gather(3, index - 1).squeeze(3).log()


def inputs() -> list[torch.Tensor]:
    torch.manual_seed(0)
    shapes = [(2, 5, 4), (2, 4, 4), (6, 4), (6,)]
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


LABELS = torch.tensor([[1, 5, 3], [2, 2, 1]])


@pytest.mark.parametrize("hat", [True, False])
@pytest.mark.parametrize("budget", [1, 400, 10**9], ids=["frame by frame", "two frames", "all kept"])
def test_value_and_gradient_equal_the_plain_formulas(hat: bool, budget: int) -> None:
    ours, theirs = inputs(), inputs()
    got = joint_lattice(*ours, LABELS, hat=hat, lattice_bytes=budget)
    expected = plain(*theirs, LABELS, hat)
    upstream = [torch.randn_like(part) for part in expected]
    for a, b in zip(got, expected, strict=True):
        assert torch.allclose(a, b, atol=1e-12)
    torch.autograd.backward(got, upstream)
    torch.autograd.backward(expected, upstream)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-12)


@pytest.mark.parametrize("hat", [True, False])
@pytest.mark.parametrize("budget", [1, 10**9])
def test_gradcheck(hat: bool, budget: int) -> None:
    torch.autograd.gradcheck(
        lambda *leaves: joint_lattice(*leaves, LABELS, hat=hat, lattice_bytes=budget), tuple(inputs())
    )


def test_frames_for_bytes() -> None:
    assert frames_for_bytes(4 * 10 * 7 * 3, rows=10, vocabulary=7) == 3
    assert frames_for_bytes(1, rows=10, vocabulary=7) == 1
