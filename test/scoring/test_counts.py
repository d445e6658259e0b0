"""Counts are right, agree with jiwer, and are joined by utterance id."""

from __future__ import annotations

import random
from pathlib import Path

import jiwer
import pytest

from jointst.common.errors import DataError
from jointst.scoring.counts import Counts, align, characters_of, count, mean_rate, score_utterances, total


def score(
    references: dict[str, str], hypotheses: dict[str, str], path: Path = Path("hyp.text"), lang: str = "en"
) -> dict[str, object]:
    scored = score_utterances(
        references,
        hypotheses,
        dict.fromkeys(references, lang),
        path=path,
        normalise=lambda text, _: text.lower(),
        segment=lambda _, text: list(text),
    )
    return {item.utterance: item for item in scored}


def random_pair(generator: random.Random) -> tuple[list[str], list[str]]:
    vocabulary = [f"w{i}" for i in range(6)]
    reference = generator.choices(vocabulary, k=generator.randint(0, 9))
    hypothesis: list[str] = []
    for word in reference:
        draw = generator.random()
        hypothesis += [] if draw < 0.15 else [generator.choice(vocabulary)] if draw < 0.4 else [word]
        hypothesis += [generator.choice(vocabulary)] if draw > 0.85 else []
    return reference, hypothesis


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("a b c", "a b c", (3, 0, 0, 0)),
        ("a b c", "a x c", (2, 1, 0, 0)),
        ("a b c", "a c", (2, 0, 1, 0)),
        ("a b c", "a b x c", (3, 0, 0, 1)),
        ("a b", "", (0, 0, 2, 0)),
        ("", "a b", (0, 0, 0, 2)),
        ("", "", (0, 0, 0, 0)),
        # Two errors either way: the hit is kept, as sclite does.
        ("a b", "b c", (1, 0, 1, 1)),
    ],
)
def test_counts_of_one_utterance(reference: str, hypothesis: str, expected: tuple[int, ...]) -> None:
    counts = count(reference.split(), hypothesis.split())
    assert (counts.hits, counts.substitutions, counts.deletions, counts.insertions) == expected
    assert counts.length == len(reference.split())


def test_errors_equal_jiwers_and_the_split_has_the_most_hits() -> None:
    generator = random.Random(1)
    compared = 0
    for _ in range(500):
        reference, hypothesis = random_pair(generator)
        if not reference:
            continue
        theirs = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
        ours = count(reference, hypothesis)
        assert ours.errors == theirs.substitutions + theirs.deletions + theirs.insertions
        assert ours.hits >= theirs.hits
        compared += 1
    assert compared > 300


def test_alignment_has_the_counts_and_both_sides_in_order() -> None:
    generator = random.Random(2)
    for _ in range(500):
        reference, hypothesis = random_pair(generator)
        pairs = align(reference, hypothesis)
        kinds = [kind for kind, _, _ in pairs]
        assert count(reference, hypothesis) == Counts(
            hits=kinds.count("hit"),
            substitutions=kinds.count("substitution"),
            deletions=kinds.count("deletion"),
            insertions=kinds.count("insertion"),
        )
        assert [word for _, word, _ in pairs if word is not None] == reference
        assert [word for _, _, word in pairs if word is not None] == hypothesis


def test_characters_count_spaces_only_where_they_are_written() -> None:
    assert characters_of("guten  tag", "de") == list("guten tag")
    assert characters_of("今天 好", "zh") == list("今天好")
    theirs = jiwer.process_characters("guten tag", "gute tage")
    assert count(list("guten tag"), list("gute tage")).errors == theirs.deletions + theirs.insertions


def test_empty_reference_has_insertions_and_no_rate() -> None:
    empty = count([], ["a"])
    assert empty.rate is None
    assert empty.errors == 1
    # Its insertions still count in a sum, and an undefined rate is left out of a mean.
    assert total([empty, count(["a"], ["a"])]).rate == 1.0
    assert mean_rate([None, 0.5, 0.25]) == 0.375
    assert mean_rate([None]) is None


def test_joined_by_utterance_not_by_order_and_normalised_on_both_sides() -> None:
    scored = score({"u1": "One Two", "u2": "three"}, {"u2": "THREE", "u1": "one two"})
    assert [item.words.errors for item in scored.values()] == [0, 0]


def test_missing_hypothesis_is_deletions_and_is_named() -> None:
    scored = score({"u1": "one two", "u2": "three"}, {"u2": "three"})
    assert scored["u1"].missing
    assert scored["u1"].words == Counts(deletions=2)
    assert not scored["u2"].missing


def test_empty_hypothesis_is_not_missing() -> None:
    scored = score({"u1": "one"}, {"u1": ""})
    assert not scored["u1"].missing
    assert scored["u1"].words == Counts(deletions=1)


def test_unknown_hypothesis_names_file_line_and_utterance(tmp_path: Path) -> None:
    path = tmp_path / "hyp.text"
    path.write_text("u1 one\nu9 nine\n")
    with pytest.raises(DataError) as caught:
        score({"u1": "one"}, {"u1": "one", "u9": "nine"}, path)
    assert caught.value.path == path
    assert caught.value.line == 2
    assert caught.value.utterance == "u9"


def test_character_languages_are_scored_by_character() -> None:
    item = score({"u1": "今天好"}, {"u1": "今天"}, lang="zh")["u1"]
    assert item.main == Counts(hits=2, deletions=1)
    assert item.main_tokens == (["今", "天", "好"], ["今", "天"])
