"""What only compiled kernels can show: each configuration is right, real sizes are, and nothing waits for the GPU."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from jointst.ops.fused_joiner import fused_joint_lattice
from jointst.ops.kernels.triton import common, joiner
from jointst.ops.kernels.triton.hidden import hidden, next_labels
from jointst.ops.kernels.triton.lattice import lattice_losses

BATCH, FRAMES, LABELS, JOINT, VOCABULARY = 2, 50, 13, 200, 501
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])


@pytest.fixture(autouse=True)
def exact_products() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


def inputs(dtype: torch.dtype) -> tuple[list[Tensor], Tensor, tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    encoder, predictor = (torch.randn(BATCH, n, JOINT).to("cuda", dtype) for n in (FRAMES, LABELS + 1))
    weight, bias = torch.randn(VOCABULARY, JOINT).cuda() * 0.3, torch.randn(VOCABULARY).cuda()
    lengths = torch.tensor([FRAMES, FRAMES - 9]).cuda(), torch.tensor([LABELS - 2, LABELS]).cuda()
    return [encoder, predictor, weight, bias], torch.randint(1, VOCABULARY, (BATCH, LABELS)).cuda(), lengths


def exact(leaves: list[Tensor], labels: Tensor, lengths: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """HAT's scores in float64 by the formulas."""
    encoder, predictor, weight, bias = leaves
    logits = torch.tanh(encoder[:, :, None] + predictor[:, None]) @ weight.t() + bias
    rest = logits[..., 1:].log_softmax(-1) + torch.nn.functional.logsigmoid(-logits[..., :1])
    label = rest[:, :, :-1].gather(3, labels[:, None, :, None].expand(-1, FRAMES, -1, -1) - 1).squeeze(3)
    frames, states = torch.arange(FRAMES, device="cuda"), torch.arange(LABELS + 1, device="cuda")
    valid = (frames < lengths[0][:, None])[:, :, None] & (states <= lengths[1][:, None])[:, None]
    blank = torch.nn.functional.logsigmoid(logits[..., 0])
    return blank.where(valid, 0), label.where(valid[:, :, 1:], 0)


@pytest.mark.parametrize(
    ("dtype", "which"),
    [
        (dtype, which)
        for dtype in (torch.float32, torch.bfloat16)
        for which in range(len(joiner.SCORES[dtype.itemsize]))
    ],
)
def test_each_configuration(dtype: torch.dtype, which: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for configs in (joiner.SCORES, joiner.GRADIENT):
        own = configs[dtype.itemsize]
        monkeypatch.setitem(configs, dtype.itemsize, [own[which % len(own)]])
    monkeypatch.setattr(common, "_CHOSEN", {})
    check_whole(dtype)


def check_whole(dtype: torch.dtype) -> None:
    leaves, labels, lengths = inputs(dtype)
    ours = [leaf.clone().requires_grad_() for leaf in leaves]
    theirs = [leaf.double().requires_grad_() for leaf in leaves]
    got = fused_joint_lattice(
        *ours, labels, hat=True, logit_lengths=lengths[0], target_lengths=lengths[1], budget_bytes=10**6
    )
    expected = exact(theirs, labels, lengths)
    upstream = [torch.randn_like(part) for part in got]
    torch.autograd.backward(got, upstream)
    torch.autograd.backward(expected, [part.double() for part in upstream])
    digits = 1e-5 if dtype == torch.float32 else 0.01
    for a, b in zip((*got, *(leaf.grad for leaf in ours)), (*expected, *(leaf.grad for leaf in theirs))):
        assert (a.double() - b).norm() <= digits * b.norm()


@DTYPES
def test_the_chosen_configuration(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joiner, "ENOUGH_ROWS", 1)
    check_whole(dtype)
    assert any(key[1] == dtype for key in common._CHOSEN)


def test_nothing_waits_for_the_gpu() -> None:
    leaves, labels, lengths = inputs(torch.bfloat16)
    starts = (torch.arange(FRAMES, device="cuda") // 5).clamp(max=LABELS - 4).expand(BATCH, -1)

    def step() -> list[Tensor]:
        results = []
        for band in (None, starts):
            own = [leaf.detach().requires_grad_() for leaf in leaves]
            kept = {} if band is None else {"starts": band, "width": 5}
            got = fused_joint_lattice(
                *own, labels, hat=True, logit_lengths=lengths[0], target_lengths=lengths[1], budget_bytes=10**6, **kept
            )
            losses, *gradients = lattice_losses(*got, *lengths, band, None if band is None else LABELS + 1)
            results += [losses, *torch.autograd.grad(got, own, gradients)]
        return results

    first = step()  # compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        second = step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(torch.equal(a, b) for a, b in zip(first, second))  # and the same batch gives the same digits
    assert bool(first[0].isfinite().all())
    assert bool((first[5] >= first[0]).all())


def test_a_chunk_of_more_than_two_to_the_31_elements() -> None:
    batch, frames, labels, joint, vocabulary = 8, 300, 256, 64, 4096
    encoder, predictor = (torch.randn(batch, n, joint, device="cuda").bfloat16() for n in (frames, labels + 1))
    weight, bias = torch.randn(vocabulary, joint, device="cuda").bfloat16(), torch.zeros(vocabulary, device="cuda")
    targets = torch.randint(1, vocabulary, (batch, labels), device="cuda")
    lengths = torch.full((batch,), frames, device="cuda"), torch.full((batch,), labels, device="cuda")
    codes = next_labels(targets, *lengths, frames, labels + 1)
    rows = hidden(encoder, predictor, codes)
    scores = [torch.zeros(batch, frames, n, device="cuda") for n in (labels + 1, labels, labels + 1)]
    joiner.joiner_scores(rows, weight, bias, codes, tuple(scores), hat=False)  # type: ignore[arg-type]
    out = rows.new_zeros(len(rows), vocabulary)
    assert out.numel() > 2**31
    upstream = *(torch.ones_like(part) for part in scores[:2]), torch.zeros(batch, device="cuda")
    partial = torch.zeros(-(-len(rows) // joiner.ROWS_OF_BLOCK), vocabulary, device="cuda")
    joiner.joiner_gradient(rows, weight, bias, codes, scores[2], upstream, out, partial, hat=False)
    last = slice(len(rows) - 1000, len(rows))
    softmax = (rows[last].float() @ weight.float().t() + bias).softmax(1)
    assert torch.allclose(scores[0].flatten()[last], softmax[:, 0].log(), atol=1e-3)
    code = codes.flatten()[last].long()
    wanted = -(1 + (code > 0))[:, None] * softmax
    wanted[:, 0] += 1
    wanted.scatter_add_(1, code[:, None], (code > 0)[:, None].float())
    assert torch.allclose(out[last].float(), wanted, atol=1e-2)
