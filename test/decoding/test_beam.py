"""Beam search against enumeration, against greedy search, and against itself in other batches."""

from __future__ import annotations

import pytest
import torch
from reference.phrases import Bonus
from reference.search import best_by_enumeration, path_score
from torch import Tensor

from jointst.config import DecoderConfig
from jointst.decoding.beam import beam_search
from jointst.decoding.fusion import Fusion, LanguageModel, Weights
from jointst.decoding.greedy import greedy_search
from jointst.decoding.phrase_tree import Phrase, PhraseTree
from jointst.nn.decoder import TransducerDecoder

KINDS = pytest.mark.parametrize(
    ("kind", "predictor"), [("hat", "embedding"), ("hat", "lstm"), ("rnnt", "embedding"), ("rnnt", "lstm")]
)
LIMIT = 3


class Bigram(LanguageModel):
    """A table of log P(label or end | last label)."""

    def __init__(self, vocabulary: int) -> None:
        generator = torch.Generator().manual_seed(5)
        self.table = (2 * torch.randn(vocabulary, vocabulary, generator=generator)).log_softmax(-1)

    def initial_state(self, batch: int) -> Tensor:
        return torch.zeros(batch, 1, dtype=torch.int64)

    def score(self, state: Tensor) -> Tensor:
        return self.table[state[:, 0], 1:]

    def end(self, state: Tensor) -> Tensor:
        return self.table[state[:, 0], 0]

    def step(self, state: Tensor, labels: Tensor, emitted: Tensor) -> Tensor:
        return torch.where(emitted[:, None], labels[:, None], state)


def make(kind: str, predictor: str, vocabulary: int = 6, seed: int = 3, sharpness: float = 4.0) -> TransducerDecoder:
    torch.manual_seed(seed)
    config = DecoderConfig(kind=kind, predictor=predictor, embedding_dim=8, joint_dim=8)  # type: ignore[arg-type]
    decoder = TransducerDecoder(vocabulary, 5, config).eval()
    with torch.no_grad():
        decoder.joiner.output.weight.mul_(sharpness)
        decoder.joiner.output.bias[0] = -0.7 if kind == "hat" else 1.0
    return decoder


def ragged(seed: int = 0) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return 2 * torch.randn(6, 12, 5), torch.tensor([12, 1, 7, 12, 3, 9])


@KINDS
@pytest.mark.parametrize("fused", [False, True], ids=["alone", "fused"])
def test_wide_beam_equals_enumeration(kind: str, predictor: str, fused: bool) -> None:
    decoder = make(kind, predictor, vocabulary=3, sharpness=2.0)
    with torch.no_grad():
        decoder.joiner.output.bias[0] += 1.0
    states = torch.randn(3, 5)
    weights = Weights(lm=0.4, ilm=0.3, bonus=0.2)
    fusion = Fusion(lm=Bigram(3), weights=weights) if fused else None
    expected = best_by_enumeration(decoder, states, 5, fusion)
    found = beam_search(
        decoder,
        states[None],
        torch.tensor([3]),
        width=300,
        nbest=8,
        max_labels_per_position=8,
        fusion=fusion,
    )[0]
    for hypothesis, (score, labels) in zip(found[:4], expected, strict=False):
        assert hypothesis.labels == labels
        assert hypothesis.score == pytest.approx(score, abs=1e-4)


@KINDS
@pytest.mark.parametrize("seed", range(5))
def test_width_one_is_greedy_search(kind: str, predictor: str, seed: int) -> None:
    decoder = make(kind, predictor, seed=seed)
    encoded, lengths = ragged(seed)
    greedy = greedy_search(decoder, encoded, lengths, LIMIT)
    beam = beam_search(decoder, encoded, lengths, width=1, nbest=1, max_labels_per_position=LIMIT)
    assert sum(len(hypothesis.labels) for hypothesis in greedy) > 5
    for b, (expected, found) in enumerate(zip(greedy, beam, strict=True)):
        assert len(found) == 1
        assert (found[0].labels, found[0].positions) == (expected.labels, expected.positions)
        assert found[0].log_probs == pytest.approx(expected.log_probs, abs=1e-5)
        score = path_score(decoder, encoded[b, : lengths[b]], expected.labels, expected.positions)
        assert found[0].score == pytest.approx(score, abs=1e-4)


PHRASES = [
    Phrase(labels=labels, weight=weight)
    for labels, weight in (((2, 3, 1), 2.0), ((3, 1, 4, 5), 1.5), ((4, 4), 3.0), ((1,), 0.5), ((1, 5), 0.5))
]
CPU = torch.device("cpu")


