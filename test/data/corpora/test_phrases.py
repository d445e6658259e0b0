"""Cutting sentences at pauses: between words only, wherever letters are silent or phones are many."""

from __future__ import annotations

import pytest

from jointst.data.corpora.phrases import Phrase, Sounds, cut_at_pauses
from jointst.kaldi.phone_times import SILENCE, PhoneTime

SOUNDS = Sounds(
    of={"a": frozenset("aA"), "e": frozenset("e"), "t": frozenset("td"), "s": frozenset("sz"), "h": frozenset()},
    vowels=frozenset("ae"),
)


def spoken(phones: str) -> list[PhoneTime]:
    """A second each; ``|`` is a pause."""
    symbols = [SILENCE if phone == "|" else phone for phone in phones]
    return [PhoneTime(symbol, float(place), float(place + 1)) for place, symbol in enumerate(symbols)]


@pytest.mark.parametrize(
    ("sentence", "phones", "words"),
    [
        ("tat sat", "tat|sat", ["tat", "sat"]),
        ("tat sat", "tatsat", ["tat sat"]),
        ("hat het", "|At|ed|", ["hat", "het"]),  # a silent letter, another vowel, a voiced sound
        ("tattt sat", "tat|sat", ["tattt", "sat"]),  # fewer phones than letters
        ("tat s at", "tat|z|at", ["tat", "s", "at"]),
        ("ta ta tas", "t|atatas", ["ta ta tas"]),  # a pause inside a word
    ],
)
def test_cuts_fall_between_words(sentence: str, phones: str, words: list[str]) -> None:
    times = spoken(phones)
    phrases = cut_at_pauses(sentence, times, SOUNDS, shortest=0.5)
    assert [phrase.words for phrase in phrases] == words
    assert (phrases[0].start, phrases[-1].end) == (0.0, float(len(phones)))
    assert all(before.end == after.start for before, after in zip(phrases, phrases[1:]))


def test_short_phrases_and_short_pauses_stay_together() -> None:
    times = spoken("tat|sat|s")
    assert cut_at_pauses("tat sat s", times, SOUNDS, shortest=3.0) == [
        Phrase(words="tat", start=0.0, end=3.5),
        Phrase(words="sat s", start=3.5, end=9.0),
    ]
    assert len(cut_at_pauses("tat sat s", times, SOUNDS, shortest=0.5, pause=1.5)) == 1


@pytest.mark.parametrize(("sentence", "phones", "problem"), [("tax", "ta", "'x' is not"), ("h", "t", "no letter")])
def test_what_cannot_be_cut(sentence: str, phones: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        cut_at_pauses(sentence, spoken(phones), SOUNDS, shortest=1.0)
