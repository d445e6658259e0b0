"""Addresses of pages and of people, names of files, and abbreviations: what its dots mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache

from jointst.text.normalise.characters import NUMERO, SIGN_A, SIGN_O
from jointst.text.normalise.languages import RULES
from jointst.text.normalise.rules import Rules

DOMAINS = (
    "com org net edu gov int mil info biz io ai app dev tv me co eu de at ch fr be es it pt br ru su ua uk us ca au nz "
    "jp cn tw hk kr in sa ae eg ma mx ar cl pe pl nl se no dk fi cz tr рф"
)
"""Last parts of bare addresses such as example.com; others are addresses only after http:// or www."""
FILE_TYPES = "pdf txt csv html htm xml json yaml jpg jpeg png gif svg mp3 mp4 wav zip gz exe docx doc xlsx pptx py"

_LABEL = r"[\w-]+"
_END = r"(?![\w-])"
_PATH = r"(?:/[^\s<>()\[\]{}\"'»”、。，！？]*)?"
_ADDRESS = re.compile(
    rf"(?:(?:https?|ftp)://|(?<![\w.@])(?=www\.))(?P<full>[^\s<>()\[\]{{}}\"'»”、。，！？]+)"
    rf"|(?<![\w.])(?P<mail>[A-Za-z0-9_.+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{{2,}}){_END}"
    rf"|(?<![\w.@/-])(?P<bare>(?:[A-Za-z0-9-]+\.)+(?:{'|'.join(DOMAINS.split())}){_PATH}){_END}(?!\.\w)"
    rf"|(?<![\w.@/-])(?P<file>[A-Za-z0-9_-]+\.(?:{'|'.join(FILE_TYPES.split())})){_END}",
    re.ASCII,
)
_MAY_BE_ADDRESS = re.compile(r"\w\.\w|://")
_LAST_MARKS = re.compile(r"[.,;:!?…]+$")
_HANDLE = re.compile(r"(?<![\w.])@(?=\w)|(?<=\w)@(?=\w)|(?<=\s)@(?=\s)")


def read_addresses(text: str, rules: Rules) -> str:
    """``www.example.org/a``, ``me@example.org``, ``example.com``, ``report.pdf``, ``@name`` as they are read aloud."""

    def read(match: re.Match[str]) -> str:
        whole = match["full"] or match["mail"] or match["bare"] or match["file"]
        end = _LAST_MARKS.search(whole)
        if end:
            whole = whole[: end.start()]
        for sign, word in ((".", rules.dot), ("@", rules.at), ("/", rules.slash)):
            whole = whole.rstrip("/").replace(sign, f" {word} ")
        return f" {re.sub(r'[-_+~#?=&%:]', ' ', whole)} {end[0] if end else ''}"

    if _MAY_BE_ADDRESS.search(text):
        text = _ADDRESS.sub(read, text)
    return _HANDLE.sub(f" {rules.at} ", text) if "@" in text else text


def read_abbreviations(text: str, rules: Rules) -> str:
    """Abbreviations, and signs such as № and §, in words."""
    if rules.before_number and _DIGIT.search(text):
        text = _in_words(*_before_number(rules.code), text)
    tables, ends, without_dots = _abbreviations(rules.code)
    if not (("." in text and any(_end_of(part) in ends for part in text.split(".")[:-1])) or without_dots(text)):
        return text
    for pattern, words in tables:
        text = _in_words(pattern, words, text)
    return text


def _in_words(pattern: re.Pattern[str], words: Mapping[str, str], text: str) -> str:
    return pattern.sub(lambda match: f"{words[_key(match.group())]} ", text)


_DIGIT = re.compile(r"\d")
_LAST_WORD = re.compile(r"[^\W\d_]\w*$")


def _end_of(part: str) -> str:
    """The word before a dot, in small letters."""
    found = _LAST_WORD.search(part[-15:])
    return found[0].lower() if found else ""


@cache
def _abbreviations(
    code: str,
) -> tuple[tuple[tuple[re.Pattern[str], dict[str, str]], ...], set[str], Callable[[str], object]]:
    """Patterns with their words; the words that stand before a dot in them; and whether a text has one without dots."""
    rules = RULES[code]
    found = []
    # the words before a capital are abbreviations as they are written, the others also at the beginning of a sentence
    counted = {symbol.lower() for symbols in (*rules.units, *rules.currencies) for symbol in symbols.split()}
    nouns = {key: words for key, words in rules.abbreviations.items() if key.lower() in counted}
    others = {key: words for key, words in rules.abbreviations.items() if key.lower() not in counted}
    for before, table, after, flags in (
        ("", {**rules.before_capital, **rules.without_dots}, r"(?=\s*[A-ZÀ-ÞА-ЯЁ])", re.RegexFlag(0)),
        ("", others, "", re.IGNORECASE),
        (r"(?<!\d)(?<!\d\s)", nouns, r"(?!\s?\d)", re.IGNORECASE),  # beside a number it is counted
    ):
        if table:
            pattern = re.compile(rf"{before}{_one_of(list(table))}{after}", flags)
            found.append((pattern, {_key(key): words for key, words in table.items()}))
    ends = {_end_of(part) for key in (*rules.abbreviations, *rules.before_capital) for part in key.split(".")[:-1]}
    plain = "|".join(map(re.escape, rules.without_dots))
    return tuple(found), ends, re.compile(rf"(?<!\w)(?:{plain})(?!\w)").search if plain else lambda text: None


@cache
def _before_number(code: str) -> tuple[re.Pattern[str], dict[str, str]]:
    table = RULES[code].before_number
    variants = {**table, NUMERO: table.get("№", "")}
    if "n.º" in table:
        variants |= dict.fromkeys((f"n.{SIGN_O}", f"n{SIGN_O}", f"n{SIGN_A}", "n°"), table["n.º"])
    pattern = rf"{_one_of([key for key in variants if 'º' not in key])}\s*(?=\d)"
    return re.compile(pattern, re.IGNORECASE), {_key(key): words for key, words in variants.items()}


def _one_of(keys: list[str]) -> str:
    """Any of them, no letter before; a space may stand after each dot inside."""
    patterns = []
    for key in sorted(keys, key=len, reverse=True):
        plain = key.replace(". ", ".")
        pattern = re.escape(plain[:-1]).replace(r"\.", r"\.\s?").replace(r"\ ", r"\s+") + re.escape(plain[-1])
        patterns.append(pattern + (r"(?!\w)" if plain[-1].isalpha() else ""))
    return rf"(?<![\w.])(?:{'|'.join(patterns)})"


def _key(written: str) -> str:
    return re.sub(r"\s", "", written).lower()
