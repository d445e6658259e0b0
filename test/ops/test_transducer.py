"""The two-class lattice against enumeration of paths, and against torchaudio's full lattice."""

import types

import pytest
import torch
from reference.transducer import in_whole_lattice, loss_by_enumeration, loss_by_recursion
from torchaudio.functional import rnnt_loss

from jointst.common.errors import JointstError
from jointst.ops.band import Band
from jointst.ops.transducer import _by_torchaudio, _Lattice, lattice_loss, lattice_occupation


def random_lattice(batch: int, frames: int, labels: int) -> tuple[torch.Tensor, torch.Tensor]:
    log_probs = torch.randn(batch, frames, labels + 1, 7, dtype=torch.float64).log_softmax(-1)
    return log_probs[..., 0], log_probs[:, :, :-1, 1]


@pytest.fixture(params=["as on the CPU", "as on a GPU without Triton"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU as there, and as on a GPU without Triton: tests have none."""
    if "GPU" in request.param:
        monkeypatch.setattr("jointst.ops.transducer._Lattice", types.SimpleNamespace(apply=_by_torchaudio))


@pytest.mark.usefixtures("both_ways")
def test_value_and_gradient_equal_enumeration_on_ragged_lengths() -> None:
    torch.manual_seed(0)
    blank, label = random_lattice(4, 4, 3)
    frames, labels = torch.tensor([4, 2, 1, 3]), torch.tensor([3, 3, 2, 0])
    upstream = torch.randn(4, dtype=torch.float64)
    fast = [blank.float().clone().requires_grad_(), label.float().clone().requires_grad_()]
    slow = [blank.clone().requires_grad_(), label.clone().requires_grad_()]
    losses = lattice_loss(*fast, frames, labels)
    expected = torch.stack(
        [
            loss_by_enumeration(slow[0][b, :t, : u + 1], slow[1][b, :t, :u])
            for b, (t, u) in enumerate(zip(frames, labels))
        ]
    )
    assert torch.allclose(losses.double(), expected, atol=1e-5)
    (losses * upstream.float()).sum().backward()
    (expected * upstream).sum().backward()
    for ours, reference in zip(fast, slow, strict=True):
        assert torch.allclose(ours.grad.double(), reference.grad, atol=1e-5)


@pytest.mark.usefixtures("both_ways")
def test_equals_torchaudios_full_lattice() -> None:
    torch.manual_seed(1)
    batch, frames, labels, vocabulary = 3, 12, 5, 9
    logits = torch.randn(batch, frames, labels + 1, vocabulary)
    targets = torch.randint(1, vocabulary, (batch, labels))
    logit_lengths, target_lengths = torch.tensor([12, 9, 4]), torch.tensor([5, 2, 5])
    full, ours = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    expected = rnnt_loss(full, targets.int(), logit_lengths.int(), target_lengths.int(), blank=0, reduction="none")
    log_probs = ours.log_softmax(-1)
    index = targets[:, None, :, None].expand(-1, frames, -1, -1)
    label = log_probs[:, :, :-1].gather(3, index).squeeze(3)
    losses = lattice_loss(log_probs[..., 0], label, logit_lengths, target_lengths)
    assert torch.allclose(losses, expected, atol=1e-4)
    losses.sum().backward()
    expected.sum().backward()
    assert torch.allclose(ours.grad, full.grad, atol=1e-4)


@pytest.mark.usefixtures("both_ways")
def test_more_labels_than_frames_and_no_label_at_all() -> None:
    blank, label = random_lattice(2, 2, 5)
    losses = lattice_loss(blank.float(), label.float(), torch.tensor([2, 1]), torch.tensor([5, 0]))
    assert losses[0].item() == pytest.approx(loss_by_enumeration(blank[0], label[0]).item(), rel=1e-5)
    assert losses[1].item() == pytest.approx(-blank[1, 0, 0].item(), rel=1e-5)


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("width", [0, 3])
def test_a_batch_without_labels(width: int) -> None:
    blank, label = random_lattice(2, 4, width)
    leaf = blank.float().clone().requires_grad_()
    losses = lattice_loss(leaf, label.float(), torch.tensor([4, 2]), torch.tensor([0, 0]))
    assert losses.tolist() == pytest.approx([-blank[0, :, 0].sum().item(), -blank[1, :2, 0].sum().item()], rel=1e-5)
    losses.sum().backward()
    assert leaf.grad[1, :, 0].tolist() == [-1, -1, 0, 0]


def test_gradcheck_in_float64() -> None:
    torch.manual_seed(6)
    leaves = [part.requires_grad_() for part in random_lattice(3, 4, 3)]
    lengths = torch.tensor([4, 2, 3]), torch.tensor([3, 0, 2])
    assert torch.autograd.gradcheck(lambda *scores: lattice_loss(*scores, *lengths), leaves)


def test_both_ways_to_go_through_the_lattice_agree() -> None:
    torch.manual_seed(7)
    lengths = torch.tensor([9, 12, 3]), torch.tensor([5, 2, 4])
    results = []
    for way in (_Lattice.apply, _by_torchaudio):
        torch.manual_seed(8)
        leaves = [part.float().requires_grad_() for part in random_lattice(3, 12, 5)]
        losses = way(*leaves, *lengths, None, False)[0]
        results.append([losses, *torch.autograd.grad(losses.sum(), leaves)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_what_is_not_a_number_and_what_cannot_be_comes_out() -> None:
    blank, label = (part.float() for part in random_lattice(2, 3, 2))
    blank[0, 1, 1] = torch.nan
    label[1, :, 0] = -torch.inf  # no path emits the first label
    losses = lattice_loss(blank, label, torch.tensor([3, 3]), torch.tensor([2, 2]))
    assert torch.isnan(losses[0])
    assert losses[1] == torch.inf


def test_no_gradient_is_not_a_number_where_the_loss_is_one() -> None:
    for which, t, u in [(kind, t, u) for kind in (0, 1) for t in range(3) for u in range(3 - kind)]:
        leaves = [score.float() for score in random_lattice(1, 3, 2)]
        leaves[which][0, t, u] = torch.nan
        leaves = [leaf.requires_grad_() for leaf in leaves]
        loss = lattice_loss(*leaves, torch.tensor([3]), torch.tensor([2])).sum()
        loss.backward()
        assert loss.isnan(), (which, t, u)


@pytest.mark.usefixtures("both_ways")
def test_fastemit_scales_the_label_gradient_alone() -> None:
    blank, label = (part.float() for part in random_lattice(2, 5, 3))
    lengths = torch.tensor([5, 4]), torch.tensor([3, 1])
    gradients = []
    for scale in (0.0, 0.5):
        leaves = blank.clone().requires_grad_(), label.clone().requires_grad_()
        loss = lattice_loss(*leaves, *lengths, fastemit=scale).sum()
        loss.backward()
        gradients.append((loss.item(), leaves[0].grad, leaves[1].grad))
    assert gradients[0][0] == gradients[1][0]
    assert torch.equal(gradients[0][1], gradients[1][1])
    assert torch.allclose(1.5 * gradients[0][2], gradients[1][2])


def test_refuses_lengths_that_do_not_fit() -> None:
    blank, label = random_lattice(2, 4, 3)
    with pytest.raises(JointstError, match="do not fit 4 frames"):
        lattice_loss(blank, label, torch.tensor([5, 4]), torch.tensor([3, 1]))
    with pytest.raises(JointstError, match="log_label is"):
        lattice_loss(blank, label[:, :, :-1], torch.tensor([4, 4]), torch.tensor([3, 1]))


@pytest.mark.usefixtures("both_ways")
def test_padding_is_never_looked_at() -> None:
    torch.manual_seed(2)
    clean = [part.float() for part in random_lattice(3, 6, 4)]
    lengths = torch.tensor([6, 2, 4]), torch.tensor([0, 3, 2])
    dirty = [part.clone() for part in clean]
    for b, (t, u) in enumerate(zip(*lengths, strict=True)):
        for part, places in zip(dirty, (u + 1, u), strict=True):
            part[b, t:] = torch.nan
            part[b, :, places:] = torch.nan
    results = []
    for parts in (clean, dirty):
        leaves = [part.requires_grad_() for part in parts]
        losses = lattice_loss(*leaves, *lengths, fastemit=0.1)
        results.append([losses, *torch.autograd.grad(losses.sum(), leaves)])
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


@pytest.mark.usefixtures("both_ways")
def test_reductions() -> None:
    blank, label = (part.float() for part in random_lattice(3, 5, 3))
    arguments = blank, label, torch.tensor([5, 4, 1]), torch.tensor([3, 0, 2])
    losses = lattice_loss(*arguments)
    assert torch.equal(lattice_loss(*arguments, reduction="sum"), losses.sum())
    assert torch.equal(lattice_loss(*arguments, reduction="mean"), losses.mean())
    with pytest.raises(JointstError, match="reduction is 'max'"):
        lattice_loss(*arguments, reduction="max")  # type: ignore[arg-type]


def test_recursion_equals_enumeration() -> None:
    blank, label = random_lattice(1, 4, 3)
    torch.testing.assert_close(loss_by_recursion(blank[0], label[0]), loss_by_enumeration(blank[0], label[0]))


@pytest.mark.usefixtures("both_ways")
def test_the_gradient_of_a_large_loss_keeps_its_digits() -> None:
    torch.manual_seed(4)
    blank, label = (part - 8 for part in random_lattice(1, 60, 20))  # a loss of some 700
    leaves = [part.float().requires_grad_() for part in (blank, label)]
    exact = [part.detach().double().requires_grad_() for part in leaves]
    loss = lattice_loss(*leaves, torch.tensor([60]), torch.tensor([20]))
    expected = loss_by_recursion(exact[0][0], exact[1][0])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    pairs = zip(torch.autograd.grad(loss.sum(), leaves), torch.autograd.grad(expected, exact), strict=True)
    assert all((ours - theirs).norm() < 5e-6 * theirs.norm() for ours, theirs in pairs)


def banded(seed: int) -> tuple[list[torch.Tensor], torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Scores of three ragged utterances in bands of 4 places, with starts that have paths."""
    torch.manual_seed(seed)
    frames, labels = torch.tensor([9, 5, 3]), torch.tensor([7, 2, 6])
    starts = torch.tensor([[0, 0, 2, 2, 3, 4, 4, 4, 4], [0] * 9, [0, 2, 3] + [3] * 6])
    scores = torch.randn(3, 9, 4, 5, dtype=torch.float64).log_softmax(-1)
    return [scores[..., 0], scores[:, :, :-1, 1]], starts, (frames, labels)


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("scale", [1.0, 400.0], ids=["near", "far apart"])
def test_a_band_counts_the_paths_inside_it_alone(scale: float) -> None:
    scores, starts, lengths = banded(0)
    fast, slow = ([(scale * part).requires_grad_() for part in scores] for _ in range(2))
    losses = lattice_loss(*fast, *lengths, band=Band(starts, 4, 8))
    whole = [
        in_whole_lattice(slow[0][b, :t], slow[1][b, :t], starts[b, :t], int(u))
        for b, (t, u) in enumerate(zip(*lengths, strict=True))
    ]
    expected = torch.stack([loss_by_enumeration(*parts) for parts in whole])
    torch.testing.assert_close(losses.double(), expected, atol=1e-4, rtol=1e-5)
    upstream = torch.randn(3, dtype=torch.float64)
    gradients = [
        torch.autograd.grad((total.double() * upstream).sum(), leaves)
        for total, leaves in ((losses, fast), (expected, slow))
    ]
    for ours, reference in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-5, rtol=1e-4)


def test_gradcheck_in_a_band() -> None:
    scores, starts, lengths = banded(1)
    leaves = [part.requires_grad_() for part in scores]
    assert torch.autograd.gradcheck(lambda *parts: lattice_loss(*parts, *lengths, band=Band(starts, 4, 8)), leaves)


def test_a_band_without_a_path_costs_infinity_and_has_no_gradient() -> None:
    scores, starts, lengths = banded(2)
    starts[0] = 0  # of 7 labels 3 fit
    leaves = [part.requires_grad_() for part in scores]
    losses = lattice_loss(*leaves, *lengths, band=Band(starts, 4, 8))
    assert losses[0] == torch.inf
    assert losses[1:].isfinite().all()
    for gradient in torch.autograd.grad(losses.sum(), leaves):
        assert not gradient[0].any()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("spread", [1.0, 60.0, 2000.0], ids=["near", "apart", "beyond float64"])
def test_sums_of_probabilities_equal_sums_of_logarithms_however_far_scores_are_apart(spread: float) -> None:
    torch.manual_seed(9)
    blank, label = (
        -spread * torch.rand(2, 40, 13, dtype=torch.float64),
        -spread * torch.rand(2, 40, 12, dtype=torch.float64),
    )
    leaves = [part.requires_grad_() for part in (blank, label)]
    losses = lattice_loss(*leaves, torch.tensor([40, 31]), torch.tensor([12, 7]))
    expected = torch.stack(
        [loss_by_recursion(blank[0], label[0]), loss_by_recursion(blank[1, :31, :8], label[1, :31, :7])]
    )
    torch.testing.assert_close(losses, expected)
    pairs = (torch.autograd.grad(total.sum(), leaves, retain_graph=True) for total in (losses, expected))
    for ours, reference in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-9, rtol=1e-6)


