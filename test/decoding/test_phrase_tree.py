"""The tree of phrases against its definition, on random phrases and labels; and what the definition says in words."""

from __future__ import annotations

import random

import pytest
import torch
from reference.phrases import Bonus

from jointst.decoding.phrase_tree import Phrase, PhraseTree

CPU = torch.device("cpu")
VOCABULARY = 5
SPACE = 1
TRIES = pytest.mark.parametrize("seed", range(24))


def draw(seed: int) -> tuple[list[Phrase], int | None]:
    """Phrases over few labels, so that they overlap and nest; weights alike or not; with a space alone or without."""
    generator = random.Random(seed)
    phrases = []
    for _ in range(generator.randint(1, 8)):
        labels = tuple(generator.randrange(1, VOCABULARY) for _ in range(generator.randint(1, 5)))
        phrases.append(Phrase(labels=labels, weight=1.0 if seed % 2 else generator.choice([0.5, 1.0, 3.0])))
    return phrases, SPACE if seed % 3 == 0 else None


def total(tree: PhraseTree, labels: list[int]) -> float:
    """The bonus of a sequence, label by label, its end included."""
    state, found = tree.initial_state(1), 0.0
    for label in labels:
        found += float(tree.scores(state)[0, label - 1])
        state = tree.step(state, torch.tensor([label]), torch.tensor([True]))
    return found + float(tree.end(state))


@TRIES
def test_sequences_have_the_bonus_of_the_definition(seed: int) -> None:
    phrases, space = draw(seed)
    tree, bonus = PhraseTree(phrases, VOCABULARY, CPU, space), Bonus(phrases, space)
    labels = torch.randint(1, VOCABULARY, (8, 10), generator=torch.Generator().manual_seed(seed))
    state, found = tree.initial_state(8), torch.zeros(8)
    for u in range(10):
        gains, scores = tree.gains(state), tree.scores(state)
        before = [row[:u].tolist() for row in labels]
        expected = torch.tensor([[bonus.gain(row, label) for label in range(1, VOCABULARY)] for row in before])
        torch.testing.assert_close(gains, expected)
        assert bool((gains <= tree.most(state)[:, None]).all())
        found += scores.gather(1, labels[:, u, None] - 1)[:, 0]
        held = tree.step(state, labels[:, u], torch.zeros(8, dtype=torch.bool))
        assert torch.equal(held, state), "a blank changes nothing"
        state = tree.step(state, labels[:, u], torch.ones(8, dtype=torch.bool))
        expected = torch.tensor([-bonus.pending(row[: u + 1].tolist()) for row in labels])
        torch.testing.assert_close(tree.end(state), expected)
    expected = torch.tensor([bonus.total(row.tolist()) for row in labels])
    torch.testing.assert_close(found + tree.end(state), expected)


@TRIES
def test_what_holds_no_phrase_has_no_bonus(seed: int) -> None:
    phrases, space = draw(seed)
    tree, generator = PhraseTree(phrases, VOCABULARY, CPU, space), random.Random(seed)
    wanted = {phrase.labels for phrase in phrases}
    for _ in range(40):
        labels = [generator.randrange(1, VOCABULARY) for _ in range(generator.randint(0, 8))]
        said = [SPACE, *labels] if space else labels
        parts = {tuple(said[i:j]) for i in range(len(said)) for j in range(i + 1, len(said) + 1)}
        if not parts & wanted:
            assert total(tree, labels) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("phrases", "labels", "bonus"),
    [
        ([[2, 3, 4]], [2, 3, 4], 3),
        ([[2, 3, 4]], [2, 3], 0),
        ([[2, 3, 4]], [2, 3, 2, 3, 4, 3], 3),
        ([[2, 3, 4]], [2, 2, 3, 4, 2, 3, 4], 6),
        ([[2, 3], [2, 3, 4]], [2, 3, 2], 2),
        ([[2, 3], [2, 3, 4]], [2, 3, 4], 3),  # a phrase that goes on is not counted twice
        ([[3], [2, 3, 4]], [2, 3, 2], 1),  # nor lost where the longer one is left
        ([[3], [2, 3, 4]], [2, 3, 4], 3),
        ([[2, 3, 4], [3]], [2, 3, 3], 2),
        ([[2, 3], [3, 4]], [2, 3, 4], 4),  # both are finished
        ([[2, 2]], [2, 2, 2], 4),
    ],
)
def test_what_is_kept(phrases: list[list[int]], labels: list[int], bonus: float) -> None:
    tree = PhraseTree([Phrase(labels=tuple(part), weight=1.0) for part in phrases], VOCABULARY, CPU)
    assert total(tree, labels) == pytest.approx(bonus)


def test_a_phrase_of_words_begins_at_a_word() -> None:
    tree = PhraseTree([Phrase(labels=(SPACE, 2, 3), weight=2.0)], VOCABULARY, CPU, SPACE)
    assert total(tree, [2, 3]) == 4, "where the utterance begins"
    assert total(tree, [4, SPACE, 2, 3]) == 4
    assert total(tree, [4, 2, 3]) == 0, "inside a word"
    assert float(tree.gains(tree.initial_state(1))[0, SPACE - 1]) == 0, "a space alone is never raised"


def test_of_two_weights_the_larger_holds() -> None:
    phrases = [Phrase(labels=(2, 3), weight=1.0), Phrase(labels=(2, 3), weight=2.5)]
    for given in (phrases, phrases[::-1]):
        assert total(PhraseTree(given, VOCABULARY, CPU), [2, 3]) == 5


def test_memory_is_not_nodes_times_labels() -> None:
    generator = random.Random(0)
    phrases = [Phrase(labels=tuple(generator.randrange(1, 4096) for _ in range(10)), weight=1.0) for _ in range(1000)]
    tree = PhraseTree(phrases, 4096, CPU)
    held = sum(value.numel() for value in vars(tree).values() if isinstance(value, torch.Tensor))
    assert held < 10**6
    assert total(tree, list(phrases[7].labels)) == 10
