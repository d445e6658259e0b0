"""Predictors step as they run; joiners give probabilities; the lattice agrees with the step-by-step scores."""

import pytest
import torch

from jointst.config import DecoderConfig
from jointst.nn.decoder import TransducerDecoder

KINDS = pytest.mark.parametrize(
    ("kind", "predictor"), [("hat", "embedding"), ("hat", "lstm"), ("rnnt", "embedding"), ("rnnt", "lstm")]
)


def make(kind: str, predictor: str) -> TransducerDecoder:
    torch.manual_seed(0)
    config = DecoderConfig(kind=kind, predictor=predictor, embedding_dim=8, joint_dim=8)  # type: ignore[arg-type]
    return TransducerDecoder(11, 6, config).eval()


@KINDS
def test_steps_equal_the_run_over_a_sequence(kind: str, predictor: str) -> None:
    decoder = make(kind, predictor)
    labels = torch.randint(1, 11, (3, 5))
    outputs = decoder.predictor(labels)
    state = decoder.predictor.initial_state(3, labels.device)
    everywhere = torch.ones(3, dtype=torch.bool)
    for u in range(6):
        assert torch.allclose(decoder.predictor.output(state), outputs[:, u], atol=1e-6)
        if u < 5:
            held = decoder.predictor.step(state, labels[:, u], ~everywhere)
            assert torch.equal(held, state)
            state = decoder.predictor.step(state, labels[:, u], everywhere)


@KINDS
def test_probabilities_sum_to_one(kind: str, predictor: str) -> None:
    decoder = make(kind, predictor)
    blank, labels = decoder.joiner.log_probs(torch.randn(4, 7, 8), torch.randn(4, 7, 8))
    assert labels.shape == (4, 7, 10)
    assert torch.allclose(blank.exp() + labels.exp().sum(-1), torch.ones(4, 7), atol=1e-5)


@KINDS
def test_lattice_equals_the_joiners_scores(kind: str, predictor: str) -> None:
    decoder = make(kind, predictor)
    encoded, labels = torch.randn(2, 4, 6), torch.randint(1, 11, (2, 3))
    blank, label = decoder.lattice(encoded, decoder.predictor(labels), labels)
    encoder = decoder.joiner.project_encoder(encoded)[:, :, None]
    predicted = decoder.joiner.project_predictor(decoder.predictor(labels))[:, None]
    log_blank, log_labels = decoder.joiner.log_probs(encoder, predicted)
    assert torch.allclose(blank, log_blank, atol=1e-5)
    for u in range(3):
        for b in range(2):
            assert torch.allclose(label[b, :, u], log_labels[b, :, u, labels[b, u] - 1], atol=1e-5)


@KINDS
def test_may_emit_wherever_a_label_is_likelier_than_the_blank(kind: str, predictor: str) -> None:
    decoder = make(kind, predictor)
    sides = 4 * torch.randn(40, 30, 8), torch.randn(40, 1, 8)
    blank, labels = decoder.joiner.log_probs(*sides)
    emits, may = labels.amax(-1) > blank, decoder.joiner.may_emit(*sides)
    assert 0 < emits.sum() < emits.numel()
    assert not (emits & ~may).any()
    assert may.sum() < may.numel()


@KINDS
def test_a_band_changes_no_other_weight(kind: str, predictor: str) -> None:
    def weights(band: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        config = DecoderConfig(kind=kind, predictor=predictor, embedding_dim=8, joint_dim=8, band=band)  # type: ignore[arg-type]
        return {**TransducerDecoder(11, 6, config).state_dict(), "drawn after": torch.randn(1)}

    exact, banded = weights(0), weights(4)
    assert {name.split(".")[0] for name in banded.keys() - exact.keys()} == {"additive"}
    assert all(torch.equal(values, banded[name]) for name, values in exact.items())
