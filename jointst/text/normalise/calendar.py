"""Dates and times of the clock."""

from __future__ import annotations

import re
from functools import cache

from jointst.text.normalise.languages import RULES
from jointst.text.normalise.numbers import read_digits
from jointst.text.normalise.rules import HOUR, MINUTE, Rules

_ISO = re.compile(
    r"(?<![\d./-])(?P<y>\d{4})(?P<sep>[-/.])(?P<m>0?[1-9]|1[0-2])(?P=sep)(?P<d>0?[1-9]|[12]\d|3[01])(?!\d|[-/.]\d)"
)
_PARTS = re.compile(
    r"(?<![\d./-])(?P<a>\d{1,2})(?P<sep>[-/]|\.\s?)(?P<b>\d{1,2})(?P=sep)(?P<y>\d{4}|\d{2})(?!\d|[-/.]\d)"
)
_SHORT = re.compile(r"(?<![\d./-])(?P<d>0?[1-9]|[12]\d|3[01])\.(?P<m>0?[1-9]|1[0-2])\.(?![^\s),;])")
_BEFORE = re.compile(r"(\w+)[\s,]*$")


def read_dates(text: str, rules: Rules) -> str:
    """2023-12-24, and 24.12.2023 or 12/24/2023 in the order of the language; what is no date stays."""

    def read_iso(match: re.Match[str]) -> str:
        return _date(match, int(match["d"]), int(match["m"]), match["y"], rules)

    def read_parts(match: re.Match[str]) -> str:
        day, month = int(match["a"]), int(match["b"])
        if rules.date_order == "ymd" or (len(match["y"]) == 2 and match["sep"] == "-"):
            return match.group()
        if rules.date_order == "mdy":
            if day <= 12 and month <= 12:  # nobody knows which is which
                return match.group()
            day, month = (month, day) if day <= 12 else (day, month)
        if not (1 <= day <= 31 and 1 <= month <= 12):
            return match.group()
        return _date(match, day, month, match["y"], rules)

    def read_short(match: re.Match[str]) -> str:
        return _date(match, int(match["d"]), int(match["m"]), "", rules)

    text = _PARTS.sub(read_parts, _ISO.sub(read_iso, text))
    return _SHORT.sub(read_short, text) if rules.short_dates else text


def _date(match: re.Match[str], day: int, month: int, year: str, rules: Rules) -> str:
    before = _BEFORE.search(match.string[max(0, match.start() - 20) : match.start()])
    words = rules.year_words(int(year)) if len(year) == 4 else read_digits(year, rules.code) if year else ""
    return f" {rules.date(day, month, words, before[1].lower() if before else '')} "


def read_clocks(text: str, rules: Rules) -> str:
    """14:30, with seconds or without, and what else the language has; then ratios such as 3:1."""
    text = _CLOCKS_APART.sub(rf"\1 {rules.between} ", text)
    for pattern in _clocks(rules.code):
        text = pattern.sub(lambda match: f" {_clock(match, rules)} ", text)
    return _RATIO.sub(f" {rules.ratio} ", text)


_CLOCKS_APART = re.compile(r"(\d{1,2}[:hH]\d{2})\s?[-–—~〜]\s?(?=\d{1,2}[:hH]\d{2})")
_RATIO = re.compile(r"(?<=\d)\s?:\s?(?=\d)")


@cache
def _clocks(code: str) -> tuple[re.Pattern[str], ...]:
    start, end = r"(?<![\d:.,/])", r"(?![\d:]|[.,]\d)"
    plain = rf"{start}{HOUR}:{MINUTE}(?::(?P<s>[0-5]\d))?(?P<suffix>){end}"
    return tuple(re.compile(rf"{start}{pattern}") for pattern in RULES[code].clocks) + (re.compile(plain),)


def _clock(match: re.Match[str], rules: Rules) -> str:
    parts = match.groupdict()
    words = rules.clock(int(parts["h"]), int(parts.get("m") or 0), (parts.get("suffix") or "").strip())
    return f"{words} {rules.cardinal(int(parts['s']))}" if parts.get("s") else words