@pytest.mark.parametrize("space", [None, 1])
def test_wide_beam_of_phrases_equals_enumeration(space: int | None) -> None:
    decoder = make("hat", "embedding", vocabulary=3, sharpness=2.0)
    with torch.no_grad():
        decoder.joiner.output.bias[0] += 1.0
    phrases = [Phrase(labels=(2, 1, 1), weight=0.5), Phrase(labels=(1, 2), weight=0.3)]
    bonus, fusion = Bonus(phrases, space), Fusion(phrases=PhraseTree(phrases, 3, CPU, space))
    states = torch.randn(3, 5)
    alone = best_by_enumeration(decoder, states, 5)
    expected = sorted(((score + bonus.total(labels), labels) for score, labels in alone), reverse=True)
    assert [labels for _, labels in expected[:4]] != [labels for _, labels in alone[:4]]
    found = beam_search(
        decoder, states[None], torch.tensor([3]), width=300, nbest=8, max_labels_per_position=8, fusion=fusion
    )[0]
    for hypothesis, (score, labels) in zip(found[:4], expected, strict=False):
        assert hypothesis.labels == labels
        assert hypothesis.score == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize(("kind", "predictor", "space"), [("hat", "embedding", 4), ("rnnt", "lstm", None)])
@pytest.mark.parametrize("seed", range(2))
def test_phrases_in_a_beam(kind: str, predictor: str, space: int | None, seed: int) -> None:
    """Width one is greedy search; no wider beam is below it; a hypothesis has the bonus of its labels."""
    decoder = make(kind, predictor, seed=seed)
    encoded, lengths = ragged(seed)
    tree, bonus = PhraseTree(PHRASES, 6, CPU, space), Bonus(PHRASES, space)
    greedy = greedy_search(decoder, encoded, lengths, LIMIT, tree)
    fusion = Fusion(phrases=tree)
    for width in (1, 4):
        options = {"width": width, "nbest": width, "max_labels_per_position": LIMIT, "fusion": fusion}
        found = beam_search(decoder, encoded, lengths, **options)  # type: ignore[arg-type]
        for b, (expected, hypotheses) in enumerate(zip(greedy, found, strict=True)):
            states = encoded[b, : lengths[b]]
            best = hypotheses[0].score
            assert best is not None
            lowest = path_score(decoder, states, expected.labels, expected.positions) + bonus.total(expected.labels)
            if width == 1:
                assert (hypotheses[0].labels, hypotheses[0].positions) == (expected.labels, expected.positions)
                assert best == pytest.approx(lowest, abs=1e-4)
            assert best >= lowest - 1e-4
            alone = beam_search(decoder, states[None], lengths[b : b + 1], **options)[0]  # type: ignore[arg-type]
            assert [h.labels for h in alone] == [h.labels for h in hypotheses]
            for hypothesis in hypotheses:
                path = path_score(decoder, states, hypothesis.labels, hypothesis.positions)
                assert hypothesis.score is not None
                assert hypothesis.score >= path + bonus.total(hypothesis.labels) - 1e-4


@KINDS
@pytest.mark.parametrize("width", [2, 3, 8])
@pytest.mark.parametrize("seed", range(8))
def test_never_below_greedy(kind: str, predictor: str, width: int, seed: int) -> None:
    decoder = make(kind, predictor, seed=seed)
    encoded, lengths = ragged(seed)
    greedy = greedy_search(decoder, encoded, lengths, LIMIT)
    found = beam_search(decoder, encoded, lengths, width=width, nbest=width, max_labels_per_position=LIMIT)
    for b, hypotheses in enumerate(found):
        states = encoded[b, : lengths[b]]
        best = hypotheses[0].score
        assert best is not None
        assert best >= path_score(decoder, states, greedy[b].labels, greedy[b].positions) - 1e-5
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(hypothesis.labels) for hypothesis in hypotheses}) == len(hypotheses)
        for hypothesis in hypotheses:
            assert hypothesis.positions == sorted(hypothesis.positions)
            assert max(map(hypothesis.positions.count, hypothesis.positions), default=0) <= LIMIT
            # One alignment is part of the sum over all of them.
            assert hypothesis.score >= path_score(decoder, states, hypothesis.labels, hypothesis.positions) - 1e-5


