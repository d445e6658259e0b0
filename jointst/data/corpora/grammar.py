"""Closed grammars: every sentence they allow, and sets of sentences drawn without repetition."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import yaml

from jointst.common.errors import ConfigError, DataError
from jointst.common.languages import language
from jointst.text.normalise import normalise

MINI = Path(__file__).with_name("mini_grammar.yaml")
"""The grammars of the ``mini`` corpus; the file explains its form."""

Kind = Literal["heard", "unheard", "mixed"]
"""Of a set of sentences: without words that are never heard in training, each with one, or both."""


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    Attributes:
        words: as written.
        template: number of the template it was made from.
    """

    words: tuple[str, ...]
    template: int


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """The grammar of one language.

    Attributes:
        lang: ISO 639-1 code.
        classes: words of each class.
        templates: sentences of words and ``<class>``.
        unheard: words kept out of paired training.
        spoken: what a synthesiser is given for a word, where that is not the word.
    """

    lang: str
    classes: dict[str, tuple[str, ...]]
    templates: tuple[tuple[str, ...], ...]
    unheard: frozenset[str]
    spoken: dict[str, str]

    @property
    def words(self) -> list[str]:
        """Every word, sorted."""
        return sorted({word for template in self.templates for token in template for word in self._choices(token)})

    def _choices(self, token: str) -> tuple[str, ...]:
        return self.classes[token[1:-1]] if token.startswith("<") else (token,)

    def sentences(self) -> list[Sentence]:
        """Every distinct sentence, in a fixed order."""
        found: dict[tuple[str, ...], Sentence] = {}
        for number, template in enumerate(self.templates):
            for words in product(*(self._choices(token) for token in template)):
                found.setdefault(words, Sentence(words, number))
        return list(found.values())

    def text(self, sentence: Sentence) -> str:
        """The sentence as it is trained on and scored."""
        return normalise((" " if language(self.lang).has_spaces else "").join(sentence.words), self.lang)

    def speech(self, sentence: Sentence) -> str:
        """The sentence as a synthesiser reads it."""
        return " ".join(self.spoken.get(word, word) for word in sentence.words)

    def missing_words(self, sentence: Sentence) -> list[str]:
        """The unheard words in the sentence."""
        return [word for word in sentence.words if word in self.unheard]

    def draw_sets(self, sets: Mapping[str, tuple[Kind, int]], seed: object) -> dict[str, list[Sentence]]:
        """Draw sets of sentences one after the other, no sentence twice.

        Args:
            sets: kind and size of each; mixed is half and half as far as the grammar has enough.
            seed: of the draw.

        Returns:
            The sentences of each set, in an order that is random.

        Raises:
            ConfigError: the grammar has fewer sentences; key and advice are the caller's to add.
        """
        generator = random.Random(f"{seed} {self.lang}")
        sentences = self.sentences()
        unheard = _Pool(self, [item for item in sentences if self.missing_words(item)], generator)
        heard = _Pool(self, [item for item in sentences if not self.missing_words(item)], generator)
        drawn = {}
        for name, (kind, size) in sets.items():
            if kind == "mixed":
                _check_left(self.lang, name, size, len(unheard) + len(heard))
                half = min(max(size // 2, size - len(heard)), len(unheard))
                drawn[name] = unheard.draw(name, half) + heard.draw(name, size - half)
                generator.shuffle(drawn[name])
            else:
                drawn[name] = (unheard if kind == "unheard" else heard).draw(name, size)
        return drawn


class _Pool:
    """Sentences not yet drawn, by template and unheard word, so that all of these are drawn equally often."""

    def __init__(self, grammar: Grammar, sentences: Sequence[Sentence], generator: random.Random) -> None:
        self.grammar = grammar
        self.generator = generator
        self.groups: dict[tuple[int, str], list[Sentence]] = {}
        for sentence in sentences:
            missing = grammar.missing_words(sentence)
            key = (sentence.template, generator.choice(missing) if missing else "")
            self.groups.setdefault(key, []).append(sentence)
        for group in self.groups.values():
            generator.shuffle(group)

    def __len__(self) -> int:
        return sum(len(group) for group in self.groups.values())

    def draw(self, name: str, size: int) -> list[Sentence]:
        _check_left(self.grammar.lang, name, size, len(self))
        drawn: list[Sentence] = []
        while len(drawn) < size:
            groups = [group for group in self.groups.values() if group]
            for group in self.generator.sample(groups, min(len(groups), size - len(drawn))):
                drawn.append(group.pop())
        self.generator.shuffle(drawn)
        return drawn


def _check_left(lang: str, name: str, size: int, left: int) -> None:
    if size > left:
        problem = f"set {name} wants {size} more sentences in {lang}, the grammar has {left} left"
        raise ConfigError("", problem, "make the sets smaller, or add words or templates to the grammar")


def read_grammars(path: Path = MINI, languages: Collection[str] | None = None) -> dict[str, Grammar]:
    """The grammars of a file.

    Args:
        path: YAML of the form that ``mini_grammar.yaml`` explains.
        languages: those wanted; all by default.

    Returns:
        A grammar for each language.

    Raises:
        DataError: the file is not of that form, or lacks a wanted language.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:  # ValueError: an impossible date
        raise DataError(f"is not YAML: {error}", path=path) from None
    if not isinstance(content, dict):
        raise DataError("holds no grammars", path=path, fix="a mapping from language to grammar")
    wanted = list(content) if languages is None else list(languages)
    for lang in wanted:
        if lang not in content:
            raise DataError(f"has no grammar for {lang!r}", path=path, fix="add one, or leave the language out")
    return {lang: _parse(lang, content[lang], path) for lang in wanted}


def _parse(lang: str, entry: object, path: Path) -> Grammar:
    form = {"classes": dict, "templates": list, "unheard": str}
    spoken = entry.get("spoken", {}) if isinstance(entry, dict) else None
    if (
        not isinstance(entry, dict)
        or not isinstance(spoken, dict)
        or not all(isinstance(entry.get(key), kind) for key, kind in form.items())
    ):
        fix = "classes: a mapping; templates: a list; unheard: words"
        raise DataError(f"the grammar of {lang!r} is not of the form explained at its top", path=path, fix=fix)
    grammar = Grammar(
        lang=lang,
        classes={name: tuple(str(words).split()) for name, words in entry["classes"].items()},
        templates=tuple(tuple(str(template).split()) for template in entry["templates"]),
        unheard=frozenset(entry["unheard"].split()),
        spoken={word: str(form) for word, form in spoken.items()},
    )
    named = {token[1:-1] for template in grammar.templates for token in template if token.startswith("<")}
    for problem, names in (
        ("classes that no line defines", named - set(grammar.classes)),
        ("classes that no template uses", set(grammar.classes) - named),
    ):
        if names:
            raise DataError(f"the grammar of {lang!r} has {problem}: {' '.join(sorted(names))}", path=path)
    words = set(grammar.words)
    for key, names in (("unheard", set(grammar.unheard) - words), ("spoken", set(grammar.spoken) - words)):
        if names:
            raise DataError(
                f"the grammar of {lang!r} has words under {key!r} alone: {' '.join(sorted(names))}", path=path
            )
    return grammar
