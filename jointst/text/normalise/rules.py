"""What a language writes that is not words: the fields of its row in jointst/text/normalise/languages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class Named(NamedTuple):
    """A noun that is counted: ``Named.of("час|часа|часов")``, ``Named.of("heure|heures, f")``.

    Attributes:
        forms: what :attr:`Rules.plural` chooses from; the last one where it asks for more.
        gender: m, f or n: how 1 and its like are said before it.
    """

    forms: tuple[str, ...]
    gender: str

    @classmethod
    def of(cls, row: str) -> Named:
        """The row ``forms, gender``, forms separated by ``|``; without a gender it is m."""
        forms, _, gender = row.partition(",")
        return cls(tuple(forms.strip().split("|")), gender.strip() or "m")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One language. Words are in lower case or not, as its books have them.

    Attributes:
        code: ISO 639-1 code.
        apostrophes: whether an apostrophe inside a word belongs to the word.
        transliterated: whether letters of other alphabets, and accents, become plain Latin letters.
        prefixes: letters that are written in one with the number that follows.
        removed: marks deleted without leaving a space, as the body of a character class.
        respelled: letters of a keyboard of another language, and forms that no ordinary text has, to the usual ones.
        folded: spellings that are scored alike, to one of them.
        cardinal: a whole number in words, the form that counts.
        counted: those words before a noun of a gender (m, f, n), or before a word that follows, whatever it is.
        before_word: those words before any other word: its gender is guessed from its ending, or not at all.
        numbered: words after which a number is a name and counts nothing (chapter 1).
        plural: which form of a noun stands after a number (whole part, whether it has decimals).
        decimal: its decimal mark; the other of ``.`` and ``,`` groups thousands.
        comma_decimals: whether a comma that cannot group is a decimal mark too, where the decimal mark is a point.
        groups_by_space: whether a plain space may group thousands; no-break and thin ones may everywhere.
        point: the word that reads the decimal mark.
        decimals: whether two decimals are read as digits or as a number.
        dot: the word for a dot in versions and addresses.
        minus: the word before negative numbers.
        between: the word for the dash of a range.
        ratio: the word for the colon of 3:1.
        ampersand: the word for ``&``.
        telephone: digits that are a telephone number, as a pattern, beside those that are one everywhere.
        ordinal: digits with the sign of an ordinal, as a pattern with groups ``number`` and ``ending``.
        ordinal_words: the words of an ordinal: number, ending, the word before.
        year: where four digits are a year, as a pattern of these digits.
        year_words: the words of a year.
        century: Roman numbers beside the word for century, as a pattern with groups ``roman`` and ``rest``.
        century_words: the words of both: number, rest.
        decade: digits with the ending of a decade, as a pattern with groups ``number`` and ``ending``.
        decade_words: the words of a decade: number, ending.
        short_dates: whether 24.12. is a date.
        months: names of the months as they stand in a date.
        date_order: how all-digit dates are written; ISO dates are read everywhere, and only unambiguous ones if mdy.
        date: the words of a date: day, month (1 to 12), words of the year or nothing, the word before.
        clocks: times beside 14:30, as patterns with groups ``h``, ``m`` and ``suffix``.
        clock: the words of a time: hour, minute, suffix.
        units: symbols that stand after a number, to rows of :class:`Named`; ``{}`` is where the number is said.
        currencies: signs and codes, to rows of :class:`Named`: the money, and after ``;`` its hundredth.
        money: how amounts with hundredths are said, from ``{major}`` and ``{minor}``; empty: as decimals.
        magnitudes: words that stand between a number and its currency, as a pattern: the money's last form follows.
        fractions: denominators, to the forms of one and of many of them.
        half: the word for 1/2 alone.
        and_half: how ``{}`` and a half are said.
        mixed: how ``{whole}`` and ``{fraction}`` are said.
        fraction: how ``{n}`` over ``{d}`` is said, where the denominator has no row; empty: not at all.
        powers: exponents to words; ``""`` is the row for all others, with ``{}``.
        operators: signs of arithmetic to words, where they stand beside numbers.
        abbreviations: to words; a space may stand after each of their dots.
        before_capital: abbreviations that are such only before a capital letter.
        without_dots: abbreviations that have no dot, and are such only before a capital letter.
        before_number: abbreviations and signs that are such only before digits.
        symbols: signs read wherever they stand.
        at: the word for ``@``.
        slash: the word for ``/`` in addresses.
        special: patterns to what replaces them, before anything else is read, in texts with digits.
    """

    code: str
    apostrophes: bool = False
    transliterated: bool = False
    prefixes: str = ""
    removed: str = ""
    respelled: Mapping[str, str] = field(default_factory=dict)
    folded: Mapping[str, str] = field(default_factory=dict)

    cardinal: Callable[[int], str]
    counted: Callable[[str, str], str] = lambda words, gender: words
    before_word: Callable[[str, str], str] = lambda words, following: words
    numbered: frozenset[str] = frozenset()
    plural: Callable[[int, bool], int] = lambda whole, has_decimals: int(whole != 1 or has_decimals)
    decimal: Literal[".", ","] = ","
    comma_decimals: bool = False
    groups_by_space: bool = False
    point: str
    decimals: Literal["digits", "number"] = "digits"
    dot: str
    minus: str
    between: str = ""
    ratio: str = ""
    ampersand: str

    telephone: str = ""
    ordinal: str = ""
    ordinal_words: Callable[[int, str, str], str] = lambda number, ending, before: ""
    year: str = ""
    year_words: Callable[[int], str] = lambda year: ""
    century: str = ""
    century_words: Callable[[int, str], str] = lambda number, rest: ""
    decade: str = ""
    decade_words: Callable[[int, str], str] = lambda number, ending: ""
    short_dates: bool = False
    months: tuple[str, ...] = ()
    date_order: Literal["dmy", "mdy", "ymd"] = "dmy"
    date: Callable[[int, int, str, str], str]
    clocks: tuple[str, ...] = ()
    clock: Callable[[int, int, str], str]

    units: Mapping[str, str]
    currencies: Mapping[str, str]
    money: str = ""
    magnitudes: str = ""
    fractions: Mapping[int, str] = field(default_factory=dict)
    half: str = ""
    and_half: str = ""
    mixed: str = "{whole} {fraction}"
    fraction: str = ""
    powers: Mapping[str, str]
    operators: Mapping[str, str] = field(default_factory=dict)

    abbreviations: Mapping[str, str] = field(default_factory=dict)
    before_capital: Mapping[str, str] = field(default_factory=dict)
    without_dots: Mapping[str, str] = field(default_factory=dict)
    before_number: Mapping[str, str] = field(default_factory=dict)
    symbols: Mapping[str, str] = field(default_factory=dict)
    at: str
    slash: str
    special: tuple[tuple[str, str], ...] = ()


HOUR, MINUTE = r"(?P<h>[01]?\d|2[0-4])", r"(?P<m>[0-5]\d)"
"""Parts of :attr:`Rules.clocks`."""


def after(words: str) -> str:
    """A pattern: one of the words stands before, and a space."""
    return "(?:" + "|".join(rf"(?<=\b{word}\s)" for word in words.split()) + ")"
