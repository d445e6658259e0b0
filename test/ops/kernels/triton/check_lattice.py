"""The lattice's kernels against enumeration of paths and against the recursion in float64."""

import pytest
import torch
from reference.transducer import loss_by_enumeration, loss_by_recursion
from torch import Tensor

from jointst.ops.kernels.triton import interpreted
from jointst.ops.kernels.triton.lattice import lattice_losses
from jointst.ops.transducer import lattice_loss

DEVICE = "cpu" if interpreted() else "cuda"


def scores(batch: int, frames: int, states: int, shift: float = 0.0) -> tuple[Tensor, Tensor]:
    """Of the whole lattice, in float64 on the CPU, with digits that float32 has."""
    torch.manual_seed(0)
    log_probs = (torch.randn(batch, frames, states, 7).log_softmax(-1) - shift).float().double()
    return log_probs[..., 0], log_probs[:, :, :-1, 1]


def in_band(part: Tensor, starts: Tensor, places: int) -> Tensor:
    """(T, U) to the (T, places) that a band keeps, NaN where there is none."""
    padded = torch.cat([part, part.new_full((len(part), int(starts.max()) + places), torch.nan)], 1)
    return padded.gather(1, starts[:, None] + torch.arange(places))


def band_only(blank: Tensor, label: Tensor, starts: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Scores of one utterance with -1000 on the steps that leave the band, whose paths are then lost."""
    frames, states = blank.shape
    s = torch.arange(states) - starts[:, None]
    follows = torch.cat([starts[1:], starts[-1:]])
    s_next = torch.arange(states) - follows[:, None]
    keep = (s >= 0) & (s < width) & (s_next >= 0) & (s_next < width)
    return blank.where(keep, -1e3), label.where(((s >= 0) & (s < width - 1))[:, :-1], -1e3)


def check(got: tuple[Tensor, ...], expected: list[Tensor], leaves: list[list[Tensor]], digits: float) -> None:
    """Losses and gradients of utterances against differentiable references on the same places."""
    for b, loss in enumerate(expected):
        assert got[0][b].item() == pytest.approx(loss.item(), rel=1e-6)
        for ours, theirs in zip(got[1:], torch.autograd.grad(loss, leaves[b])):
            t, u = theirs.shape
            assert (ours[b, :t, :u].cpu().double() - theirs).norm() <= digits * theirs.norm()
            rest = ours[b].clone()
            rest[:t, :u] = 0
            assert bool((rest == 0).all())


@pytest.mark.parametrize("frames", [[4, 2, 1, 3]])
@pytest.mark.parametrize("labels", [[3, 3, 2, 0], [0, 0, 0, 0]])
def test_equals_enumeration_on_ragged_lengths_and_never_reads_padding(frames: list[int], labels: list[int]) -> None:
    blank, label = scores(4, 4, 4)
    dirty = [torch.full_like(part, torch.nan) for part in (blank, label)]
    expected, leaves = [], []
    for b, (t, u) in enumerate(zip(frames, labels)):
        dirty[0][b, :t, : u + 1], dirty[1][b, :t, :u] = blank[b, :t, : u + 1], label[b, :t, :u]
        leaves.append([blank[b, :t, : u + 1].clone().requires_grad_(), label[b, :t, :u].clone().requires_grad_()])
        expected.append(loss_by_enumeration(*leaves[-1]) + 0 * leaves[-1][1].sum())
    lengths = torch.tensor(frames, device=DEVICE), torch.tensor(labels, device=DEVICE)
    got = lattice_losses(*(part.float().to(DEVICE) for part in dirty), *lengths)
    check(got, expected, leaves, 1e-5)  # type: ignore[arg-type]
    losses, *none = lattice_losses(*(part.float().to(DEVICE) for part in dirty), *lengths, wanted=False)
    assert torch.equal(losses, got[0])
    assert none == [None, None]


@pytest.mark.parametrize("width", [3, 5])
def test_a_band_equals_a_lattice_without_the_steps_that_leave_it(width: int) -> None:
    blank, label = scores(3, 7, 6)
    starts = torch.tensor([[0, 0, 2, 2, 3, 3, 4], [0, 1, 1, 3, 0, 9, -1], [0] * 7])
    frames, labels = [7, 4, 5], [5, 5, 0]
    parts: list[list[Tensor]] = [[], []]
    expected, leaves = [], []
    for b, (t, u) in enumerate(zip(frames, labels)):
        own = [blank[b, :t, : u + 1].clone().requires_grad_(), label[b, :t, :u].clone().requires_grad_()]
        expected.append(loss_by_recursion(*band_only(own[0], own[1], starts[b, :t], width)) + 0 * own[1].sum())
        leaves.append(own)
        for part, whole, places in zip(parts, own, (width, width - 1)):
            kept = torch.full((7, places), torch.nan, dtype=torch.float64)
            kept[:t] = in_band(whole.detach(), starts[b, :t], places)
            part.append(kept)
    arguments = [torch.tensor(frames), torch.tensor(labels), starts]
    stacked = [torch.stack(part).float() for part in parts]
    got = lattice_losses(*(part.to(DEVICE) for part in (*stacked, *arguments)), 6)
    for b, (t, loss) in enumerate(zip(frames, expected)):
        assert got[0][b].item() == pytest.approx(loss.item(), rel=1e-6)
        for ours, theirs, places in zip(got[1:], torch.autograd.grad(loss, leaves[b]), (width, width - 1)):
            assert ours is not None
            wanted = torch.zeros(7, places, dtype=torch.float64)
            wanted[:t] = in_band(theirs, starts[b, :t], places).nan_to_num()
            assert (ours[b].cpu().double() - wanted).norm() <= 1e-5 * max(1.0, float(wanted.norm()))


def test_no_path_and_lengths_that_do_not_fit() -> None:
    blank, label = (part.float().to(DEVICE) for part in scores(4, 3, 3))
    starts = torch.tensor([[0, 0, 0], [1, 1, 1], [0, 0, 1], [0, 0, 0]], device=DEVICE)
    lengths = torch.tensor([3, 3, 3, 4], device=DEVICE), torch.tensor([4, 2, 2, 2], device=DEVICE)
    losses, *gradients = lattice_losses(blank, label, *lengths, starts, 5)
    assert losses.tolist()[:2] == [torch.inf, torch.inf]
    assert bool(losses[2].isfinite())
    assert bool(losses[3].isnan())
    assert all(bool((part[:2] == 0).all()) and bool(part[2].isfinite().all()) for part in gradients)
    label[2, :, 0] = -torch.inf  # no path emits the first label
    blank[0, 0, 1] = torch.nan
    losses, *gradients = lattice_losses(blank, label, *(part.clamp(max=2) for part in lengths))
    assert bool(losses[0].isnan())
    assert losses[2].item() == torch.inf
    assert all(bool((part[2] == 0).all()) for part in gradients)


@pytest.mark.parametrize("shift", [0.0, 8.0])
def test_the_gradient_of_a_large_loss_keeps_its_digits(shift: float) -> None:
    frames, labels = (60, 20) if interpreted() else (400, 60)
    blank, label = scores(1, frames, labels + 1, shift)
    leaves = [part[0].clone().requires_grad_() for part in (blank, label)]
    lengths = torch.tensor([frames], device=DEVICE), torch.tensor([labels], device=DEVICE)
    got = lattice_losses(blank.float().to(DEVICE), label.float().to(DEVICE), *lengths)
    check(got, [loss_by_recursion(*leaves)], [leaves], 1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize("labels", [40] if interpreted() else [200, 1100, 2100])
def test_many_labels(labels: int) -> None:
    blank, label = scores(2, 8, labels + 1)
    lengths = torch.tensor([8, 5]), torch.tensor([labels, labels - 9])
    got = lattice_losses(*(part.to(DEVICE) for part in (blank.float(), label.float(), *lengths)))
    for b, (t, u) in enumerate(zip(*(part.tolist() for part in lengths))):
        expected = loss_by_recursion(blank[b, :t, : u + 1], label[b, :t, :u])
        assert got[0][b].item() == pytest.approx(expected.item(), rel=1e-6)
        assert got[1] is not None
        assert torch.allclose(got[1][b, :t].sum(1).cpu(), torch.full((t,), -1.0), atol=1e-4)  # one blank a frame


def test_no_gradient_is_not_a_number_where_the_loss_is_one() -> None:
    for which, t, u in [(0, 2, 0), (0, 2, 2), (0, 0, 2), (1, 2, 0), (1, 0, 1)]:
        leaves = [torch.full((1, 3, places), -1.0, device=DEVICE) for places in (3, 2)]
        leaves[which][0, t, u] = torch.nan
        leaves = [leaf.requires_grad_() for leaf in leaves]
        sizes = (torch.tensor([size], device=DEVICE) for size in (3, 2))
        loss = lattice_loss(*leaves, *sizes).sum()
        loss.backward()
        assert loss.isnan(), (which, t, u)
