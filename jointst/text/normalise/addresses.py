"""Addresses of pages and of people, names of files, and abbreviations: what its dots mean."""

from __future__ import annotations

import re
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

    if "." in text:
        text = _ADDRESS.sub(read, text)
    return _HANDLE.sub(f" {rules.at} ", text) if "@" in text else text


def read_abbreviations(text: str, rules: Rules) -> str:
    """Abbreviations, and signs such as № and §, in words."""
    if rules.before_number:
        pattern, words = _before_number(rules.code)
        text = pattern.sub(lambda match: f"{words[_key(match.group())]} ", text)
    if "." not in text:
        return text
    for pattern, words in _abbreviations(rules.code):
        text = pattern.sub(lambda match: f"{words[_key(match.group())]} ", text)  # noqa: B023
    return text


@cache
def _abbreviations(code: str) -> tuple[tuple[re.Pattern[str], dict[str, str]], ...]:
    rules = RULES[code]
    found = []
    # the words before a capital are abbreviations as they are written, the others also at the beginning of a sentence
    counted = {*rules.units, *(sign for signs in rules.currencies for sign in signs.split())}
    nouns = {key: words for key, words in rules.abbreviations.items() if key in counted}
    others = {key: words for key, words in rules.abbreviations.items() if key not in counted}
    for before, table, after, flags in (
        ("", rules.before_capital, r"(?=\s*[A-ZÀ-ÞА-ЯЁ])", re.RegexFlag(0)),
        ("", others, "", re.IGNORECASE),
        (r"(?<!\d)(?<!\d\s)", nouns, "", re.IGNORECASE),  # after a number it is counted
    ):
        if table:
            pattern = re.compile(rf"{before}{_one_of(list(table))}{after}", flags)
            found.append((pattern, {_key(key): words for key, words in table.items()}))
    return tuple(found)


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
