"""Greedy search against one utterance at a time, written out plainly."""

import pytest
import torch
from reference.greedy import one_at_a_time
from reference.phrases import Bonus

from jointst.config import DecoderConfig
from jointst.decoding.greedy import greedy_search
from jointst.decoding.phrase_tree import Phrase, PhraseTree
from jointst.nn.decoder import TransducerDecoder

DEVICES = pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))],
)


def make(kind: str, predictor: str, blank: float | None = None) -> TransducerDecoder:
    torch.manual_seed(3)
    config = DecoderConfig(kind=kind, predictor=predictor, embedding_dim=8, joint_dim=8)  # type: ignore[arg-type]
    decoder = TransducerDecoder(6, 5, config).eval()
    # Sharper and with less blank than fresh weights give, so that something is emitted.
    with torch.no_grad():
        decoder.joiner.output.weight.mul_(6)
        decoder.joiner.output.bias[0] = blank if blank is not None else 0.3 if kind == "hat" else 1.0
    return decoder


@pytest.mark.parametrize("kind", ["hat", "rnnt"])
@pytest.mark.parametrize("predictor", ["embedding", "lstm"])
@pytest.mark.parametrize("limit", [1, 3])
@DEVICES
def test_equals_one_utterance_at_a_time(kind: str, predictor: str, limit: int, device: str) -> None:
    decoder = make(kind, predictor).to(device)
    encoded, lengths = 2 * torch.randn(6, 12, 5, device=device), torch.tensor([12, 1, 7, 12, 3, 9], device=device)
    together = greedy_search(decoder, encoded, lengths, max_labels_per_position=limit)
    assert sum(len(hypothesis.labels) for hypothesis in together) > 10
    for b, hypothesis in enumerate(together):
        states = encoded[b, : lengths[b]]
        expected = one_at_a_time(decoder, states, limit)
        assert (hypothesis.labels, hypothesis.positions) == (expected.labels, expected.positions)
        assert hypothesis.log_probs == pytest.approx(expected.log_probs, abs=1e-4)
        alone = greedy_search(decoder, states[None], lengths[b : b + 1], max_labels_per_position=limit)[0]
        assert (alone.labels, alone.positions) == (hypothesis.labels, hypothesis.positions)
        assert all(0 < value <= 1 for value in hypothesis.confidence)


@pytest.mark.parametrize("kind", ["hat", "rnnt"])
@pytest.mark.parametrize("space", [None, 2])
@DEVICES
def test_phrases_equal_one_utterance_at_a_time(kind: str, space: int | None, device: str) -> None:
    decoder = make(kind, "embedding", 1.0).to(device)
    torch.manual_seed(0)
    encoded, lengths = 2 * torch.randn(12, 15, 5, device=device), torch.randint(1, 16, (12,), device=device)
    phrases = [
        Phrase(labels=labels, weight=weight)
        for labels, weight in (((2, 3, 1), 4.0), ((3, 1, 4, 5), 2.5), ((4, 4), 3.0), ((1,), 0.5))
    ]
    tree, bonus = PhraseTree(phrases, 6, encoded.device, space), Bonus(phrases, space)
    plain = greedy_search(decoder, encoded, lengths, 3)
    together = greedy_search(decoder, encoded, lengths, 3, tree)
    assert sum(a.labels != b.labels for a, b in zip(plain, together, strict=True)) > 5
    for b, hypothesis in enumerate(together):
        states = encoded[b, : lengths[b]]
        expected = one_at_a_time(decoder, states, 3, bonus)
        assert (hypothesis.labels, hypothesis.positions) == (expected.labels, expected.positions)
        assert hypothesis.log_probs == pytest.approx(expected.log_probs, abs=1e-4), "what the model says, not the bonus"
        alone = greedy_search(decoder, states[None], lengths[b : b + 1], 3, tree)[0]
        assert (alone.labels, alone.positions) == (hypothesis.labels, hypothesis.positions)


