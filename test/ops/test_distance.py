import torch

from jointst.ops.distance import normalise, pairwise_l2


def test_pairwise_l2_equals_cdist() -> None:
    speech, text = torch.randn(3, 7, 16), torch.randn(3, 5, 16)
    assert torch.allclose(pairwise_l2(speech, text), torch.cdist(speech, text), atol=1e-4)


def test_pairwise_l2_is_float32_under_autocast() -> None:
    speech, text = 100 * torch.randn(1, 4, 64), 100 * torch.randn(1, 3, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        distance = pairwise_l2(speech, text)
    assert distance.dtype == torch.float32
    assert torch.allclose(distance, torch.cdist(speech, text), rtol=1e-4)


def test_normalise_ignores_scale_and_shift() -> None:
    states = torch.randn(2, 3, 32)
    assert torch.allclose(normalise(states), normalise(5 * states + 2), atol=1e-4)
