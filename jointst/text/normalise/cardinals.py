"""Whole numbers in words, by libraries: num2words, for Hindi indic-numtowords; Chinese is read here."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

_LARGEST_HINDI = 10**9
"""From here on indic-numtowords gives digits."""
_DIGITS = "零一二三四五六七八九"


@lru_cache(maxsize=4096)
def words_of(number: int, lang: str, **options: Any) -> str:
    """What num2words says, with its options (``to``, ``gender``, ``case``), commas and hyphens as spaces."""
    from num2words import num2words

    return " ".join(str(num2words(number, lang=lang, **options)).replace(",", " ").replace("-", " ").split())


@lru_cache(maxsize=4096)
def hindi(number: int) -> str:
    """A whole number in Hindi; from 10^9 on digit by digit."""
    from indic_numtowords import num2words

    if number >= _LARGEST_HINDI:
        return " ".join(hindi(int(digit)) for digit in str(number))
    return str(num2words(str(number), lang="hi"))


def chinese(number: int) -> str:
    """A whole number below 10^12 in Chinese characters, with 二 and never 两."""
    if number == 0:
        return _DIGITS[0]
    words, gap = "", False
    for unit, large in ((10**8, "亿"), (10**4, "万"), (1, "")):
        part, number = divmod(number, unit)
        if not part:
            gap = bool(words)
            continue
        words += ("零" if words and (gap or part < 1000) else "") + _chinese_below_10000(part) + large
        gap = False
    return words.removeprefix("一") if words.startswith("一十") else words


def chinese_digits(digits: str) -> str:
    """Digits one by one, as years are read."""
    return "".join(_DIGITS[int(digit)] for digit in digits)


def _chinese_below_10000(number: int) -> str:
    words, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, unit)
        if digit:
            words += ("零" if gap and words else "") + _DIGITS[digit] + name
        gap = not digit
    return words
