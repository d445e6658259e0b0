"""Hidden layer, scores and gradients of the fused joiner against plain torch."""

import pytest
import torch
from torch.nn.functional import pad

from jointst.ops.fused_joiner import fused_joint_lattice
from jointst.ops.kernels.triton import interpreted
from jointst.ops.kernels.triton.hidden import hidden, hidden_backward, next_labels
from jointst.ops.kernels.triton.joiner import ROWS_OF_BLOCK, joiner_gradient, joiner_scores
from jointst.ops.kernels.triton.lattice import lattice_losses

DEVICE = "cpu" if interpreted() else "cuda"
LENGTHS = torch.tensor([9, 4, 6], device=DEVICE), torch.tensor([4, 5, 0], device=DEVICE)
STARTS = torch.tensor([[0, 0, 0, 1, 2, 2, 2, 2, 2], [0, 1, 3, 3, 0, 9, -1, 3, 0], [0] * 9], device=DEVICE)
WIDTH = 3
"""The second utterance has 4 frames: what starts hold beyond must not matter."""
SIZES = (16, 40) if interpreted() else (37, 70)  # compiled, each other size costs another choice of configuration
BANDS = pytest.mark.parametrize("band", [False, True], ids=["lattice", "band"])
HATS = pytest.mark.parametrize("hat", [False, True], ids=["rnnt", "hat"])


def problem(joint: int = SIZES[0], vocabulary: int = SIZES[1]) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Joiner inputs of three utterances of 9 frames and 5 labels, and labels."""
    torch.manual_seed(0)
    shapes = [(3, 9, joint), (3, 6, joint), (vocabulary, joint), (vocabulary,)]
    return [torch.randn(shape).to(DEVICE) for shape in shapes], torch.randint(1, vocabulary, (3, 5)).to(DEVICE)


def places(band: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Labels emitted at each place (B, T, S), which places are valid, and which have a label step."""
    width = WIDTH if band else 6
    states = torch.arange(width, device=DEVICE) + (STARTS[:, :, None] if band else torch.zeros_like(STARTS)[:, :, None])
    frames, labels = LENGTHS
    valid = (torch.arange(9, device=DEVICE) < frames[:, None])[:, :, None] & (states <= labels[:, None, None])
    step = valid & (states < labels[:, None, None])
    return states, valid, step & (torch.arange(width, device=DEVICE) < width - 1)


