"""The additive joiner's lattice against the logits it stands for."""

import pytest
import torch

from jointst.ops.additive_lattice import additive_lattice


def plain(encoder, predictor, labels, hat):  # type: ignore[no-untyped-def]
    logits = encoder[:, :, None] + predictor[:, None]  # (B, T, U+1, V)
    index = labels[:, None, :, None].expand(-1, logits.shape[1], -1, -1)
    if not hat:
        log_probs = logits.log_softmax(-1)
        return log_probs[..., 0], log_probs[:, :, :-1].gather(3, index).squeeze(3)
    blank = torch.nn.functional.logsigmoid(logits[..., 0])
    label = torch.nn.functional.logsigmoid(-logits[..., :1]) + logits[..., 1:].log_softmax(-1)
    return blank, label[:, :, :-1].gather(3, index - 1).squeeze(3)


@pytest.mark.parametrize("hat", [True, False])
@pytest.mark.parametrize("labels", [0, 3])
def test_scores_and_gradients_are_those_of_the_logits(hat: bool, labels: int) -> None:
    torch.manual_seed(0)
    sides = [torch.randn(2, 5, 7, dtype=torch.float64), torch.randn(2, labels + 1, 7, dtype=torch.float64)]
    targets = torch.randint(1, 7, (2, labels))
    ours, theirs = ([side.clone().requires_grad_() for side in sides] for _ in range(2))
    got, expected = additive_lattice(*ours, targets, hat=hat), plain(*theirs, targets, hat)
    upstream = [torch.randn_like(part) for part in expected]
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)
    torch.autograd.backward(got, upstream)
    torch.autograd.backward(expected, upstream)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("hat", [True, False])
def test_labels_far_apart_stay_finite(hat: bool) -> None:
    encoder, predictor = torch.zeros(1, 2, 5), torch.zeros(1, 3, 5)
    encoder[..., 1], predictor[..., 2] = 300.0, 300.0
    encoder.requires_grad_()
    scores = additive_lattice(encoder, predictor, torch.tensor([[3, 4]]), hat=hat)
    sum(part.sum() for part in scores).backward()
    assert all(part.isfinite().all() for part in (*scores, encoder.grad))
