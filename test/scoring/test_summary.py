"""Sums over languages, voices and unheard words."""

from __future__ import annotations

import pytest

from jointst.scoring.counts import Scored, count
from jointst.scoring.summary import by_voice, recall_of_unheard, summarise


def scored(utterance: str, lang: str, reference: str, hypothesis: str) -> Scored:
    words = reference.split(), hypothesis.split()
    return Scored(
        utterance=utterance,
        lang=lang,
        reference=words[0],
        hypothesis=words[1],
        words=count(*words),
        characters=count(list("".join(words[0])), list("".join(words[1]))),
    )


ITEMS = [
    scored("en_a-1", "en", "one two three four", "one two three four"),
    scored("en_b-1", "en", "one two three four", "one two four"),
    scored("zh_a-1", "zh", "今天 好", "今天 不"),
]


def test_macro_is_the_mean_of_languages_in_their_own_unit_and_pooled_the_summed_counts() -> None:
    result = summarise(ITEMS).as_dict()
    assert result["languages"]["en"]["error_rate"] == result["languages"]["en"]["wer_rate"] == 1 / 8
    assert result["languages"]["zh"]["error_rate"] == result["languages"]["zh"]["cer_rate"] == 1 / 3
    assert result["languages"]["zh"]["wer_rate"] == 1 / 2
    assert result["macro"]["error_rate"] == pytest.approx((1 / 8 + 1 / 3) / 2)
    assert result["pooled"]["error_rate"] == pytest.approx(2 / 11)
    assert result["pooled"]["main"]["length"] == 11
    assert result["pooled"]["words"]["length"] == 10


def test_voices_seen_in_training_or_not() -> None:
    speakers = {"en_a-1": "en_a", "en_b-1": "en_b"}
    groups = by_voice(ITEMS, speakers, {"en_a", "en_z"})
    assert groups["seen"].main["en"].errors == 0
    assert groups["unseen"].main["en"].errors == 1
    # An utterance without a speaker is in neither group.
    assert groups["seen"].utterances == groups["unseen"].utterances == 1
    assert list(by_voice(ITEMS, speakers, {"en_a", "en_b"})) == ["seen"]


def test_recall_counts_occurrences_recognised_in_place() -> None:
    items = [
        scored("u1", "en", "open the gate", "open the gate"),
        scored("u2", "en", "gate gate", "gate"),
        scored("u3", "en", "the door", "gate door"),
        scored("u4", "ru", "дом", "дом"),
    ]
    heard = {"en": {"open", "the", "door"}}
    assert recall_of_unheard(items, heard) == {"en": (2, 3)}
    assert recall_of_unheard(items, heard, {"en": {"gate", "the"}}) == {"en": (2, 3)}
    assert recall_of_unheard(items, heard, {"en": {"the"}}) == {"en": (0, 0)}