class Third(LanguageModel):
    """Hardly ever a second label; after two, labels cost nothing. The state is the number of labels."""

    def initial_state(self, batch: int) -> Tensor:
        return torch.zeros(batch, 1, dtype=torch.int64)

    def score(self, state: Tensor) -> Tensor:
        return torch.tensor([-1.3, -6.0, 0.0])[state.clamp_max(2)]

    def end(self, state: Tensor) -> Tensor:
        return torch.zeros(len(state))

    def step(self, state: Tensor, labels: Tensor, emitted: Tensor) -> Tensor:
        return state + emitted[:, None]


def test_a_hypothesis_that_rises_again_is_not_given_up() -> None:
    """No label and one label finish first and fill the beam, when two labels are far behind."""
    decoder = make("hat", "embedding", vocabulary=2)
    with torch.no_grad():
        decoder.joiner.output.weight.zero_()
        decoder.joiner.output.bias.zero_()
    states = torch.randn(1, 5)
    fusion = Fusion(lm=Third(), weights=Weights(lm=1.0, bonus=2.0))
    score, labels = best_by_enumeration(decoder, states, 6, fusion)[0]
    assert labels == [1] * 6
    found = beam_search(
        decoder, states[None], torch.tensor([1]), width=2, nbest=1, max_labels_per_position=6, fusion=fusion
    )[0][0]
    assert found.labels == labels
    assert found.score == pytest.approx(score, abs=1e-4)


def test_fused_width_one_keeps_its_path_in_every_beam() -> None:
    decoder = make("hat", "embedding")
    fusion = Fusion(lm=Bigram(6), weights=Weights(lm=0.7, ilm=0.5, bonus=0.4))
    encoded, lengths = ragged()
    narrow, wide = (
        beam_search(decoder, encoded, lengths, width=k, nbest=k, max_labels_per_position=LIMIT, fusion=fusion)
        for k in (1, 4)
    )
    for one, several in zip(narrow, wide, strict=True):
        assert several[0].score >= one[0].score - 1e-9


@KINDS
def test_alone_equals_in_a_batch(kind: str, predictor: str) -> None:
    decoder = make(kind, predictor)
    torch.manual_seed(1)
    encoded, lengths = 2 * torch.randn(32, 12, 5), torch.randint(1, 13, (32,))
    fusion = Fusion(lm=Bigram(6), weights=Weights(lm=0.3, ilm=0.2))
    options = {"width": 4, "nbest": 3, "max_labels_per_position": LIMIT, "fusion": fusion}
    together = beam_search(decoder, encoded, lengths, **options)  # type: ignore[arg-type]
    for b in range(32):
        alone = beam_search(decoder, encoded[b : b + 1, : lengths[b]], lengths[b : b + 1], **options)[0]  # type: ignore[arg-type]
        assert [h.labels for h in alone] == [h.labels for h in together[b]]
        assert [h.positions for h in alone] == [h.positions for h in together[b]]
        assert [h.score for h in alone] == pytest.approx([h.score for h in together[b]], abs=1e-4)


def test_nothing_to_search_is_an_empty_hypothesis() -> None:
    decoder = make("hat", "embedding")
    for encoded in (torch.randn(2, 3, 5), torch.randn(2, 0, 5)):
        lengths = torch.tensor([0, encoded.shape[1]])
        found = beam_search(decoder, encoded, lengths, width=2, nbest=2, max_labels_per_position=LIMIT)
        assert (found[0][0].labels, found[0][0].score) == ([], 0.0)


def test_internal_language_model_known_in_closed_form() -> None:
    decoder = make("hat", "embedding", vocabulary=4)
    joiner = decoder.joiner
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    with torch.no_grad():
        for parameter in joiner.parameters():
            parameter.zero_()
        # One feature of the predictor chooses between two distributions; the encoder moves the labels elsewhere.
        joiner.project_predictor.weight[0, 0] = 100.0
        joiner.project_encoder.weight[1, 0] = 100.0
        mean, half = probabilities.log().mean(0), (probabilities[0] / probabilities[1]).log() / 2
        joiner.output.bias[1:] = mean
        joiner.output.weight[1:, 0] = half
        joiner.output.weight[:, 1] = torch.tensor([3.0, -2.0, 5.0, 1.0])
        predicted = joiner.project_predictor(torch.tensor([[1.0] + [0.0] * 7, [-1.0] + [0.0] * 7]))
    assert torch.allclose(joiner.internal_lm(predicted).exp(), probabilities, atol=1e-6)
    # A transducer that hears nothing is its internal language model, whatever its blank says.
    silent = joiner.project_encoder(torch.zeros(2, 5))
    log_blank, log_labels = joiner.log_probs(silent, predicted)
    assert torch.allclose(log_labels - torch.log1p(-log_blank.exp())[:, None], probabilities.log(), atol=1e-6)
