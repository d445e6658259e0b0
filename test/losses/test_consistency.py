"""The gradient flows through the aligned pairs alone, and is exact while the alignment holds."""

import pytest
import torch

from jointst.common.errors import AlignmentError, JointstError
from jointst.losses import consistency
from jointst.losses.consistency import ConsistencyLoss, pair_distance
from jointst.ops.alignment import KINDS, align, best_alignment, framewise_alignment
from jointst.ops.distance import DISTANCES, pairwise_distance
from jointst.ops.masks import length_mask

LENGTHS = torch.tensor([8, 3, 6]), torch.tensor([4, 3, 1])
HARD = ("best", "mas", "dtw", "framewise", "random", "nearest")


def states(*, layers: int = 1, dtype: torch.dtype = torch.float32) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Speech (3, 8, D) and text (3, 4, D) of some layers; D differs, as between the encoders."""
    torch.manual_seed(0)
    dims = [5 + 2 * layer for layer in range(layers)]
    speech = [torch.randn(3, 8, dim, dtype=dtype, requires_grad=True) for dim in dims]
    return speech, [torch.randn(3, 4, dim, dtype=dtype, requires_grad=True) for dim in dims]


def test_best_equals_the_definition_on_ragged_lengths() -> None:
    speech, text = states()
    _, total = best_alignment(torch.cdist(speech[0], text[0]), *LENGTHS)
    loss = ConsistencyLoss(normalised=False)(speech, text, *LENGTHS)
    assert torch.allclose(loss.total, (total / LENGTHS[0]).mean(), atol=1e-5)
    index = framewise_alignment(*LENGTHS, 8)
    loss = ConsistencyLoss(alignment="framewise", normalised=False)(speech, text, *LENGTHS)
    assert torch.allclose(loss.total, pair_distance(speech[0], text[0], index, LENGTHS[0]).mean())


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"forced", "random"}))
@pytest.mark.parametrize("distance", sorted(DISTANCES))
def test_every_kind_and_distance_is_the_mean_cost_of_its_alignment(kind: str, distance: str) -> None:
    speech, text = states(layers=2)
    result = ConsistencyLoss(alignment=kind, distance=distance)(speech, text, *LENGTHS)
    for layer, loss in result.layers.items():
        cost = pairwise_distance(speech[layer], text[layer], distance, normalised=True).detach()
        found = align(kind, cost, *LENGTHS)
        if found.is_soft:
            means = (found.weights * cost).sum((1, 2)) / found.weights.sum((1, 2))
        else:
            means = found.total / found.pairs(LENGTHS[0], 4).valid.sum(1)
        assert loss.item() == pytest.approx(means.mean().item(), rel=1e-4)
    assert result.total.item() == pytest.approx(sum(x.item() for x in result.layers.values()) / 2, rel=1e-6)
    assert set(result.parts) == {"consistency", "consistency/layer0", "consistency/layer1"}


@pytest.mark.parametrize("kind", [*HARD, "forced", "soft_dtw", "sinkhorn"])
@pytest.mark.parametrize("distance", sorted(DISTANCES))
def test_gradient_with_the_alignment_held_fixed(kind: str, distance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradcheck of the whole loss, the alignment replaced by what it was at the first call."""
    speech, text = states(dtype=torch.float64)
    compare = ConsistencyLoss(alignment=kind, distance=distance)
    durations = torch.tensor([[2, 2, 2, 2], [1, 1, 1, 0], [6, 0, 0, 0]]) if kind == "forced" else None
    original, kept = compare._align, []

    def once(*arguments):  # type: ignore[no-untyped-def]
        if not kept:
            kept.append(original(*arguments))
        return kept[0]

    monkeypatch.setattr(compare, "_align", once)
    upstream = torch.tensor(-1.7, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda s, t: compare([s], [t], *LENGTHS, durations).total * upstream, (speech[0], text[0])
    )


def test_gradient_of_the_whole_loss_equals_finite_differences_of_it() -> None:
    speech, text = states(dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda s, t: ConsistencyLoss()([s], [t], *LENGTHS).total, (speech[0], text[0]), eps=1e-7
    )


def test_fixed_weights_give_the_gradient_of_the_soft_minimum() -> None:
    speech, text = states(dtype=torch.float64)
    lengths = torch.tensor([8, 8, 8]), torch.tensor([4, 4, 4])
    cost = pairwise_distance(speech[0], text[0], normalised=True)
    found = align("soft_dtw", cost, *lengths, gamma=0.3)
    per_pair = found.total / found.weights.sum((1, 2))
    wanted = torch.autograd.grad(per_pair.mean(), [speech[0], text[0]])
    loss = ConsistencyLoss(alignment="soft_dtw", options={"gamma": 0.3})(speech, text, *lengths)
    for own, other in zip(torch.autograd.grad(loss.total, [speech[0], text[0]]), wanted, strict=True):
        assert torch.allclose(own, other)


