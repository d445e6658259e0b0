"""Distances of aligned pairs against autograd on gathered states; gradients against finite differences."""

import pytest
import torch

from jointst.ops import aligned_distance as module
from jointst.ops.aligned_distance import aligned_distance
from jointst.ops.distance import DISTANCES, pairwise_distance

KINDS = pytest.mark.parametrize("kind", sorted(DISTANCES))
BOTH = pytest.mark.parametrize("normalised", [False, True])


def states(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Speech (2, 4, 3), text (2, 3, 3), and pairs (2, 6): frames and positions, repeated ones among them."""
    torch.manual_seed(0)
    speech = torch.randn(2, 4, 3, dtype=dtype, requires_grad=True)
    text = torch.randn(2, 3, 3, dtype=dtype, requires_grad=True)
    frames = torch.tensor([[0, 0, 1, 2, 3, 3], [0, 1, 1, 2, 0, 0]])
    positions = torch.tensor([[0, 1, 1, 1, 1, 2], [0, 1, 2, 2, 0, 0]])
    return speech, text, frames, positions


@KINDS
@BOTH
def test_values_are_those_of_all_pairs(kind: str, normalised: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    speech, text, frames, positions = states()
    every = pairwise_distance(speech, text, kind, normalised=normalised)
    wanted = every[torch.arange(2)[:, None], frames, positions]
    for chunk in (2**20, 1):
        monkeypatch.setattr(module, "CHUNK_BYTES", chunk)
        found = aligned_distance(speech, text, positions, frames, kind=kind, normalised=normalised)
        assert torch.allclose(found, wanted)
        found = aligned_distance(speech, text, positions[:, :4], kind=kind, normalised=normalised)
        assert torch.allclose(found, every[torch.arange(2)[:, None], torch.arange(4), positions[:, :4]])


@KINDS
@BOTH
@pytest.mark.parametrize("chunk", [2**20, 1])
def test_gradcheck_with_a_random_upstream_gradient(
    kind: str, normalised: bool, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", chunk)
    speech, text, frames, positions = states()
    upstream = torch.randn(2, 6, dtype=torch.float64)
    upstream[1, 4:] = 0  # ragged: the second utterance has four pairs

    def function(s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return aligned_distance(s, t, positions, frames, kind=kind, normalised=normalised) * upstream

    def by_frame(s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return aligned_distance(s, t, positions[:, :4], kind=kind, normalised=normalised) * upstream[:, :4]

    assert torch.autograd.gradcheck(function, (speech, text))
    assert torch.autograd.gradcheck(by_frame, (speech, text))
    assert torch.autograd.gradcheck(lambda s: by_frame(s, text.detach()), (speech,))
    assert torch.autograd.gradcheck(lambda t: by_frame(speech.detach(), t), (text,))


@KINDS
def test_states_are_not_changed_and_equal_states_have_a_finite_gradient(kind: str) -> None:
    speech, _, _, _ = states(torch.float32)
    text = speech.detach().clone().requires_grad_()
    index = torch.arange(4).expand(2, 4).contiguous()
    before = speech.detach().clone()
    aligned_distance(speech, text, index, kind=kind).sum().backward()
    assert torch.equal(speech, before)
    assert torch.equal(text, before)
    assert speech.grad.isfinite().all()
    assert speech.grad.abs().max() < 1e-5


def test_half_precision_states_get_gradients_of_their_type() -> None:
    speech, text, _, positions = states(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = aligned_distance(speech, text, positions[:, :4], normalised=True)
    assert found.dtype == torch.float32
    found.sum().backward()
    assert speech.grad.dtype == text.grad.dtype == torch.bfloat16


def test_the_graph_keeps_states_and_index_alone() -> None:
    speech, text, _, positions = states(torch.float32)
    kept: list[torch.Tensor] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        aligned_distance(speech, text, positions[:, :4], normalised=True)
    pointers = {tensor.data_ptr() for tensor in kept}
    assert pointers == {speech.data_ptr(), text.data_ptr(), positions[:, :4].data_ptr()}
