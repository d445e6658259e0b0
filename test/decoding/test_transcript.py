"""Labels to words with time stamps and confidence."""

from __future__ import annotations

import math

import pytest

from jointst.config import TokenizerConfig
from jointst.decoding.hypothesis import Hypothesis
from jointst.decoding.transcript import Transcript, join, transcript_of
from jointst.text.tokenizer import Tokenizer, train

SENTENCES = ["open the door", "close the window", "今天天气很好", "トム は 好き", "открой дверь"] * 3


def transcribe(text: str, kind: str = "char", prefix: str = "") -> Transcript:
    size = 36 if kind == "unigram" else 60
    tokenizer = Tokenizer.from_bytes(train(SENTENCES, TokenizerConfig(kind=kind, vocabulary_size=size)))  # type: ignore[arg-type]
    labels = tokenizer.encode(prefix) + tokenizer.encode(text)
    hypothesis = Hypothesis()
    hypothesis.labels += labels
    hypothesis.positions += [2 * i for i in range(len(labels))]
    hypothesis.log_probs += [math.log(0.9 - 0.01 * i) for i in range(len(labels))]
    return transcript_of(hypothesis, tokenizer, 0.04, start=10.0, end=99.0)


def test_characters() -> None:
    transcript = transcribe("open the door")
    assert transcript.text == "open the door"
    assert [word.text for word in transcript.words] == ["open", "the", "door"]
    opened, the, door = transcript.words
    assert (opened.start, opened.end) == (10.0, pytest.approx(10.28))
    assert the.start == pytest.approx(10.32), "the space belongs to the word after it"
    assert opened.confidence == pytest.approx(0.87), "that of the least sure label"
    assert door.confidence == pytest.approx(0.78)
    assert join(transcript.words) == "open the door"


@pytest.mark.parametrize("kind", ["char", "unigram", "bpe"])
@pytest.mark.parametrize("text", ["open the window", "今天 很好", "トム は 好き", "открой the 天气 дверь"])
def test_words_together_are_the_text(kind: str, text: str) -> None:
    transcript = transcribe(text, kind)
    assert transcript.text == text
    assert join(transcript.words) == text
    starts = [word.start for word in transcript.words]
    assert starts == sorted(starts)


def test_scripts_without_spaces_have_a_word_for_each_character() -> None:
    assert [word.text for word in transcribe("今天很好").words] == ["今", "天", "很", "好"]


def test_spaces_at_the_ends_and_between_say_nothing() -> None:
    transcript = transcribe("open door ", prefix=" ")
    assert [word.text for word in transcript.words] == ["open", "door"]
    assert transcript.text == "open door"


def test_nothing() -> None:
    transcript = transcribe("")
    assert (transcript.text, transcript.words, transcript.end) == ("", (), 99.0)