def test_gradient_through_the_weights_of_sinkhorn() -> None:
    speech, text = states(dtype=torch.float64)
    through = ConsistencyLoss(alignment="sinkhorn", soft_gradient="through")
    assert torch.autograd.gradcheck(lambda s, t: through([s], [t], *LENGTHS).total, (speech[0], text[0]))
    fixed = ConsistencyLoss(alignment="sinkhorn")
    own, other = (torch.autograd.grad(loss(speech, text, *LENGTHS).total, speech[0])[0] for loss in (through, fixed))
    assert not torch.allclose(own, other)


@pytest.mark.parametrize("kind", [*HARD, "soft_dtw", "sinkhorn"])
def test_stopped_side_gets_no_gradient(kind: str) -> None:
    speech, text = states()
    for stopped, other in (("speech", "text"), ("text", "speech")):
        sides = {"speech": speech[0], "text": text[0]}
        loss = ConsistencyLoss(alignment=kind, stop_gradient=stopped)(speech, text, *LENGTHS).total
        gradients = torch.autograd.grad(loss, [sides[stopped], sides[other]], allow_unused=True)
        assert gradients[0] is None
        assert gradients[1].abs().sum() > 0


def test_layers_and_their_weights() -> None:
    speech, text = states(layers=4)
    every = ConsistencyLoss()(speech, text, *LENGTHS).layers
    chosen = ConsistencyLoss(layers=(3, 1), layer_weights=(1.0, 3.0))(speech, text, *LENGTHS)
    assert list(chosen.layers) == [3, 1]
    assert chosen.total.item() == pytest.approx((every[3] + 3 * every[1]).item() / 4)
    for layers, weights in (((4,), ()), ((), (1.0, 2.0))):
        with pytest.raises(JointstError, match="of 4 speech and 4 text layers"):
            ConsistencyLoss(layers=layers, layer_weights=weights)(speech, text, *LENGTHS)


def test_a_batch_in_slices_is_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    speech, text = states(layers=2)
    for kind in ("best", "dtw"):
        whole = ConsistencyLoss(alignment=kind)(speech, text, *LENGTHS).total
        with monkeypatch.context() as patch:
            patch.setattr(consistency, "COST_BYTES", 1)
            assert torch.allclose(ConsistencyLoss(alignment=kind)(speech, text, *LENGTHS).total, whole)
            with pytest.raises(AlignmentError, match="utterance 2 with 6 speech and 9 text"):
                ConsistencyLoss()(speech, text, LENGTHS[0], torch.tensor([4, 3, 9]))


@pytest.mark.parametrize("kind", [*sorted(set(HARD) - {"random"}), "soft_dtw", "sinkhorn"])
def test_alone_equals_in_a_padded_batch(kind: str) -> None:
    speech, text = states()
    compare = ConsistencyLoss(alignment=kind)
    batch = compare(speech, text, *LENGTHS).total
    gradients = torch.autograd.grad(batch, [speech[0], text[0]])
    losses = []
    for b, (n, m) in enumerate(zip(*(lengths.tolist() for lengths in LENGTHS), strict=True)):
        own = [speech[0][b : b + 1, :n], text[0][b : b + 1, :m]]
        alone = compare(own[:1], own[1:], torch.tensor([n]), torch.tensor([m])).total
        losses.append(alone)
        for side, length, in_batch in zip(own, (n, m), gradients, strict=True):
            (gradient,) = torch.autograd.grad(alone, side, retain_graph=True)
            assert torch.allclose(gradient[0] / 3, in_batch[b, :length], atol=1e-6)
            assert (in_batch[b, length:] == 0).all()
    assert torch.allclose(batch, torch.stack(losses).mean())


def test_unused_text_positions_get_no_gradient_and_padding_none() -> None:
    speech = torch.zeros(1, 3, 2, requires_grad=True)
    text = torch.tensor([[[1.0, 0.0], [9.0, 9.0], [5.0, 5.0]]], requires_grad=True)
    ConsistencyLoss(normalised=False)([speech], [text], torch.tensor([2]), torch.tensor([3])).total.backward()
    assert text.grad[0, 0].abs().sum() > 0
    assert (text.grad[0, 1:] == 0).all()
    assert (speech.grad[0, 2] == 0).all()


