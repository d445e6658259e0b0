"""Phrases from files and calls to labels: what is refused, how each language and each kind of labels spells them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from jointst.common.errors import DataError, JointstError
from jointst.config import TokenizerConfig
from jointst.decoding.phrase_tree import PhraseTree
from jointst.decoding.phrases import build_tree, read_phrases, wanted_phrases
from jointst.models.build import Trained
from jointst.text.tokenizer import Tokenizer, train

TEXT = {
    "en": ["open the red door", "seven doors are open", "the window is closed now", "a cat sat near the door"],
    "de": ["öffne die rote tür", "sieben türen sind offen", "die straße ist heiß"],
    "ru": ["открой красную дверь", "закрой окно"],
    "zh": ["今天天气很好", "红色的门很好", "打开窗户", "七"],
    "ja": ["今日は天気がいい", "赤いドア"],
}
KINDS = pytest.mark.parametrize("kind", ["char", "unigram", "bpe"])


def model(kind: str, *languages: str) -> Trained:
    sentences = [text for lang in languages for text in TEXT[lang]]
    characters = len(set("".join(sentences)))
    config = TokenizerConfig(kind=kind, vocabulary_size=characters + 12)  # type: ignore[arg-type]
    symbols = SimpleNamespace(tokenizer=Tokenizer.from_bytes(train(sentences, config)))
    return cast("Trained", SimpleNamespace(symbols=symbols, languages=languages, device=torch.device("cpu")))


def tree(trained: Trained, *phrases: Any, lang: str | None = None) -> PhraseTree:
    built = build_tree(wanted_phrases(phrases), trained, 1.0, lang)
    assert built is not None
    return built


def bonus(built: PhraseTree, trained: Trained, text: str) -> float:
    """What phrases add to a sentence."""
    labels = trained.symbols.tokenizer.encode(text)
    state, total = built.initial_state(1), 0.0
    for label in labels:
        total += float(built.scores(state)[0, label - 1])
        state = built.step(state, torch.tensor([label]), torch.tensor([True]))
    return round(total + float(built.end(state)), 4)


@KINDS
@pytest.mark.parametrize(
    ("phrase", "sentence", "raised"),
    [
        ("The DOOR!", "open the door", True),
        ("the door", "the door is closed", True),
        ("the door", "a door sat near the cat", False),
        ("7 doors", "seven doors are open", True),
        ("cat", "the cat sat", True),
        ("at", "a cat sat", False),  # inside words
        ("oor", "the door", False),
        ("  red \u00a0 door ", "open the red door", True),
    ],
)
def test_phrases_of_words(kind: str, phrase: str, sentence: str, raised: bool) -> None:
    trained = model(kind, "en")
    found = bonus(tree(trained, phrase), trained, sentence)
    assert (found > 0) == raised, found


@KINDS
@pytest.mark.parametrize("phrase", ["天气", "很好", "今天", "天天气", "今天天气很好"])
def test_phrases_without_spaces_begin_anywhere(kind: str, phrase: str) -> None:
    trained = model(kind, "zh", "en")
    built = tree(trained, phrase)
    assert bonus(built, trained, "打开窗户") == 0
    pieces = trained.symbols.tokenizer.pieces(trained.symbols.tokenizer.encode("今天天气很好"))
    marks = [0, *(sum(len(piece.lstrip("▁")) for piece in pieces[: i + 1]) for i in range(len(pieces)))]
    at = "今天天气很好".index(phrase)
    if at in marks and at + len(phrase) in marks:  # it is made of whole labels there
        assert bonus(built, trained, "今天天气很好") > 0


def test_a_weight_of_its_own() -> None:
    trained = model("char", "en")
    assert bonus(tree(trained, ("door", 2.0), "window"), trained, "the door") == 8
    assert bonus(tree(trained, ("door", 2.0), "window"), trained, "a window") == 6


def test_languages_are_those_in_whose_letters_it_is_written() -> None:
    trained = model("char", "de", "en", "ru", "zh", "ja")
    for phrase, sentences in {
        "7 Türen": ["sieben türen", "seven turen"],  # German and English write it each in its own way
        "дверь": ["красную дверь"],
        "7": ["sieben", "seven", "七"],
    }.items():
        for sentence in sentences:
            if set(sentence) <= set("".join(text for texts in TEXT.values() for text in texts)):
                assert bonus(tree(trained, phrase), trained, sentence) > 0, sentence
    assert bonus(tree(trained, "окно"), trained, "okno") == 0, "Russian letters are not spelled in English"
    german = tree(trained, "7", lang="de")
    assert bonus(german, trained, "sieben") > 0
    assert bonus(german, trained, "seven") == 0
    with pytest.raises(JointstError, match="unknown language 'xx'"):
        tree(trained, "7", lang="xx")


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"", None, "holds no phrase"),
        (b"door\n\nwindow\n", 2, "is empty once normalised"),
        (b"door\n?!\n", 2, r"is empty once normalised: '\?!'"),
        (b"door\t1.5\nwindow\tmuch\n", 2, "has the weight 'much'"),
        (b"door\t\n", 1, "has the weight ''"),
        (b"door\tnan\n", 1, "has the weight 'nan'"),
        (b"door\tinf\n", 1, "has the weight 'inf'"),
        (b"door\t1e400\n", 1, "has the weight '1e400'"),
        (b"door\t-1\n", 1, "has the weight '-1'"),
        (b"door\t0\n", 1, "has the weight '0'"),
        (b"door\t1,5\n", 1, "has the weight '1,5'"),
        (b"door\t1\t2\n", 1, "has 2 tabs"),
        (b"door\nd\xff\xfer\n", 2, "is not UTF-8"),
        ("door\n".encode("utf-16"), 1, "is not UTF-8"),
        ("door\nжук\n".encode(), 2, "'жук' has symbols that the model does not know: k u z"),  # English is ASCII
        (b"door\nquiz\n", 2, "'quiz' has symbols that the model does not know: q u z"),
    ],
)
def test_lines_that_are_no_phrase(content: bytes, line: int | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "phrases.txt"
    path.write_bytes(content)
    trained = model("char", "en")
    with pytest.raises(DataError, match=message) as raised:
        build_tree(read_phrases(path), trained, 1.0)
    assert (raised.value.path, raised.value.line) == (path, line)


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        (["door", ""], "phrase 2 is empty once normalised"),
        (["door", 7], "phrase 2 is 7"),
        ([("door", "much")], "phrase 1 has the weight 'much'"),
        ([("door", float("nan"))], "phrase 1 has the weight nan"),
        ([("door", 1.0, 2.0)], "phrase 1 is"),
        ([("door", None)], "phrase 1 has the weight None"),
        ([()], r"phrase 1 is \(\)"),
        (["door", None], "phrase 2 is None"),
        ("absent.txt", "absent.txt: there is no such file of phrases"),
    ],
)
def test_calls_that_name_no_phrase(phrases: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        build_tree(wanted_phrases(phrases), model("char", "en"), 1.0)


@pytest.mark.parametrize("content", [b"door\r\nwindow\t2\r\n", b"\xef\xbb\xbfdoor\nwindow\t2", b"door\nwindow\t 2 \n"])
def test_line_ends_and_marks_of_order(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "phrases.txt"
    path.write_bytes(content)
    assert [(phrase.text, phrase.weight) for phrase in read_phrases(path)] == [("door", None), ("window", 2.0)]


def test_no_phrases_are_no_tree() -> None:
    assert build_tree([], model("char", "en"), 1.0) is None