def test_a_phrase_that_is_left_costs_no_label() -> None:
    """What is taken back must not put the label that leaves the phrase behind the blank."""
    decoder = make("hat", "embedding")
    with torch.no_grad():
        decoder.joiner.output.weight.zero_()
        decoder.joiner.output.bias.copy_(torch.tensor([-2.0, 0.0, 8.0, 0.0, 0.0, 0.0]))
    tree = PhraseTree([Phrase(labels=(2, 2, 2, 2, 3), weight=3.0)], 6, torch.device("cpu"))
    found = greedy_search(decoder, torch.randn(1, 9, 5), torch.tensor([9]), 1, tree)[0]
    assert found.labels == [2] * 9


@pytest.mark.parametrize(("kind", "blank"), [("hat", 1.5), ("rnnt", 4.0)])
@DEVICES
def test_long_runs_of_blank_between_labels(kind: str, blank: float, device: str) -> None:
    """Blocks grow over blanks and shrink again; utterances finish at very different times."""
    decoder = make(kind, "embedding", blank).to(device)
    lengths = torch.tensor([900, 40, 5, 300, 899, 1, 640, 2], device=device)
    encoded = torch.randn(8, 900, 5, device=device)
    encoded[:, ::100] *= 4
    encoded[0, 450:500] *= 3
    together = greedy_search(decoder, encoded, lengths, max_labels_per_position=2)
    counts = [len(hypothesis.labels) for hypothesis in together]
    assert 20 < counts[0] < 200
    for states, length, hypothesis in zip(encoded, lengths, together, strict=True):
        expected = one_at_a_time(decoder, states[:length], 2)
        assert (hypothesis.labels, hypothesis.positions) == (expected.labels, expected.positions)


def test_a_batch_of_32_equals_32_batches_of_1() -> None:
    decoder = make("hat", "lstm")
    encoded, lengths = 2 * torch.randn(32, 50, 5), torch.randint(1, 51, (32,))
    together = greedy_search(decoder, encoded, lengths, max_labels_per_position=3)
    for b, hypothesis in enumerate(together):
        alone = greedy_search(decoder, encoded[b : b + 1], lengths[b : b + 1], max_labels_per_position=3)[0]
        assert (alone.labels, alone.positions) == (hypothesis.labels, hypothesis.positions)


def test_padding_is_never_read() -> None:
    decoder = make("hat", "embedding", -100)
    encoded, lengths = torch.randn(2, 9, 5), torch.tensor([9, 4])
    encoded[1, 4:] = torch.nan
    clean = greedy_search(decoder, encoded[1:, :4], lengths[1:], max_labels_per_position=1)[0]
    padded = greedy_search(decoder, encoded, lengths, max_labels_per_position=1)[1]
    assert (padded.labels, padded.positions) == (clean.labels, clean.positions)
    assert clean.positions == [0, 1, 2, 3]


def test_a_position_emits_at_most_the_limit() -> None:
    decoder = make("hat", "embedding", -100)
    hypothesis = greedy_search(decoder, torch.randn(1, 4, 5), torch.tensor([4]), max_labels_per_position=2)[0]
    assert hypothesis.positions == [0, 0, 1, 1, 2, 2, 3, 3]
    assert hypothesis.times(0.04) == [0.0, 0.0, 0.04, 0.04, 0.08, 0.08, 0.12, 0.12]


@pytest.mark.parametrize("lengths", [[4, 2], [4, 0], [0, 0]])
def test_all_blank_or_no_position_gives_an_empty_hypothesis(lengths: list[int]) -> None:
    decoder = make("hat", "embedding", 100)
    hypotheses = greedy_search(decoder, torch.randn(2, 4, 5), torch.tensor(lengths), max_labels_per_position=2)
    assert [hypothesis.labels for hypothesis in hypotheses] == [[], []]