def test_equal_states_have_loss_and_gradient_zero() -> None:
    states = torch.randn(1, 4, 3)
    speech, text = states.clone().requires_grad_(), states.clone().requires_grad_()
    loss = ConsistencyLoss()([speech], [text], torch.tensor([4]), torch.tensor([4])).total
    loss.backward()
    assert loss.item() < 1e-5
    assert torch.isfinite(speech.grad).all()


def test_normalised_loss_does_not_fall_when_norms_shrink() -> None:
    torch.manual_seed(0)
    speech, text = torch.randn(2, 6, 16), torch.randn(2, 5, 16)
    lengths = torch.tensor([6, 6]), torch.tensor([5, 5])
    for normalised in (True, False):
        compare = ConsistencyLoss(normalised=normalised)
        whole, shrunk = (compare([x * speech], [x * text], *lengths).total for x in (1.0, 0.1))
        assert torch.allclose(whole, shrunk, rtol=1e-2) == normalised


def test_centred_loss_does_not_fall_when_a_common_part_grows() -> None:
    torch.manual_seed(0)
    speech, text = torch.randn(2, 6, 16), torch.randn(2, 5, 16)
    lengths, common = (torch.tensor([6, 4]), torch.tensor([5, 2])), 10 * torch.randn(16)
    for centred in (True, False):
        compare = ConsistencyLoss(centred=centred)
        alone, together = (compare([speech + x * common], [text + x * common], *lengths).total for x in (0, 1))
        assert torch.allclose(alone, together, rtol=1e-3) == centred
    apart = ConsistencyLoss(centred=True)([speech + common], [text], *lengths).total
    assert apart > 1.9  # of at most 2: what one side alone has in common still counts


@pytest.mark.parametrize("kind", [*sorted(set(HARD) - {"random"}), "soft_dtw", "sinkhorn"])
def test_centred_loss_does_not_see_padding(kind: str) -> None:
    speech, text = states(layers=2)
    compare = ConsistencyLoss(alignment=kind, centred=True)
    whole = compare(speech, text, *LENGTHS).total
    for side, lengths in zip((speech, text), LENGTHS, strict=True):
        for layer, padded in enumerate(side):
            valid = length_mask(lengths, padded.shape[1])[..., None]
            side[layer] = torch.where(valid, padded, 1e3)
    assert torch.allclose(compare(speech, text, *LENGTHS).total, whole)


def test_gradient_of_the_centred_loss_equals_finite_differences_of_it() -> None:
    speech, text = states(dtype=torch.float64)
    compare = ConsistencyLoss(centred=True)
    assert torch.autograd.gradcheck(lambda s, t: compare([s], [t], *LENGTHS).total, (speech[0], text[0]), eps=1e-7)


@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize("distance", sorted(DISTANCES))
def test_graph_holds_no_tensor_of_all_pairs(kind: str, distance: str) -> None:
    """Memory O(N D): nothing saved for backward has N x M entries."""
    sizes: list[int] = []
    speech = torch.randn(1, 301, 4, requires_grad=True)
    text = torch.randn(1, 211, 4, requires_grad=True)

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        ConsistencyLoss(alignment=kind, distance=distance)([speech], [text], torch.tensor([301]), torch.tensor([211]))
    assert max(sizes) <= 301 * 4


def test_utterances_that_cannot_be_aligned_are_refused() -> None:
    speech, text = states()
    with pytest.raises(AlignmentError, match="utterance 1 with 3 speech and 4 text positions has no valid path"):
        ConsistencyLoss(alignment="mas")(speech, text, LENGTHS[0], torch.tensor([4, 4, 1]))
    longer = ConsistencyLoss(alignment="mas", options={"max_step": 0})
    assert longer(speech, text, LENGTHS[0], torch.tensor([4, 4, 1])).total.isfinite()


def test_settings_are_checked() -> None:
    for settings, message in (
        ({"alignment": "bset"}, "unknown"),
        ({"distance": "l3"}, "unknown"),
        ({"options": {"gamma": 1.0}}, "no option 'gamma'"),
        ({"stop_gradient": "both"}, "stop_gradient is 'both'"),
        ({"soft_gradient": "through"}, "soft_gradient"),
        ({"alignment": "soft_dtw", "soft_gradient": "through"}, "soft_gradient"),
        ({"layers": (1,), "layer_weights": (1.0, 2.0)}, "2 layer weights for 1 layers"),
        ({"layer_weights": (0.0, 0.0)}, "layer weights"),
    ):
        with pytest.raises(JointstError, match=message):
            ConsistencyLoss(**settings)
