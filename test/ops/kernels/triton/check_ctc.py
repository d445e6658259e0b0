"""CTC's kernels against torch's own loss in float64."""

import pytest
import torch
from torch import Tensor

from jointst.ops.fused_ctc import fused_ctc_loss
from jointst.ops.kernels.triton import interpreted
from jointst.ops.kernels.triton.ctc import ctc_losses

DEVICE = "cpu" if interpreted() else "cuda"


def plain(logits: Tensor, targets: Tensor, *lengths: Tensor) -> tuple[Tensor, Tensor]:
    """torch's losses in float64 and, of finite ones, the gradients of the logits."""
    leaf = logits.double().cpu().requires_grad_()
    own = leaf.log_softmax(-1).transpose(0, 1), targets.cpu(), *(part.cpu() for part in lengths)
    losses = torch.nn.functional.ctc_loss(*own, reduction="none")
    (grad,) = torch.autograd.grad(losses.where(losses.isfinite(), 0).sum(), leaf)
    return losses.detach(), grad


def problem() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Repeated labels, too few frames, no label, one frame."""
    torch.manual_seed(0)
    targets = torch.tensor([[1, 1, 2, 3, 3], [3, 2, 3, 2, 9], [4, 4, 4, 9, 9], [9] * 5, [2, 9, 9, 9, 9]])
    lengths = torch.tensor([12, 7, 4, 5, 1]), torch.tensor([5, 4, 3, 0, 1])
    logits = 2 * torch.randn(5, 12, 6)
    return logits.to(DEVICE), targets.to(DEVICE), *(part.to(DEVICE) for part in lengths)


def test_value_and_gradient_equal_torchs_and_padding_is_never_read() -> None:
    logits, targets, *lengths = problem()
    expected, wanted = plain(logits, targets.clamp(max=5), *lengths)
    upstream = torch.randn(5).to(DEVICE)
    dirty = logits.clone()
    for b, frames in enumerate(lengths[0].tolist()):
        dirty[b, frames:] = torch.nan
    leaf = dirty.requires_grad_()
    log_probs = leaf.log_softmax(-1)
    losses = fused_ctc_loss(log_probs, targets, lengths[0], lengths[1])
    torch.testing.assert_close(losses.double().cpu(), expected, rtol=1e-6, atol=1e-6)
    assert losses.tolist().count(torch.inf) == 1
    (on_scores,) = torch.autograd.grad(losses, log_probs, upstream, retain_graph=True)
    for b, frames in enumerate(lengths[0].tolist()):
        shares = on_scores[b].sum(-1).cpu()
        assert bool((shares[frames:] == 0).all())
        if expected[b].isfinite():
            torch.testing.assert_close(shares[:frames], -upstream[b].cpu().expand(frames), rtol=1e-5, atol=0)
            (grad,) = torch.autograd.grad(losses[b], leaf, retain_graph=True)
            assert (grad[b, :frames].double().cpu() - wanted[b, :frames]).norm() <= 1e-5 * wanted[b].norm()
        else:
            assert bool((shares == 0).all())
    zeroed = fused_ctc_loss(log_probs, targets, lengths[0], lengths[1], zero_infinity=True)
    assert torch.equal(zeroed, losses.where(losses.isfinite(), 0))
    zeroed.sum().backward()


def test_what_is_not_a_number_and_lengths_that_do_not_fit() -> None:
    logits, targets, *lengths = problem()
    log_probs = logits.log_softmax(-1)
    log_probs[0, 3] = torch.nan
    lengths[0][1], lengths[1][3] = 13, 6
    losses, grad = ctc_losses(log_probs, targets, lengths[0], lengths[1])
    assert losses.isnan().tolist() == [True, True, False, True, False]
    assert grad is not None
    alone, none = ctc_losses(log_probs, targets, lengths[0], lengths[1], wanted=False)
    assert none is None
    assert torch.equal(alone.nan_to_num(), losses.nan_to_num())


@pytest.mark.parametrize(("frames", "labels"), [(60, 20)] if interpreted() else [(400, 60), (1500, 300), (300, 1)])
def test_a_long_utterance(frames: int, labels: int) -> None:
    torch.manual_seed(1)
    logits, targets = torch.randn(2, frames, 50).to(DEVICE), torch.randint(1, 50, (2, labels)).to(DEVICE)
    lengths = torch.tensor([frames, frames - 7]).to(DEVICE), torch.tensor([labels, labels]).to(DEVICE)
    expected, wanted = plain(logits, targets, *lengths)
    leaf = logits.requires_grad_()
    losses = fused_ctc_loss(leaf.log_softmax(-1), targets, *lengths)
    torch.testing.assert_close(losses.double().cpu(), expected, rtol=1e-6, atol=0)
    (grad,) = torch.autograd.grad(losses.sum(), leaf)
    assert (grad.double().cpu() - wanted).norm() <= 1e-5 * wanted.norm()


def test_no_labels_at_all() -> None:
    log_probs = torch.randn(2, 4, 3).log_softmax(-1).to(DEVICE)
    lengths = torch.tensor([4, 2]).to(DEVICE), torch.tensor([0, 0]).to(DEVICE)
    losses, grad = ctc_losses(log_probs, torch.empty(2, 0, dtype=torch.int64, device=DEVICE), *lengths)
    torch.testing.assert_close(losses, -torch.stack([log_probs[0, :, 0].sum(), log_probs[1, :2, 0].sum()]))
    assert grad is not None
    torch.testing.assert_close(grad[..., 0], torch.tensor([[-1.0] * 4, [-1, -1, 0, 0]], device=DEVICE))
    assert bool((grad[..., 1:] == 0).all())
