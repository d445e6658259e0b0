"""The grammars, and drawing from a grammar."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from jointst.common.errors import ConfigError, DataError
from jointst.common.languages import LANGUAGES, language
from jointst.config import MiniConfig
from jointst.data.corpora.espeak import Synthesiser
from jointst.data.corpora.grammar import Grammar, read_grammars
from jointst.text.normalise import normalise
from jointst.text.phonemes import Phonemizer

GRAMMARS = read_grammars()
TOY = """
xx:
  classes: {digit: one two three, colour: red blue}
  templates: [call <digit> <digit>, paint it <colour>]
  unheard: two
"""


def toy(tmp_path: Path, content: str = TOY) -> Grammar:
    path = tmp_path / "toy.yaml"
    path.write_text(content)
    return read_grammars(path)["xx"]


def test_every_language_has_a_grammar() -> None:
    assert set(GRAMMARS) == set(LANGUAGES)


@pytest.mark.parametrize("lang", sorted(LANGUAGES))
def test_size(lang: str) -> None:
    grammar = GRAMMARS[lang]
    assert 25 <= len(grammar.words) <= 35
    assert len(grammar.unheard) == 5
    for sentence in grammar.sentences():
        assert 2 <= len(sentence.words) <= (6 if lang == "ja" else 5)  # particles are words here


@pytest.mark.parametrize("lang", sorted(LANGUAGES))
def test_written_as_the_normaliser_writes(lang: str) -> None:
    for word in GRAMMARS[lang].words:
        folded = word.replace("ड़", "ड\u093c")  # NFKC takes the letter apart
        assert normalise(word, lang) == folded


@pytest.mark.parametrize("lang", sorted(LANGUAGES))
def test_spoken_in_its_language_and_as_the_lexicon_has_it(lang: str) -> None:
    """No word makes eSpeak switch to English, and what is heard is what the text branch will be given."""
    grammar, voice = GRAMMARS[lang], language(lang).voice
    lexicon = dict(zip(grammar.words, Phonemizer(lang).pronounce(grammar.words), strict=True))
    with Synthesiser() as engine:
        readings = [engine.phonemes(grammar.spoken.get(word, word), voice) for word in grammar.words]
    for word, spoken in zip(grammar.words, readings, strict=True):
        assert spoken, word
        assert "(" not in spoken, f"{word}: {spoken}"
        assert lexicon[word], word
        if lang in ("ar", "ja"):
            heard, expected = ({x for x in phones if x in "aeiou"} for phones in (spoken, "".join(lexicon[word])))
            assert heard == expected, f"{word}: {spoken} {lexicon[word]}"


@pytest.mark.parametrize("lang", sorted(set(LANGUAGES) - {"zh"}))
def test_phones_of_unheard_words_are_heard(lang: str) -> None:
    grammar = GRAMMARS[lang]
    lexicon = dict(zip(grammar.words, Phonemizer(lang).pronounce(grammar.words), strict=True))
    heard = {phone for word in grammar.words if word not in grammar.unheard for phone in lexicon[word]}
    assert {phone for word in grammar.unheard for phone in lexicon[word]} <= heard


@pytest.mark.parametrize("lang", sorted(LANGUAGES))
def test_default_sizes_can_be_drawn(lang: str) -> None:
    grammar, sizes = GRAMMARS[lang], MiniConfig()
    sets = grammar.draw_sets(
        {
            "test_unheard": ("unheard", sizes.test_utterances),
            "dev": ("heard", sizes.dev_utterances),
            "test": ("heard", sizes.test_utterances),
            "train": ("heard", sizes.train_utterances),
            "unpaired": ("mixed", sizes.unpaired_sentences),
            "dev_unheard": ("unheard", sizes.dev_utterances),
        },
        seed=0,
    )
    texts = [grammar.text(sentence) for sentences in sets.values() for sentence in sentences]
    assert len(texts) == len(set(texts)) == 700
    words = {name: Counter(word for item in items for word in item.words) for name, items in sets.items()}
    assert set(words["train"]) == set(grammar.words) - grammar.unheard
    assert set(words["test_unheard"]) >= grammar.unheard
    assert all(grammar.missing_words(item) for name in ("test_unheard", "dev_unheard") for item in sets[name])
    assert all(words["unpaired"][word] >= 10 for word in grammar.unheard)
    assert sum(bool(grammar.missing_words(item)) for item in sets["unpaired"]) == 200


def test_sentences_of_a_toy(tmp_path: Path) -> None:
    grammar = toy(tmp_path)
    assert len(grammar.sentences()) == 3 * 3 + 2
    assert {" ".join(item.words) for item in grammar.sentences()} >= {"call one three", "paint it blue"}
    assert grammar.words == ["blue", "call", "it", "one", "paint", "red", "three", "two"]


def test_draws_follow_the_seed(tmp_path: Path) -> None:
    grammar = toy(tmp_path)
    first, again, other = (
        grammar.draw_sets({"b": ("unheard", 3), "a": ("heard", 4), "c": ("mixed", 4)}, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other
    drawn = [item for items in first.values() for item in items]
    assert len(drawn) == len(set(drawn)) == 11
    with pytest.raises(ConfigError, match="set b wants 6 more sentences in xx, the grammar has 5 left"):
        grammar.draw_sets({"b": ("unheard", 6)}, seed=1)
    with pytest.raises(ConfigError, match="set c wants 9 more"):
        grammar.draw_sets({"a": ("heard", 3), "c": ("mixed", 9)}, seed=1)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("unheard: two", "unheard: four", "'unheard' alone: four"),
        ("unheard: two", "unheard: two\n  spoken: {deux: 2}", "'spoken' alone: deux"),
        ("<colour>", "<color>", "classes that no line defines: color"),
        ("paint it <colour>", "paint it", "classes that no template uses: colour"),
        ("unheard: two", "", "not of the form"),
        ("classes: {", "classes: {{", "is not YAML"),
    ],
)
def test_faulty_grammars(tmp_path: Path, before: str, after: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        toy(tmp_path, TOY.replace(before, after))


def test_language_without_grammar(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(TOY)
    with pytest.raises(DataError, match="no grammar for 'fi'"):
        read_grammars(tmp_path / "toy.yaml", ["fi"])
