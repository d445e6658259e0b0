"""Numbers: how a language groups, points and signs them, and how it says them; fractions, powers, ranges, years."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

from jointst.text.normalise.characters import GROUP
from jointst.text.normalise.languages import RULES
from jointst.text.normalise.rules import Rules

LARGEST_NUMBER_DIGITS = 12
"""Longer runs of digits (telephone numbers, identifiers) are read digit by digit."""


class Number(NamedTuple):
    """A number as it was written.

    Attributes:
        whole: digits before the decimal mark.
        fraction: digits after it.
        grouped: whether its thousands were grouped: then it is no year and no code.
        dotted: whether the other mark stood for the decimal one.
    """

    whole: str
    fraction: str = ""
    grouped: bool = False
    dotted: bool = False


@cache
def number_pattern(code: str) -> str:
    """Any number of a language: grouped in its way or in one that cannot be mistaken, with decimals or without."""
    rules = RULES[code]
    point, group = re.escape(rules.decimal), "," if rules.decimal == "." else r"\."
    # A space groups only where no further digits follow: 8 800 555 35 35 is a telephone number.
    marks = [group, GROUP, "'"] + [" (?!\\d{3} \\d{1,2}(?!\\d))"] * rules.groups_by_space
    grouped = [rf"\d{{1,3}}(?:{mark}\d{{3}})+(?![ -]?\d)" for mark in marks]
    other = rf"\d{{1,3}}(?:{point}\d{{3}}){{2,}}(?!\d)|\d{{1,3}}(?:{point}\d{{3}})+(?={group}\d)"
    lakhs = r"\d{1,2}(?:,\d{2})+,\d{3}(?!\d)"
    thousands = r"\d{1,3}(?: \d{3})*(?: 000)+(?![ -]?\d)"
    whole = "|".join([*grouped, lakhs, other, thousands])
    mark = "[.,]" if rules.decimal == "," or rules.comma_decimals else r"\."
    return rf"(?<!\d)(?<!\d[.,])(?:(?:{whole}|\d+)(?:{mark}\d+)?(?!\d|[.,]\d))"


def parse_number(written: str, rules: Rules) -> Number:
    """The number of what :func:`number_pattern` found."""
    plain = re.sub(rf"[{GROUP}' ]", "", written)
    grouped = plain != written
    group = "," if rules.decimal == "." else "."
    marks = re.sub(r"\d", "", plain)
    if not marks:
        return Number(plain, grouped=grouped)
    if len(set(marks)) == 2:
        whole, fraction = plain.rsplit(marks[-1], 1)
        return Number(re.sub("[.,]", "", whole), fraction, True)
    whole, last = plain.rsplit(marks[0], 1)
    if len(marks) > 1:
        return Number(re.sub("[.,]", "", plain), grouped=True)
    if marks == group and len(last) == 3 and whole[0] != "0" and len(whole) <= 3 and not grouped:
        return Number(whole + last, grouped=True)
    return Number(whole, last, grouped, marks == group)


def read_number(number: Number, rules: Rules, *, gender: str = "", following: str = "") -> str:
    """A number in words.

    Args:
        number: as it was written.
        rules: of its language.
        gender: of the noun that it counts; empty where it counts none.
        following: the word after it, where its gender is not known.
    """
    words = read_digits(number.whole, rules.code)
    if not number.fraction:
        if gender:
            return rules.counted(words, gender)
        return rules.before_word(words, following) if following else words
    point = rules.dot if number.dotted and rules.decimal == "," else rules.point
    if rules.decimals == "number" and len(number.fraction) <= 2 and number.fraction[0] != "0":
        return f"{words} {point} {read_digits(number.fraction, rules.code)}"
    return " ".join([words, point, *(read_digits(digit, rules.code) for digit in number.fraction)])


@lru_cache(maxsize=4096)
def read_digits(digits: str, code: str) -> str:
    """The words of a whole number; digit by digit if it is long or starts with 0 (as codes do)."""
    if len(digits) > 1 and (digits[0] == "0" or len(digits) > LARGEST_NUMBER_DIGITS):
        return " ".join(RULES[code].cardinal(int(digit)) for digit in digits)
    return RULES[code].cardinal(int(digits))


_FRACTION = re.compile(
    r"(?<![\d.,/⁄])(?:(?P<whole>\d{1,3})(?:\s{1,3}|-))?(?P<n>\d{1,2})(?P<bar>[⁄/])(?P<d>\d{1,3})(?![\d/⁄]|[.,]\d)"
)


def read_fractions(text: str, rules: Rules) -> str:
    """½, 1½, 3⁄4, and 3/4 where the denominator has a row and the fraction is below 1."""

    def read(match: re.Match[str]) -> str:
        n, d = int(match["n"]), int(match["d"])
        known = d in rules.fractions
        if (match["bar"] == "/" and not (known and 0 < n < d)) or not (known or rules.fraction):
            return match.group()
        whole = match["whole"] and int(match["whole"])
        if (n, d) == (1, 2) and whole and rules.and_half:
            return f" {_and_half(whole, rules)} "
        if (n, d) == (1, 2) and not whole and rules.half:
            return f" {rules.half} "
        if known:
            one, _, many = rules.fractions[d].partition("|")
            counted = rules.counted(rules.cardinal(n), "f" if rules.code == "ru" else "n")
            fraction = one if n == 1 else (many if "{}" not in many else many.format(counted))
        else:
            fraction = rules.fraction.format(n=rules.cardinal(n), d=rules.cardinal(d))
        if not whole:
            return f" {fraction} "
        return f" {rules.mixed.format(whole=rules.cardinal(whole), fraction=fraction)} "

    return _FRACTION.sub(read, text)


def _and_half(whole: int, rules: Rules) -> str:
    special = dict(row.split("=") for row in rules.and_half.split("|") if "=" in row)
    general = next(row for row in rules.and_half.split("|") if "=" not in row)
    return special.get(str(whole)) or general.format(rules.counted(rules.cardinal(whole), "m"))


_POWER = re.compile(r"(?P<base>(?<!\d)\d{1,3}|(?<![^\W_])[^\W\d_]) ?\^ ?(?P<exponent>-?\d{1,3})(?!\d)")
_FOOTNOTE = re.compile(r"\^-?\d+")


def read_powers(text: str, rules: Rules) -> str:
    """10², x³: powers of numbers and of single letters; other superscripts are marks of footnotes, and gone."""

    def read(match: re.Match[str]) -> str:
        base = read_digits(match["base"], rules.code) if match["base"].isdecimal() else match["base"]
        exponent = match["exponent"]
        if exponent in rules.powers:
            return f" {base} {rules.powers[exponent]} "
        sign = f"{rules.minus} " if exponent[0] == "-" else ""
        return f" {base} {rules.powers[''].format(sign + read_digits(exponent.lstrip('-'), rules.code))} "

    return _FOOTNOTE.sub(" ", _POWER.sub(read, text))


_RANGE = re.compile(
    r"(?<![\d.,/:–—~〜-])(?<!\d )(?P<first>[$€£¥₹]?(?P<a>\d[\d.,]*)\s?[%°‰€$£¥₹₽万萬亿億]?)"
    r"(?P<dash>\s?[–—~〜]\s?|-|(?<=\d{4})\s-\s(?=\d{4}))"
    r"(?P<second>[$€£¥₹]?(?P<b>\d[\d.,]*))(?![\d/:–—~〜-]| \d)"
)
_TELEPHONE = r"(?<![\w/-])(?=(?:\d[/-]?){9})0\d{1,4}(?:[/-]\d{2,8}){1,3}(?![\w/-])"
"""030/123456, 090-1234-5678."""


def read_ranges(text: str, rules: Rules) -> str:
    """The dash of 10-20 as a word, where the second number is the larger one and neither starts with 0."""

    def read(match: re.Match[str]) -> str:
        first, second = (parse_number(match[name].rstrip(".,"), rules) for name in "ab")
        codes = any(len(number.whole) > 1 and number.whole[0] == "0" for number in (first, second))
        size, larger = ((len(number.whole), number.whole, number.fraction) for number in (first, second))
        rising = not codes and size < larger
        if not rising or match["a"].count(".") > 1:
            return f"{match['first']} {match['second']}"
        return f"{match['first']} {rules.between} {match['second']}"

    telephone = f"{_TELEPHONE}|{rules.telephone}" if rules.telephone else _TELEPHONE
    text = compiled(telephone).sub(lambda match: f" {_spelled(match.group(), rules)} ", text)
    return _RANGE.sub(read, text)


_MINUS = re.compile(r"(?<![^\s([{«\"'])[-−–](?=[$€£¥₹]?\d)|(?<=\d )−(?= ?\d)|(?<=[^\W\d_])−(?=\d)")
_OPERATOR = re.compile(r"(?<=\d)\s?(?P<between>[+=×÷])\s?(?=\d)|(?<![^\s(])(?P<sign>[+±])(?=\d)")
_INTERNATIONAL = re.compile(r"\+\s?\d[\d ()/-]{5,}\d")


def read_signs(text: str, rules: Rules) -> str:
    """Signs before numbers and between them, and telephone numbers that begin with +."""
    plus = rules.operators.get("+", "")
    text = _INTERNATIONAL.sub(lambda match: f" {plus} {_spelled(match.group(), rules)} ", text)
    text = _MINUS.sub(f" {rules.minus} ", text)
    return _OPERATOR.sub(lambda match: f" {rules.operators.get(match['between'] or match['sign'], '')} ", text)


def read_years(text: str, rules: Rules) -> str:
    """Four digits where the language's pattern says that they are a year; and decades."""
    if rules.decade:
        text = compiled(rules.decade).sub(
            lambda match: f" {rules.decade_words(int(match['number']), match['ending'])} ", text
        )
    if rules.year:
        text = compiled(rules.year).sub(lambda match: f" {rules.year_words(int(match.group()))} ", text)
    return text


