"""Written text to the form that is trained on and scored: one function, one row of rules per language.

Lower case, NFKC (full-width and presentation forms become plain ones), numbers as words, no punctuation, single
spaces; in Chinese and Japanese no spaces beside their characters. Normalising twice changes nothing. Spelling is kept:
German ss and ß, Russian ё, Arabic hamzas, Hindi nuktas, accents outside English.

Scoring folds, on both sides, what careful writers spell both ways: see :func:`for_scoring`.

Numbers: English by tacotron_cleaner, Hindi by indic-numtowords (digit by digit from 10^9), Chinese here, the others by
num2words. Ordinals where they are written as such: English 3rd, Spanish, Italian and Portuguese 3º 3ª, French 1er 3e,
Russian 3-й 3-я, German 3. before a month. Case endings are not guessed: they are read in the nominative.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache

from jointst.languages import language

VERSION = "2"
"""Changes whenever any rule does: text normalised by another version must be made again."""

SCORING = f"jointst-scoring-1 over jointst-text-{VERSION}"
"""Name and version of what :func:`for_scoring` does, printed with every result."""

LARGEST_NUMBER_DIGITS = 12
"""Longer runs of digits (telephone numbers, identifiers) are read digit by digit."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How one language writes what is not letters.

    Attributes:
        decimal: its decimal mark; the other of ``.`` and ``,`` groups thousands.
        point: the word that reads the decimal mark.
        percent: how ``{}`` percent is read.
        ampersand: the word for ``&``.
        apostrophes: whether an apostrophe inside a word belongs to the word.
        removed: marks deleted without leaving a space, as the body of a character class.
        ordinal: digits with the sign of an ordinal, as a pattern with groups ``number`` and ``ending``.
        respelled: letters of a keyboard of another language, and forms that no ordinary text has, to the usual ones.
        folded: spellings that are scored alike, to one of them.
    """

    decimal: str = ","
    point: str
    percent: str
    ampersand: str
    apostrophes: bool = False
    removed: str = ""
    ordinal: str = ""
    respelled: Mapping[str, str] = field(default_factory=dict)
    folded: Mapping[str, str] = field(default_factory=dict)


_NUMBER_AND = r"(?<![\w.,])(?P<number>\d{1,4})"
_ROMANCE = rf"{_NUMBER_AND}\.?(?P<ending>[oa])\b"
_MONTHS = "januar|jänner|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember"

RULES: dict[str, Rules] = {
    # Arabic is written without short vowels (U+064B-0652, U+0670) and without the stretching stroke (U+0640). Alef
    # wasla is written as plain alef; hamzas on alefs are kept, but left out so often that they are scored alike.
    "ar": Rules(
        decimal=".",
        point="فاصلة",
        percent="{} بالمئة",
        ampersand="و",
        removed="\u0640\u064b-\u0652\u0670",
        respelled={"ٱ": "ا", "ک": "ك", "ی": "ي"},
        folded={"أ": "ا", "إ": "ا", "آ": "ا"},
    ),
    "de": Rules(
        point="komma",
        percent="{} prozent",
        ampersand="und",
        apostrophes=True,
        ordinal=rf"(?i:{_NUMBER_AND}(?P<ending>\.)(?=\s*(?:{_MONTHS})\b))",
    ),
    "en": Rules(decimal=".", point="point", percent="{} percent", ampersand="and", apostrophes=True),
    "es": Rules(point="coma", percent="{} por ciento", ampersand="y", ordinal=_ROMANCE),
    "fr": Rules(
        point="virgule",
        percent="{} pour cent",
        ampersand="et",
        apostrophes=True,
        ordinal=rf"{_NUMBER_AND}(?P<ending>er|re|ère|ème|e)\b",
    ),
    # A dot below marks sounds of other languages, and is left out so often that both spellings are scored alike.
    "hi": Rules(decimal=".", point="दशमलव", percent="{} प्रतिशत", ampersand="और", folded={"\u093c": ""}),
    "it": Rules(point="virgola", percent="{} per cento", ampersand="e", apostrophes=True, ordinal=_ROMANCE),
    "ja": Rules(decimal=".", point="点", percent="{}パーセント", ampersand="と"),
    "pt": Rules(point="vírgula", percent="{} por cento", ampersand="e", apostrophes=True, ordinal=_ROMANCE),
    # A combining acute marks stress in dictionaries and readers, never in ordinary text. ё is written е at will.
    "ru": Rules(
        point="запятая",
        percent="{} процентов",
        ampersand="и",
        removed="\u0301",
        ordinal=rf"{_NUMBER_AND}-(?P<ending>й|ый|ий|я|ая)\b",
        folded={"ё": "е"},
    ),
    "zh": Rules(decimal=".", point="点", percent="百分之{}", ampersand="和"),
}
"""Every language's rules; a new language needs a row here."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(\s*[%٪])?")
_NOT_MONEY = re.compile(r"[£€¥]|\$(?!(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d{1,2})?(?![.,]*\d))")
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼʹ`´＇", "'"))
# CJK ideographs, kana, their marks: no space is written beside them.
_CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SPACE_BESIDE_CJK = re.compile(rf"(?<=[{_CJK}]) | (?=[{_CJK}])")

_CHINESE_DIGITS = "零一二三四五六七八九"


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
    rules = RULES[language(lang).code]
    text = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).translate(_APOSTROPHES)
    if lang == "en":
        text = _clean_english(text)
    text = _replace(text, rules.respelled)
    if rules.ordinal:
        text = _compiled(rules.ordinal).sub(lambda match: _ordinal(match["number"], match["ending"], lang), text)
    text = _NUMBER.sub(lambda match: f" {_read_number(match, lang)} ", text)
    text = text.replace("&", f" {rules.ampersand} ").lower()
    if rules.removed:
        text = _compiled(f"[{rules.removed}]").sub("", unicodedata.normalize("NFKC", text))
    text = " ".join(_letters_only(text, rules.apostrophes).split())
    if not language(lang).has_spaces:
        text = _SPACE_BESIDE_CJK.sub("", text)
    return unicodedata.normalize("NFKC", text)


def for_scoring(text: str, lang: str) -> str:
    """``text`` as references and hypotheses are compared: normalised, and what is written both ways made one.

    Arabic hamzas on alefs, Russian ё (as е) and Hindi nuktas are folded; in the other languages nothing is.

    Raises:
        JointstError: the language is unknown.
    """
    return _replace(normalise(text, lang), RULES[language(lang).code].folded)


def _replace(text: str, letters: Mapping[str, str]) -> str:
    for old, new in letters.items():
        text = text.replace(old, new)
    return text


def _letters_only(text: str, apostrophes: bool) -> str:
    """Letters, their marks and apostrophes between letters stay; format characters vanish; the rest is a space."""
    kept = []
    for character in text:
        category = unicodedata.category(character)
        if category[0] in "LM" or (apostrophes and character == "'"):
            kept.append(character)
        elif category != "Cf":
            kept.append(" ")
    return re.sub(r"(?<!\S)'+|'+(?!\S)|'(?=')", "", "".join(kept))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@lru_cache(maxsize=1)
def _english_cleaner() -> Callable[[str], str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its source, when it is first compiled
        from tacotron_cleaner.cleaners import custom_english_cleaners
    cleaner: Callable[[str], str] = custom_english_cleaners
    return cleaner


def _clean_english(text: str) -> str:
    """Abbreviations, money and ordinals as words, accents dropped; plain words need none of it."""
    if text.isascii() and not re.search(r"[\d.$&]", text):
        return text
    text = re.sub(r"\s*%", " percent ", text).replace("&", " and ")
    text = _NOT_MONEY.sub(" ", text)  # the cleaner fails on it
    return _english_cleaner()(text).translate(_APOSTROPHES)


def _read_number(match: re.Match[str], lang: str) -> str:
    """The words of digits with their marks, for example ``1.234,5 %``."""
    rules = RULES[lang]
    digits = match.group().rstrip("%٪ \t\n")
    group = "." if rules.decimal == "," else ","
    if re.fullmatch(rf"\d{{1,3}}(?:{re.escape(group)}\d{{3}})+(?:{re.escape(rules.decimal)}\d+)?", digits):
        digits = digits.replace(group, "")
    parts = digits.split(rules.decimal)
    if len(parts) == 2 and group not in digits:
        words = [_cardinal(parts[0], lang), rules.point, *(_cardinal(digit, lang) for digit in parts[1])]
    else:  # dates and versions: each part by itself
        words = [_cardinal(part, lang) for part in re.split("[.,]", digits)]
    reading = " ".join(words)
    return rules.percent.format(reading) if match.group(1) else reading


@lru_cache(maxsize=4096)
def _ordinal(digits: str, ending: str, lang: str) -> str:
    """The words of an ordinal number; the ending says the gender, where the language has one."""
    from num2words import num2words

    if lang == "ru":
        return str(num2words(int(digits), to="ordinal", lang=lang, gender="f" if ending.endswith("я") else "m"))
    words = str(num2words(int(digits), to="ordinal", lang=lang))
    if ending == "a":
        words = re.sub(r"o\b", "a", words)
    return "première" if ending in ("re", "ère") and words == "premier" else words


@lru_cache(maxsize=4096)
def _cardinal(digits: str, lang: str) -> str:
    """The words of a whole number; digit by digit if it is long or starts with 0 (as codes do)."""
    if len(digits) > 1 and (digits[0] in "0٠०" or len(digits) > LARGEST_NUMBER_DIGITS):
        return " ".join(_cardinal(digit, lang) for digit in digits)
    number = int(digits)
    if lang == "zh":
        return _chinese_cardinal(number)
    if lang == "hi":  # num2words has no Hindi
        from indic_numtowords import num2words as hindi

        return str(hindi(str(number), lang="hi"))
    from num2words import num2words

    return str(num2words(number, lang=lang))


def _chinese_cardinal(number: int) -> str:
    """A whole number below 10^12 in Chinese characters (num2words has no Chinese)."""
    if number == 0:
        return _CHINESE_DIGITS[0]
    words, gap = "", False
    for unit, large in ((10**8, "亿"), (10**4, "万"), (1, "")):
        part, number = divmod(number, unit)
        if not part:
            gap = bool(words)
            continue
        words += ("零" if words and (gap or part < 1000) else "") + _chinese_below_10000(part) + large
        gap = False
    return words.removeprefix("一") if words.startswith("一十") else words


def _chinese_below_10000(number: int) -> str:
    words, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, unit)
        if digit:
            words += ("零" if gap and words else "") + _CHINESE_DIGITS[digit] + name
        gap = not digit
    return words
