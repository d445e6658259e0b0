"""The duration model: it learns what context says, sums are right, and padding has no influence."""

from __future__ import annotations

import torch

from jointst.durations.predictor import DurationModel, fit, predict


def test_context_is_learned() -> None:
    # Phone 2 is long before phone 3 and short before phone 4.
    phones = [torch.tensor([1, 2, 3]), torch.tensor([1, 2, 4])] * 8
    durations = [torch.tensor([2, 6, 3]), torch.tensor([2, 1, 3])] * 8
    model = fit(phones, durations, 5, dim=16, updates=150, seed=0)
    assert predict(model, phones[:2]) == [[2, 6, 3], [2, 1, 3]]


def test_sums_are_right_on_average() -> None:
    model = DurationModel(3, 8)
    torch.nn.init.zeros_(model.output.weight)
    torch.nn.init.constant_(model.output.bias, -0.7)  # about half a position each
    found = predict(model, [torch.tensor([1, 2] * 10)])[0]
    assert sum(found) == 10
    assert set(found) == {0, 1}


def test_padding_has_no_influence() -> None:
    torch.manual_seed(0)
    model = DurationModel(9, 8).eval()
    short, long = torch.tensor([3, 1, 4]), torch.tensor([1, 5, 8, 2, 6, 5, 3])
    alone = model(short[None], torch.tensor([3]))[0]
    padded = torch.stack([torch.cat([short, torch.tensor([7, 7, 7, 7])]), long])
    assert torch.allclose(model(padded, torch.tensor([3, 7]))[0, :3], alone, atol=1e-6)
