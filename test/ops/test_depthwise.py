"""Depthwise convolution over time: every way to go through it gives torch's own numbers."""

import pytest
import torch
from torch.nn.functional import conv1d

from jointst.ops.depthwise import depthwise


def parts(dtype: torch.dtype, frames: int = 9, kernel: int = 4) -> list[torch.Tensor]:
    torch.manual_seed(0)
    shapes = (3, frames + kernel - 1, 5), (5, 1, kernel), (5,)
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize(("frames", "kernel"), [(9, 4), (1, 4), (9, 1), (1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_those_of_torch(dtype: torch.dtype, frames: int, kernel: int) -> None:
    ours, theirs = parts(dtype, frames, kernel), parts(dtype, frames, kernel)
    got = depthwise(*ours)
    expected = conv1d(theirs[0].transpose(1, 2), *theirs[1:], groups=5).transpose(1, 2)
    torch.testing.assert_close(got, expected)
    upstream = torch.randn_like(expected)
    for a, b in zip(torch.autograd.grad(got, ours, upstream), torch.autograd.grad(expected, theirs, upstream)):
        torch.testing.assert_close(a, b)
    with torch.no_grad():
        torch.testing.assert_close(depthwise(*ours), got)


def test_gradcheck_in_float64() -> None:
    assert torch.autograd.gradcheck(depthwise, parts(torch.float64))


def test_views_are_as_good_as_copies() -> None:
    x, weight, bias = (part.detach() for part in parts(torch.float32))
    wide = torch.stack([x, -x], dim=3)[..., 0]  # every other number
    turned = x.transpose(0, 1).contiguous().transpose(0, 1)
    kernel = torch.stack([weight, -weight])[0].transpose(0, 2).contiguous().transpose(0, 2)
    offset = torch.stack([bias, -bias], dim=1)[:, 0]
    expected = depthwise(x, weight, bias)
    for view in (wide, turned):
        assert not view.is_contiguous()
        leaf = view.requires_grad_()
        got = depthwise(leaf, kernel, offset)
        assert torch.equal(got, expected)
        got.sum().backward()  # whose gradient is one number, expanded
        assert leaf.grad is not None
        torch.testing.assert_close(leaf.grad.sum(), weight.sum() * 3 * 9)