def plain(leaves: list[torch.Tensor], labels: torch.Tensor, hat: bool, band: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores (B, T, S) and (B, T, S-1) by the formulas."""
    encoder, predictor, weight, bias = leaves
    states, valid, step = places(band)
    picked = predictor[torch.arange(3, device=DEVICE)[:, None, None], states.clamp(0, 5)]
    logits = torch.tanh(encoder[:, :, None] + picked) @ weight.t() + bias
    follows = pad(labels, (0, 1), value=1)[torch.arange(3, device=DEVICE)[:, None, None], states.clamp(0, 5)]
    if hat:
        blank = torch.nn.functional.logsigmoid(logits[..., 0])
        rest = logits[..., 1:].log_softmax(-1) + torch.nn.functional.logsigmoid(-logits[..., :1])
        label = rest.gather(3, follows[..., None] - 1).squeeze(3)
    else:
        log_probs = logits.log_softmax(-1)
        blank, label = log_probs[..., 0], log_probs.gather(3, follows[..., None]).squeeze(3)
    return blank.where(valid, 0), label.where(step, 0)[..., :-1]


def arguments(band: bool) -> dict[str, object]:
    lengths = {"logit_lengths": LENGTHS[0], "target_lengths": LENGTHS[1]}
    return {**lengths, "starts": STARTS, "width": WIDTH} if band else lengths


@BANDS
def test_next_labels(band: bool) -> None:
    _, labels = problem()
    states, valid, step = places(band)
    codes = next_labels(labels, *LENGTHS, 9, states.shape[2], STARTS if band else None)
    for b, t, s in valid.cpu().nonzero().tolist():
        assert codes[b, t, s] == (labels[b, states[b, t, s]] if step[b, t, s] else 0)
    assert bool((codes[~valid] == -1).all())


@BANDS
@pytest.mark.parametrize("chunk", [(0, 9), (2, 5)])
def test_hidden_and_its_gradient(band: bool, chunk: tuple[int, int]) -> None:
    (encoder, predictor, *_), labels = problem()
    encoder[0, 3, :3] = torch.tensor([torch.inf, -torch.inf, 60.0])
    states, valid, _ = places(band)
    codes, starts = (
        next_labels(labels, *LENGTHS, 9, states.shape[2], STARTS if band else None),
        STARTS if band else None,
    )
    leaves = encoder.double().requires_grad_(), predictor.double().requires_grad_()
    picked = leaves[1][torch.arange(3, device=DEVICE)[:, None, None], states.clamp(0, 5)]
    expected = torch.tanh(leaves[0][:, :, None] + picked) * valid[..., None]
    expected = expected[:, chunk[0] : chunk[1]].reshape(-1, SIZES[0])
    dirty = encoder.clone(), predictor.clone()
    dirty[0][1, 4:], dirty[1][2, 1:] = torch.nan, torch.nan  # padding
    got = hidden(*dirty, codes, starts, chunk)
    torch.testing.assert_close(got.double(), expected.detach(), rtol=0, atol=5e-7)
    upstream = torch.randn_like(got)
    before = torch.randn_like(predictor)
    grads = torch.full_like(encoder, 7.0), before.clone()
    hidden_backward(upstream * (got != 0), got, *grads, states.shape[2], starts, chunk)
    wanted = torch.autograd.grad(expected, leaves, upstream.double())
    torch.testing.assert_close(grads[0][:, slice(*chunk)].double(), wanted[0][:, slice(*chunk)], rtol=0, atol=1e-5)
    torch.testing.assert_close((grads[1] - before).double(), wanted[1], rtol=0, atol=1e-5)
    assert bool((grads[0][:, : chunk[0]] == 7).all())
    assert bool((grads[0][:, chunk[1] :] == 7).all())


@BANDS
@HATS
@pytest.mark.parametrize(("joint", "vocabulary"), [(37, 70), (64, 128)], ids=["odd", "even"])
def test_scores_and_gradient_of_logits(band: bool, hat: bool, joint: int, vocabulary: int) -> None:
    leaves, labels = problem(joint, vocabulary)
    states, valid, _ = places(band)
    starts = STARTS if band else None
    codes = next_labels(labels, *LENGTHS, 9, states.shape[2], starts)
    chunk = 1, 8
    rows = hidden(leaves[0], leaves[1], codes, starts, chunk)
    exact = [leaf.double().requires_grad_() for leaf in leaves]
    expected = plain(exact, labels, hat, band)
    scores = [torch.full_like(part, 7.0, dtype=torch.float32) for part in (*expected, expected[0])]
    joiner_scores(rows, *leaves[2:], codes, (scores[0], scores[1], scores[2]), hat=hat, frames=chunk)
    for ours, theirs in zip(scores, expected):
        torch.testing.assert_close(ours[:, slice(*chunk)].double(), theirs[:, slice(*chunk)], rtol=0, atol=1e-5)
        assert bool((ours[:, 0] == 7).all())
        assert bool((ours[:, 8] == 7).all())
    upstream = [torch.randn_like(part, dtype=torch.float32) for part in expected]
    for part in upstream:
        part[:, 0], part[:, 8] = 0, 0
    out = torch.full((len(rows), vocabulary + 3), 7.0, device=DEVICE)
    bias = torch.ones(len(rows) // ROWS_OF_BLOCK + 1, vocabulary, device=DEVICE)
    least = torch.full((3,), 1e-3, device=DEVICE)
    joiner_gradient(
        rows, *leaves[2:], codes, scores[2], (*upstream, least), out[:, :vocabulary], bias, hat=hat, frames=chunk
    )
    _, _, grad_weight, grad_bias = torch.autograd.grad(expected, exact, [part.double() for part in upstream])
    torch.testing.assert_close((out[:, :vocabulary].t() @ rows).double(), grad_weight, rtol=0, atol=5e-3)
    torch.testing.assert_close(bias.sum(0).double() - len(bias), grad_bias, rtol=0, atol=5e-3)
    torch.testing.assert_close(bias.sum(0) - len(bias), out[:, :vocabulary].sum(0), rtol=0, atol=1e-4)
    assert bool((out[:, vocabulary:] == 7).all())
    assert bool((out[:, :vocabulary][~valid[:, slice(*chunk)].reshape(-1)] == 0).all())


@BANDS
@HATS
@pytest.mark.parametrize("budget", [10_000, 10**9], ids=["some frames", "one chunk"])
def test_value_and_gradient_equal_the_plain_formulas(band: bool, hat: bool, budget: int) -> None:
    leaves, labels = problem()
    ours = [leaf.clone().requires_grad_() for leaf in leaves]
    exact = [leaf.double().requires_grad_() for leaf in leaves]
    got = fused_joint_lattice(*ours, labels, hat=hat, budget_bytes=budget, **arguments(band))  # type: ignore[arg-type]
    expected = plain(exact, labels, hat, band)
    upstream = [torch.randn_like(part) for part in got]
    for _ in range(2):  # a graph may be gone through twice
        torch.autograd.backward(got, upstream, retain_graph=True)
        torch.autograd.backward(expected, [part.double() for part in upstream], retain_graph=True)
    for a, b in zip((*got, *(leaf.grad for leaf in ours)), (*expected, *(leaf.grad for leaf in exact))):
        torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=1e-5)


@BANDS
@HATS
def test_half_precision(band: bool, hat: bool) -> None:
    leaves, labels = problem(48, 70)
    leaves[:2] = [leaf.bfloat16() for leaf in leaves[:2]]
    ours = [leaf.clone().requires_grad_() for leaf in leaves]
    exact = [leaf.double().requires_grad_() for leaf in leaves]
    got = fused_joint_lattice(*ours, labels, hat=hat, budget_bytes=10**5, **arguments(band))  # type: ignore[arg-type]
    expected = plain(exact, labels, hat, band)
    assert all(part.dtype == torch.float32 for part in got)
    upstream = [torch.randn_like(part) for part in got]
    torch.autograd.backward(got, upstream)
    torch.autograd.backward(expected, [part.double() for part in upstream])
    for a, b in zip((*got, *(leaf.grad for leaf in ours)), (*expected, *(leaf.grad for leaf in exact))):
        assert (a.double() - b).norm() < 0.01 * b.norm()
    assert [leaf.grad.dtype for leaf in ours] == [leaf.dtype for leaf in leaves]


@BANDS
def test_padding_is_never_read(band: bool) -> None:
    leaves, labels = problem()
    results = []
    for padding in (0.0, torch.nan):
        own = [leaf.clone() for leaf in leaves]
        own[0][1, 4:], own[0][2, 6:], own[1][0, 5:], own[1][2, 1:] = padding, padding, padding, padding
        own = [leaf.requires_grad_() for leaf in own]
        got = fused_joint_lattice(*own, labels, hat=True, budget_bytes=10**9, **arguments(band))  # type: ignore[arg-type]
        results.append([*got, *torch.autograd.grad((got[0] * 2).sum() + got[1].sum(), own)])
    assert all(torch.equal(a, b) for a, b in zip(*results))
    assert bool((results[1][2][1, 4:] == 0).all())
    assert bool((results[1][3][2, 1:] == 0).all())


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_in_the_gradient_is_passed_on(wrong: float) -> None:
    leaves, labels = problem()
    ours = [leaf.requires_grad_() for leaf in leaves]
    blank, _ = fused_joint_lattice(*ours, labels, hat=True, budget_bytes=10**9, **arguments(False))  # type: ignore[arg-type]
    upstream = torch.ones_like(blank)
    upstream[0, 0, 0] = wrong
    blank.backward(upstream)
    assert not ours[2].grad.isfinite().all()


def test_rows_lost_in_rounding_are_left_out() -> None:
    leaves, labels = problem()
    ours = [leaf.requires_grad_() for leaf in leaves]
    blank, _ = fused_joint_lattice(*ours, labels, hat=True, budget_bytes=10**9, **arguments(False))  # type: ignore[arg-type]
    upstream = torch.full_like(blank, 1e-12)
    upstream[0, 0, 0] = 1.0
    blank.backward(upstream)
    assert bool((ours[0].grad[0, 0] != 0).all())
    assert bool((ours[0].grad[0, 1:] == 0).all())
    assert bool((ours[0].grad[1, :4] != 0).all())  # another utterance is measured by its own largest


def test_without_labels_the_one_path_is_blank_in_every_frame() -> None:
    (encoder, predictor, weight, bias), labels = problem()
    lengths = LENGTHS[0], torch.zeros_like(LENGTHS[1])
    leaves = [part.requires_grad_() for part in (encoder, predictor[:, :1].contiguous(), weight, bias)]
    blank, label = fused_joint_lattice(
        *leaves, labels[:, :0], hat=True, logit_lengths=lengths[0], target_lengths=lengths[1], budget_bytes=10**6
    )
    assert label.shape == (3, 9, 0)
    losses, on_blank, on_label = lattice_losses(blank, label, *lengths)
    torch.testing.assert_close(losses, -blank.sum((1, 2)))
    assert on_blank is not None
    valid = torch.arange(9, device=DEVICE) < lengths[0][:, None]
    torch.testing.assert_close(on_blank[..., 0], -valid.float())
    grads = torch.autograd.grad([blank, label], leaves, [on_blank, on_label])
    logits = torch.tanh(leaves[0] + leaves[1]) @ weight[0] + bias[0]
    expected = torch.autograd.grad(-torch.nn.functional.logsigmoid(logits)[valid].sum(), leaves)
    for a, b in zip(grads, expected):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