_ROMAN = {"I": 1, "V": 5, "X": 10}


def read_centuries(text: str, rules: Rules) -> str:
    """Roman numbers, where the word for century stands beside them; elsewhere they may be letters."""

    def read(match: re.Match[str]) -> str:
        digits = [_ROMAN[letter] for letter in match["roman"]]
        smaller = (digit < following for digit, following in zip(digits, [*digits[1:], 0]))
        number = sum(-digit if less else digit for digit, less in zip(digits, smaller))
        return f"{rules.century_words(number, match['rest'] or '')} "

    if not rules.century or not ("I" in text or "V" in text or "X" in text):
        return text
    return compiled(rules.century).sub(read, text)


_BEFORE = re.compile(r"(\w+)\W*$")


def read_ordinals(text: str, rules: Rules) -> str:
    """Numbers with the sign of an ordinal."""
    if not rules.ordinal:
        return text

    def read(match: re.Match[str]) -> str:
        before = _BEFORE.search(text[max(0, match.start() - 30) : match.start()])
        digits = re.sub(r"\D", "", match["number"])
        words = rules.ordinal_words(int(digits), match["ending"], before[1].lower() if before else "")
        return f" {words} " if words else match.group()

    return compiled(rules.ordinal).sub(read, text)


_VERSION = re.compile(r"(?<![\d.,])\d+(?:\.\d+){2,}(?![\d,]|\.\d)")
_LIST = re.compile(r"\d+(?:[.,]\d+)+")