def test_impossible_beginnings_that_are_likely_do_not_hide_the_paths() -> None:
    """A place that leads nowhere holds nearly all of each frame: what is left must not be lost in rounding."""
    blank, label = torch.full((1, 30, 3), -1.0, dtype=torch.float64), torch.full((1, 30, 2), -1.0, dtype=torch.float64)
    blank[0, :, 1:] = -60.0
    label[0, :, 1] = torch.linspace(-900, -800, 30)
    blank[0, -1, 0] = -torch.inf
    leaves = [part.requires_grad_() for part in (blank, label)]
    loss = lattice_loss(*leaves, torch.tensor([30]), torch.tensor([2]))
    expected = loss_by_recursion(blank[0], label[0])
    torch.testing.assert_close(loss[0], expected)
    pairs = (torch.autograd.grad(total.sum(), leaves, retain_graph=True) for total in (loss, expected))
    for ours, reference in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-9, rtol=1e-6)


@pytest.mark.usefixtures("both_ways")
def test_occupation_counts_every_blank_and_label_once() -> None:
    torch.manual_seed(3)
    blank, label = (part.float().requires_grad_() for part in random_lattice(2, 8, 5))
    lengths = torch.tensor([6, 4]), torch.tensor([5, 2])
    losses, on_blank, on_label = lattice_occupation(blank, label, *lengths)
    assert torch.equal(losses, lattice_loss(blank, label, *lengths))
    assert on_blank.shape == blank.shape
    assert on_label.shape == label.shape
    in_time = torch.arange(8) < lengths[0][:, None]
    torch.testing.assert_close(on_blank.sum(2), in_time.float())
    torch.testing.assert_close(on_label.sum(1), (torch.arange(5) < lengths[1][:, None]).float())
    gradient = torch.autograd.grad(losses.sum(), blank)[0]
    torch.testing.assert_close(gradient, -on_blank)
