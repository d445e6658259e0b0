"""The chunked joiner against the plain formulas and autograd."""

import pytest
import torch
from reference.transducer import loss_by_recursion
from torchaudio.functional import rnnt_loss

from jointst.ops.band import Band
from jointst.ops.joint_lattice import frames_for_bytes, joint_lattice
from jointst.ops.transducer import lattice_loss


def plain(encoder, predictor, weight, bias, labels, hat):  # type: ignore[no-untyped-def]
    logits = torch.tanh(encoder[:, :, None] + predictor[:, None]) @ weight.t() + bias
    index = labels[:, None, :, None].expand(-1, logits.shape[1], -1, -1)
    if not hat:
        log_probs = logits.log_softmax(-1)
        return log_probs[..., 0], log_probs[:, :, :-1].gather(3, index).squeeze(3)
    blank = logits[..., 0].sigmoid()
    label = (1 - blank)[..., None] * logits[..., 1:].softmax(-1)
    return blank.log(), label[:, :, :-1].gather(3, index - 1).squeeze(3).log()


def inputs(dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    torch.manual_seed(0)
    shapes = [(2, 5, 4), (2, 4, 4), (6, 4), (6,)]
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


LABELS = torch.tensor([[1, 5, 3], [2, 2, 1]])
LENGTHS = torch.tensor([5, 3]), torch.tensor([1, 3])
BUDGETS = pytest.mark.parametrize("budget", [1, 1800, 10**9], ids=["frame by frame", "two frames", "all kept"])


@pytest.mark.parametrize("hat", [True, False])
@BUDGETS
def test_value_and_gradient_equal_the_plain_formulas(hat: bool, budget: int) -> None:
    ours, theirs = inputs(), inputs()
    got = joint_lattice(*ours, LABELS, hat=hat, lattice_bytes=budget)
    expected = plain(*theirs, LABELS, hat)
    upstream = [torch.randn_like(part) for part in expected]
    for a, b in zip(got, expected, strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-12)
    for _ in range(2):  # a graph may be gone through twice
        torch.autograd.backward(got, upstream, retain_graph=True)
        torch.autograd.backward(expected, upstream, retain_graph=True)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("hat", [True, False])
@pytest.mark.parametrize("budget", [1, 10**9])
def test_gradcheck(hat: bool, budget: int) -> None:
    for lengths in (None, LENGTHS):
        torch.autograd.gradcheck(
            lambda *leaves, lengths=lengths: joint_lattice(
                *leaves, LABELS, hat=hat, lattice_bytes=budget, lengths=lengths
            ),
            tuple(inputs()),
        )


@pytest.mark.parametrize("hat", [True, False])
@BUDGETS
def test_padding_is_never_read(hat: bool, budget: int) -> None:
    def gradients(leaves: list[torch.Tensor], padding: float) -> list[torch.Tensor]:
        encoder, predictor = leaves[0].clone(), leaves[1].clone()
        encoder[1, 3:] = padding
        predictor[0, 2:] = padding
        scores = joint_lattice(encoder, predictor, *leaves[2:], LABELS, hat=hat, lattice_bytes=budget, lengths=LENGTHS)
        losses = lattice_loss(*scores, *LENGTHS)
        return [losses, *torch.autograd.grad(losses.sum(), leaves)]

    clean, dirty = gradients(inputs(torch.float32), 0.0), gradients(inputs(torch.float32), torch.nan)
    for a, b in zip(clean, dirty, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("sharpness", [0.3, 8.0], ids=["broad", "sharp"])
def test_joiner_and_loss_equal_the_full_lattice(sharpness: float) -> None:
    torch.manual_seed(0)
    batch, frames, labels, joint, vocabulary = 2, 60, 12, 16, 20
    targets = torch.randint(1, vocabulary, (batch, labels))
    lengths = torch.tensor([60, 47]), torch.tensor([12, 9])
    shapes = [(batch, frames, joint), (batch, labels + 1, joint), (vocabulary, joint), (vocabulary,)]
    leaves = [torch.randn(shape) for shape in shapes]
    leaves[2] *= sharpness
    ours, theirs = ([leaf.clone().requires_grad_() for leaf in leaves] for _ in range(2))
    scores = joint_lattice(*ours, targets, hat=False, lattice_bytes=200_000, lengths=lengths)
    loss = lattice_loss(*scores, *lengths, reduction="sum")
    # Sharp scores leave most of the lattice with weights that are lost in rounding, where backward does nothing.
    weights = torch.autograd.grad(loss, scores[0], retain_graph=True)[0].abs()
    assert ((weights < 1e-12).float().mean() > 0.7) == (sharpness > 1)
    logits = torch.tanh(theirs[0][:, :, None] + theirs[1][:, None]) @ theirs[2].t() + theirs[3]
    expected = rnnt_loss(logits, targets.int(), *(part.int() for part in lengths), blank=0, reduction="sum")
    exact = [leaf.double().requires_grad_() for leaf in leaves]
    blank, label = plain(*exact, targets, hat=False)
    plainly = sum(loss_by_recursion(blank[b, :t, : u + 1], label[b, :t, :u]) for b, (t, u) in enumerate(zip(*lengths)))
    gradients = [torch.autograd.grad(*pair) for pair in ((loss, ours), (expected, theirs), (plainly, exact))]
    assert loss.item() == pytest.approx(plainly.item(), rel=1e-6)
    for a, b, c in zip(*gradients, strict=True):
        assert (a - c).norm() <= 3e-5 * c.norm()
        assert (a - b).norm() <= 5e-4 * b.norm()  # torchaudio's own error: float32 sums as large as the loss


STARTS = torch.tensor([[0, 0, 1, 2, 2], [0, 1, 1, 2, 2]])
WHOLE_LENGTHS = torch.tensor([5, 4]), torch.tensor([3, 3])


@pytest.mark.parametrize("hat", [True, False])
@BUDGETS
def test_a_band_has_the_scores_and_gradients_of_its_places(hat: bool, budget: int) -> None:
    ours, theirs = inputs(), inputs()
    got = joint_lattice(*ours, LABELS, hat=hat, lattice_bytes=budget, lengths=WHOLE_LENGTHS, band=Band(STARTS, 2, 4))
    blank, label = plain(*theirs, LABELS, hat)
    place = STARTS[:, :, None] + torch.arange(2)
    within = (torch.arange(5) < WHOLE_LENGTHS[0][:, None])[:, :, None].double()
    expected = blank.gather(2, place) * within, label.gather(2, place[..., :1]) * within
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)
    upstream = [torch.randn_like(part) for part in expected]
    torch.autograd.backward(got, upstream)
    torch.autograd.backward(expected, upstream)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("hat", [True, False])
def test_gradcheck_in_a_band(hat: bool) -> None:
    torch.autograd.gradcheck(
        lambda *leaves: joint_lattice(
            *leaves, LABELS, hat=hat, lattice_bytes=1, lengths=WHOLE_LENGTHS, band=Band(STARTS, 2, 4)
        ),
        tuple(inputs()),
    )


@pytest.mark.parametrize("hat", [True, False])
def test_a_band_that_covers_everything_is_the_whole_lattice(hat: bool) -> None:
    band = Band(torch.zeros(2, 5, dtype=torch.int64), 4, 4)
    results = []
    for way in (None, band):
        leaves = inputs(torch.float32)
        scores = joint_lattice(*leaves, LABELS, hat=hat, lattice_bytes=10**9, lengths=LENGTHS, band=way)
        losses = lattice_loss(*scores, *LENGTHS, band=way)
        results.append([losses, *torch.autograd.grad(losses.sum(), leaves)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_in_the_gradient_is_passed_on(wrong: float) -> None:
    leaves = inputs(torch.float32)
    blank, _ = joint_lattice(*leaves, LABELS, hat=True, lattice_bytes=10**9)
    upstream = torch.ones_like(blank)
    upstream[0, 0, 0] = wrong
    blank.backward(upstream)
    grad = leaves[2].grad
    assert grad.isnan().any() if wrong != wrong else not grad.isfinite().all()


def test_frames_for_bytes_counts_logits_and_hidden_arrays() -> None:
    frame = 4 * 10 * (7 + 5 * 3)
    assert frames_for_bytes(3 * frame, rows=10, vocabulary=7, joint=3) == 3
    assert frames_for_bytes(3 * frame - 1, rows=10, vocabulary=7, joint=3) == 2
    assert frames_for_bytes(1, rows=10, vocabulary=7, joint=3) == 1
