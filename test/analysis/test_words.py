"""Which words are often wrong, what became of them, and where."""

from __future__ import annotations

from typing import Any

from jointst.analysis.words import word_section


def line(language: str, reference: str, hypothesis: str, decoder: str = "full_context") -> dict[str, Any]:
    sides = {"reference": reference.split(), "hypothesis": hypothesis.split()}
    return {"set": "t", "decoder": decoder, "utterance": "u", "language": language, **sides}


def test_words_are_counted_and_shown_in_their_places() -> None:
    lines = [
        line("en", "open the red door now", "open the bed door now"),
        line("en", "the red <sea>", "the bed sea"),
        line("en", "a red house", "a house"),
        line("en", "red", "red"),
        line("en", "open the door", "open a window", "streaming"),
    ]
    body = word_section(lines).body
    assert '<td lang="en" dir="auto">red</td><td>en</td><td>3</td><td>4</td><td dir="auto">bed 2, ∅</td>' in body
    assert "open the <mark>red</mark> door now" in body
    assert "&lt;sea&gt;" in body
    assert "<sea>" not in body
    assert "window" not in body, "of the streaming decoder"
    assert "2 words were wrong at least once" in body


def test_characters_where_no_spaces_are_written() -> None:
    body = word_section([line("zh", "打开 窗户", "打开 门户")]).body
    assert '<td lang="zh" dir="auto">窗</td><td>zh</td><td>1</td><td>1</td><td dir="auto">门</td>' in body
    assert "打开<mark>窗</mark>户" in body


def test_where_nothing_is_wrong_there_is_no_section() -> None:
    assert word_section([line("en", "red", "red")]).body == ""
    assert word_section([]).body == ""
