"""Greedy search against one utterance at a time, written out plainly."""

import pytest
import torch

from jointst.config import DecoderConfig
from jointst.decoding.greedy import greedy_search
from jointst.nn.decoder import TransducerDecoder


def make(kind: str, predictor: str) -> TransducerDecoder:
    torch.manual_seed(3)
    config = DecoderConfig(kind=kind, predictor=predictor, embedding_dim=8, joint_dim=8)  # type: ignore[arg-type]
    decoder = TransducerDecoder(6, 5, config).eval()
    # Sharper and with less blank than fresh weights give, so that something is emitted.
    with torch.no_grad():
        decoder.joiner.output.weight.mul_(6)
        decoder.joiner.output.bias[0] = 0.3 if kind == "hat" else 1.0
    return decoder


@torch.inference_mode()
def one_at_a_time(decoder: TransducerDecoder, states: torch.Tensor, limit: int) -> tuple[list[int], list[int]]:
    labels: list[int] = []
    positions: list[int] = []
    for t in range(len(states)):
        for _ in range(limit):
            predicted = decoder.predictor(torch.tensor([labels], dtype=torch.int64))[:, -1]
            blank, scores = decoder.joiner.log_probs(
                decoder.joiner.project_encoder(states[t : t + 1]), decoder.joiner.project_predictor(predicted)
            )
            if scores[0].max() <= blank[0]:
                break
            labels.append(int(scores[0].argmax()) + 1)
            positions.append(t)
    return labels, positions


@pytest.mark.parametrize("kind", ["hat", "rnnt"])
@pytest.mark.parametrize("predictor", ["embedding", "lstm"])
def test_equals_one_utterance_at_a_time(kind: str, predictor: str) -> None:
    decoder = make(kind, predictor)
    encoded, lengths = 2 * torch.randn(6, 12, 5), torch.tensor([12, 1, 7, 12, 3, 9])
    together = greedy_search(decoder, encoded, lengths, max_labels_per_position=3)
    assert sum(len(hypothesis.labels) for hypothesis in together) > 10
    for b, hypothesis in enumerate(together):
        states = encoded[b, : lengths[b]]
        assert (hypothesis.labels, hypothesis.positions) == one_at_a_time(decoder, states, 3)
        alone = greedy_search(decoder, states[None], lengths[b : b + 1], max_labels_per_position=3)[0]
        assert alone.labels == hypothesis.labels
        assert all(0 < value <= 1 for value in hypothesis.confidence)


def test_a_position_emits_at_most_the_limit() -> None:
    decoder = make("hat", "embedding")
    with torch.no_grad():
        decoder.joiner.output.bias[0] = -100
    hypothesis = greedy_search(decoder, torch.randn(1, 4, 5), torch.tensor([4]), max_labels_per_position=2)[0]
    assert hypothesis.positions == [0, 0, 1, 1, 2, 2, 3, 3]
    assert hypothesis.times(0.04) == [0.0, 0.0, 0.04, 0.04, 0.08, 0.08, 0.12, 0.12]


def test_all_blank_gives_an_empty_hypothesis() -> None:
    decoder = make("hat", "embedding")
    with torch.no_grad():
        decoder.joiner.output.bias[0] = 100
    hypothesis = greedy_search(decoder, torch.randn(2, 4, 5), torch.tensor([4, 2]), max_labels_per_position=2)[0]
    assert hypothesis.labels == []