def read_numbers(text: str, rules: Rules) -> str:
    """All digits that are left: numbers, versions, lists, and digits inside words."""
    text = compiled(rf"{number_pattern(rules.code)}(?=(?P<following>\s?[^\W\d_]+)?)").sub(
        lambda match: f" {_plain(match, rules)} ", text
    )
    text = _VERSION.sub(lambda match: f" {_joined(match.group().split('.'), rules.dot, rules)} ", text)
    text = _LIST.sub(lambda match: f" {_joined(re.split('[.,]', match.group()), '', rules)} ", text)
    return re.sub(r"\d+", lambda match: f" {read_digits(match.group(), rules.code)} ", text)


def _plain(match: re.Match[str], rules: Rules) -> str:
    before = _BEFORE.search(match.string[max(0, match.start() - 30) : match.start()])
    counts = match["following"] and not (before and before[1].lower() in rules.numbered)
    return read_number(
        parse_number(match.group(), rules), rules, following=match["following"].strip() if counts else ""
    )


def _spelled(written: str, rules: Rules) -> str:
    return " ".join(rules.cardinal(int(digit)) for digit in re.sub(r"\D", "", written))


def _joined(parts: list[str], word: str, rules: Rules) -> str:
    return f" {word} ".join(read_digits(part, rules.code) for part in parts)


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern, made once."""
    return re.compile(pattern)
