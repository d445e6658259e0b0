import pytest
import torch

from jointst.common.errors import JointstError
from jointst.ops import distance
from jointst.ops.distance import DISTANCES, normalise, pairwise_distance, pairwise_l2


def expected(kind: str, speech: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Pair by pair."""
    s, t = speech[:, :, None], text[:, None]
    if kind == "cosine":
        return 1 - torch.cosine_similarity(s, t, dim=-1)
    difference = s - t
    return {"l2": difference.norm(dim=-1), "squared_l2": difference.square().sum(-1), "mae": difference.abs().mean(-1)}[
        kind
    ]


@pytest.mark.parametrize("kind", sorted(DISTANCES))
def test_equals_the_definition_in_chunks_too(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    speech, text = torch.randn(3, 7, 16), torch.randn(3, 5, 16)
    whole = pairwise_distance(speech, text, kind)
    assert torch.allclose(whole, expected(kind, speech, text), atol=1e-4)
    monkeypatch.setattr(distance, "CHUNK_BYTES", 1)
    assert torch.allclose(pairwise_distance(speech, text, kind), whole, atol=1e-6)
    out = torch.empty(3, 7, 5)
    assert pairwise_distance(speech, text, kind, out=out) is out
    assert torch.allclose(out, whole, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(DISTANCES))
def test_gradient_of_all_pairs(kind: str) -> None:
    torch.manual_seed(0)
    speech = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    text = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(2, 4, 3, dtype=torch.float64)
    for normalised in (False, True):
        assert torch.autograd.gradcheck(
            lambda s, t, n=normalised: pairwise_distance(s, t, kind, normalised=n) * upstream, (speech, text)
        )


@pytest.mark.parametrize("kind", sorted(DISTANCES))
def test_normalised_distances_do_not_depend_on_scale_and_hardly_on_width(kind: str) -> None:
    torch.manual_seed(0)
    means = []
    for dim in (64, 512):
        speech, text = torch.randn(1, 20, dim), torch.randn(1, 20, dim)
        result = pairwise_distance(speech, text, kind, normalised=True)
        assert torch.allclose(result, pairwise_distance(7 * speech + 3, text, kind, normalised=True), atol=1e-3)
        means.append(result.mean().item())
    assert means[0] == pytest.approx(means[1], rel=0.05)


def test_pairwise_l2_equals_cdist() -> None:
    speech, text = torch.randn(3, 7, 16), torch.randn(3, 5, 16)
    assert torch.allclose(pairwise_l2(speech, text), torch.cdist(speech, text), atol=1e-4)


@pytest.mark.parametrize("kind", sorted(DISTANCES))
def test_is_float32_under_autocast(kind: str) -> None:
    speech, text = 100 * torch.randn(1, 4, 64), 100 * torch.randn(1, 3, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = pairwise_distance(speech, text, kind)
        half = pairwise_distance(speech.bfloat16(), text.bfloat16(), kind)
    assert result.dtype == half.dtype == torch.float32
    assert torch.allclose(result, expected(kind, speech, text), rtol=1e-4, atol=1e-5)
    wide = expected(kind, speech.bfloat16().float(), text.bfloat16().float())
    assert torch.allclose(half, wide, rtol=1e-4, atol=1e-5)


def test_normalise_ignores_scale_and_shift() -> None:
    states = torch.randn(2, 3, 32)
    assert torch.allclose(normalise(states), normalise(5 * states + 2), atol=1e-4)


def test_unknown_distance() -> None:
    with pytest.raises(JointstError, match="distance 'l3' is unknown; known: l2"):
        pairwise_distance(torch.rand(1, 2, 2), torch.rand(1, 2, 2), "l3")
