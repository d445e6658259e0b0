"""Written text to the form that is trained on and scored: one function, one module of rows per language.

Lower case, NFKC (full-width and presentation forms become plain ones), what is not letters in words, no punctuation,
single spaces; in Chinese and Japanese no spaces beside their characters. Normalising twice changes nothing. Spelling is
kept: German ss and ß, Russian ё, Arabic hamzas, Hindi nuktas, accents outside English.

What is read, and how, stands in test/text/sentences/*.tsv by example: a line there is the place to begin a change. The
rows are in jointst/text/normalise/languages, the readers beside this module: characters (in and out), addresses
(and abbreviations), calendar, measures, numbers. Marks of transcribers (jointst/text/marks.py) are left out.

Simple rules where a reading cannot be known: endings of case only where the words beside say them (German am 3. Mai,
Russian в 1999 году); 1 and 2 agree with the ending of the word that follows; a dash between numbers is a range where
the second is larger; dates in the language's order, 5/6/2024 not at all in English; Roman numbers are letters, except
beside the word for century.

Scoring folds, on both sides, what careful writers spell both ways: see :func:`for_scoring`.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Mapping
from functools import cache

from jointst.common.errors import JointstError
from jointst.common.languages import language
from jointst.text.marks import strip_marks
from jointst.text.normalise.addresses import read_abbreviations, read_addresses
from jointst.text.normalise.calendar import read_clocks, read_dates
from jointst.text.normalise.characters import JOIN, SIGN_A, SIGN_O, letters_only, unescape, unify
from jointst.text.normalise.languages import RULES
from jointst.text.normalise.measures import read_money, read_units
from jointst.text.normalise.numbers import (
    LARGEST_NUMBER_DIGITS,
    compiled,
    read_centuries,
    read_fractions,
    read_numbers,
    read_ordinals,
    read_powers,
    read_ranges,
    read_signs,
    read_years,
)
from jointst.text.normalise.rules import Rules

__all__ = ["LARGEST_NUMBER_DIGITS", "RULES", "SCORING", "VERSION", "Rules", "for_scoring", "normalise"]

VERSION = "3"
"""Changes whenever any rule does: text normalised by another version must be made again."""

SCORING = f"jointst-scoring-1 over jointst-text-{VERSION}"
"""Name and version of what :func:`for_scoring` does, printed with every result."""

_NOTE = re.compile(r"(?<=[^\s(\[])\[(?:\d{1,3}|[a-z])\](?!\w)")
"""The mark of a footnote, as encyclopedias have it: right after a word or its punctuation."""
_DIGIT = re.compile(r"[\d○◯]")
_READERS = (
    read_ordinals, read_dates, read_clocks, read_ranges, read_signs, read_money, read_units, read_fractions,
    read_powers, read_years, read_numbers,
)  # fmt: skip
"""In this order: what is read is words for those that come after."""
# CJK ideographs, kana, their marks: no space is written beside them.
_CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SPACE_BESIDE_CJK = re.compile(rf"(?<=[{_CJK}]) | (?=[{_CJK}])")


def normalise(text: str, lang: str) -> str:
    """``text`` as it is trained on and scored.

    Args:
        text: anything written in the language.
        lang: ISO 639-1 code.

    Returns:
        Lower-case words with single spaces between them; may be empty.

    Raises:
        JointstError: the language is unknown.
    """
    rules = _rules(lang)
    text = _replace(unify(strip_marks(unescape(text))[0]), rules.respelled)
    text = _read(text, rules)
    if rules.removed:
        text = compiled(f"[{rules.removed}]").sub("", unicodedata.normalize("NFKC", text))
    text = letters_only(text, rules.apostrophes)
    if rules.transliterated and not text.isascii():
        text = letters_only(_transliterate(text), rules.apostrophes)
    if not language(lang).has_spaces:
        text = unicodedata.normalize("NFKC", _SPACE_BESIDE_CJK.sub("", text))
    return text


def for_scoring(text: str, lang: str) -> str:
    """``text`` as references and hypotheses are compared: normalised, and what is written both ways made one.

    Arabic hamzas on alefs, Russian ё (as е) and Hindi nuktas are folded; in the other languages nothing is.

    Raises:
        JointstError: the language is unknown.
    """
    folded = _replace(normalise(text, lang), _rules(lang).folded)
    return " ".join(folded.split())  # a mark that stood alone may have left a space


def _read(text: str, rules: Rules) -> str:
    """Everything that is not letters in words, in the order in which it can be told apart."""
    if "[" in text:
        text = _NOTE.sub(" ", text)
    digits = bool(_DIGIT.search(text))
    if "." in text or "@" in text or "/" in text:
        text = read_addresses(text, rules)
    if digits:
        for pattern, words in rules.special:
            text = compiled(pattern).sub(words, text)
    text = read_abbreviations(read_centuries(text, rules), rules)
    if digits:
        text = _ONE_WITH_NUMBER.sub(JOIN, text)
        if rules.prefixes:
            text = compiled(rf"(?<=\b[{rules.prefixes}])(?=[\d$€£])").sub(JOIN, text)
        for reader in _READERS:
            text = reader(text, rules)
        text = _JOINED.sub("", text)
    if SIGN_O in text or SIGN_A in text:
        text = _LETTER_O.sub("o", _LETTER_A.sub("a", text))
    for sign, words in _symbols(rules.code):
        if sign in text:
            text = text.replace(sign, f" {words} ")
    return text


_ONE_WITH_NUMBER = re.compile(r"(?<=[^\W\d_]')(?=\d)")
_JOINED = re.compile(rf"\s*{JOIN}\s*")
_LETTER_O, _LETTER_A = (re.compile(rf"(?<=[^\W\d_])\.?{sign}") for sign in (SIGN_O, SIGN_A))  # Mª, D.ª


@cache
def _symbols(code: str) -> tuple[tuple[str, str], ...]:
    return ("&", RULES[code].ampersand), *RULES[code].symbols.items()


def _rules(lang: str) -> Rules:
    code = language(lang).code
    if code not in RULES:
        raise JointstError(f"no rules for writing {code!r} (add its module to jointst/text/normalise/languages)")
    return RULES[code]


def _replace(text: str, letters: Mapping[str, str]) -> str:
    for old, new in letters.items():
        text = text.replace(old, new)
    return text


def _transliterate(text: str) -> str:
    """English without accents, as its cleaners for synthesis have it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its source, when it is first compiled
        from tacotron_cleaner.cleaners import convert_to_ascii

    return str(convert_to_ascii(text))
