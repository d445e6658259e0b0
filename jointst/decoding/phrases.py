"""Phrases that matter, from a file or a call, to the labels that spell them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from jointst.common.errors import DataError, JointstError
from jointst.common.languages import language
from jointst.decoding.phrase_tree import Phrase, PhraseTree
from jointst.models.build import Trained
from jointst.text.normalise import normalise
from jointst.text.scripts import is_written_in
from jointst.text.tokenizer import SPACE, UNKNOWN, Tokenizer

Written: TypeAlias = "str | tuple[str, float]"
"""A phrase as a caller gives it, with a weight of its own or without."""

HEAVIEST = 100.0
"""Larger weights only lose precision: nothing else is ever said."""
_LETTERS = re.compile(r"[^\W\d_]+")
_STRANGER = "\ue000"
"""A character for private use, which is in no normalised text and so in no tokenizer: what follows it is encoded as
inside a word."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A phrase as it was written.

    Attributes:
        text: of the phrase.
        weight: the bonus of each of its labels; None for that of the settings.
        path, line: where it stands; None and its number for one of a call.
    """

    text: str
    weight: float | None
    path: Path | None
    line: int

    def fault(self, problem: str, fix: str) -> DataError:
        """The error that names it."""
        if self.path is None:
            return DataError(f"phrase {self.line} {problem}", fix=fix)
        return DataError(problem, path=self.path, line=self.line, fix=fix)


def read_phrases(path: Path) -> list[Wanted]:
    """The phrases of a file: one a line, if you like with a tab and a weight behind it.

    Raises:
        DataError: the file is missing, not UTF-8 or empty, or a line is no phrase; with its line.
    """
    if path.is_dir() or not path.exists():  # a pipe will do
        raise DataError("there is no such file of phrases", path=path, fix="name a file of one phrase a line")
    lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if not lines:
        raise DataError("holds no phrase", path=path, fix="write one phrase a line, or leave phrases out")
    wanted = []
    for number, raw in enumerate(lines, start=1):
        try:
            text, *behind = raw.decode("utf-8").removesuffix("\r").split("\t")
        except UnicodeDecodeError:
            raise DataError("is not UTF-8", path=path, line=number, fix="iconv the file to UTF-8") from None
        phrase = Wanted(text=text, weight=None, path=path, line=number)
        if len(behind) > 1:
            raise phrase.fault(f"has {len(behind)} tabs", "write a phrase, or a phrase, a tab and its weight")
        wanted.append(_weighted(phrase, behind[0]) if behind else phrase)
    return wanted


def wanted_phrases(phrases: str | Path | Iterable[Written]) -> list[Wanted]:
    """Phrases of a call: the path of a file, or the phrases themselves.

    Raises:
        DataError: as for :func:`read_phrases`, or something that is no phrase; with its number.
    """
    if isinstance(phrases, (str, os.PathLike)):
        return read_phrases(Path(phrases))
    wanted = []
    for number, given in enumerate(phrases, start=1):
        text, *behind = given if isinstance(given, tuple) and given else (given,)
        phrase = Wanted(text=str(text), weight=None, path=None, line=number)
        if not isinstance(text, str) or len(behind) > 1:
            raise phrase.fault(f"is {given!r}", "a text, or a text and its weight")
        wanted.append(_weighted(phrase, behind[0]) if behind else phrase)
    return wanted


def _weighted(phrase: Wanted, written: str | float) -> Wanted:
    """The phrase with a weight that was written behind it."""
    try:
        weight = float(written)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 < weight <= HEAVIEST:
        raise phrase.fault(f"has the weight {written!r}", f"a number above 0, at most {HEAVIEST:g}, as in 1.5")
    return Wanted(text=phrase.text, weight=weight, path=phrase.path, line=phrase.line)


def build_tree(wanted: Sequence[Wanted], trained: Trained, weight: float, lang: str | None = None) -> PhraseTree | None:
    """The tree of phrases for a model; None for no phrases.

    A phrase is normalised as training text is. Where the model knows several languages in whose letters it is written,
    it is listened for as each of them writes it; most phrases are written alike in all.

    Args:
        wanted: phrases as they were written.
        trained: the model.
        weight: of those without one.
        lang: their language; None for all that the model knows.

    Raises:
        DataError: a phrase that is empty once normalised, or has letters that the model does not know.
        JointstError: the language is unknown.
    """
    if not wanted:
        return None
    tokenizer = trained.symbols.tokenizer
    languages = trained.languages if lang is None else (language(lang).code,)
    pieces = tokenizer.pieces(range(tokenizer.size))
    space = pieces.index(SPACE) if SPACE in pieces else None
    phrases = []
    for phrase in wanted:
        own = weight if phrase.weight is None else phrase.weight
        for labels in _spell(phrase, languages, tokenizer, space):
            phrases.append(Phrase(labels=labels, weight=own))
    return PhraseTree(phrases, tokenizer.size, trained.device, space)


def readings(text: str, languages: Sequence[str]) -> dict[str, str]:
    """A phrase as each language in whose letters it is written would write it, or every one if it is in none's."""
    letters = " ".join(_LETTERS.findall(text))
    native = [lang for lang in languages if is_written_in(letters, lang)]
    read = {lang: normalise(text, lang) for lang in native or languages}
    return {lang: written for lang, written in read.items() if written}


def _spell(phrase: Wanted, languages: Sequence[str], tokenizer: Tokenizer, space: int | None) -> list[tuple[int, ...]]:
    """The ways to spell a phrase in labels, where ``space`` is that of a space alone."""
    try:
        read = readings(phrase.text, languages)
    except JointstError as error:  # a number that nobody can read
        raise phrase.fault(str(error), "write it in words") from None
    if not read:
        raise phrase.fault(f"is empty once normalised: {phrase.text!r}", "write words, or remove it")
    spelled: list[tuple[int, ...]] = []
    unknown: set[str] = set()
    for lang, text in read.items():
        strange = {letter for letter in text if letter != " " and UNKNOWN in tokenizer.encode(letter)}
        if space is None and UNKNOWN in tokenizer.encode(text):
            strange.add(SPACE)
        if strange:
            unknown |= strange
        elif language(lang).has_spaces:
            spelled.append(_at_word(text, tokenizer, space))
        else:
            spelled += _anywhere(text, tokenizer)
    if not spelled:
        named = " ".join(sorted(unknown))
        fix = f"write it in letters of the model's languages ({' '.join(languages)})"
        raise phrase.fault(f"{phrase.text!r} has symbols that the model does not know: {named}", fix)
    return list(dict.fromkeys(spelled))


def _at_word(text: str, tokenizer: Tokenizer, space: int | None) -> tuple[int, ...]:
    """Labels of words, beginning with the mark of a word or, where labels are letters, with a space alone."""
    labels = tokenizer.encode(text)
    if tokenizer.pieces(labels[:1])[0].startswith(SPACE) or space is None:
        return tuple(labels)
    return (space, *labels)


def _anywhere(text: str, tokenizer: Tokenizer) -> list[tuple[int, ...]]:
    """Labels of text in a language without spaces: where a sentence begins, and inside it."""
    first = tokenizer.encode(text)
    if tokenizer.pieces(first[:1]) == [SPACE]:
        first = first[1:]
    inside = tokenizer.encode(_STRANGER + text)
    return [tuple(first), tuple(inside[inside.index(UNKNOWN) + 1 :])]
