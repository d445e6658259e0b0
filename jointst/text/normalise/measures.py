"""Numbers with what they count: units, percent and money."""

from __future__ import annotations

import re
from functools import cache

from jointst.common.languages import language
from jointst.text.normalise.languages import RULES
from jointst.text.normalise.numbers import Number, number_pattern, parse_number, read_digits, read_number
from jointst.text.normalise.rules import Named, Rules


def read_units(text: str, rules: Rules) -> str:
    """``5 km``, ``20 m²``, ``-3 °C``, ``10 %``; a square or cubic unit also without a number."""
    units, pattern, after_fraction, alone = _units(rules.code)

    def read(match: re.Match[str]) -> str:
        return f" {_counted(parse_number(match['number'], rules), units[match['unit']], rules)} "

    def name(match: re.Match[str]) -> str:
        forms = units[match["unit"]].forms
        return f"{match['fraction']} {forms[min(rules.plural(1, True), len(forms) - 1)].replace('{}', '')} "

    text = pattern.sub(read, after_fraction.sub(name, text))
    return alone.sub(lambda match: f" {_some(units[match['unit']], rules)} ", text)


@cache
def _units(code: str) -> tuple[dict[str, Named], re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    rows = {symbol: Named.of(row) for symbol, row in RULES[code].units.items()}
    units = rows | {symbol.replace("^", ""): row for symbol, row in rows.items() if "^" in symbol}
    symbol = rf"(?P<unit>{_any_of(units)}){_end(code)}"
    powers = "|".join(re.escape(name) for name in sorted(rows, key=len, reverse=True) if "^" in name)
    return (
        units,
        re.compile(rf"(?P<number>{number_pattern(code)})\s{{0,2}}{symbol}"),
        re.compile(rf"(?P<fraction>\d[⁄/]\d{{1,2}})\s{{0,2}}{symbol}"),
        re.compile(rf"(?<![^\W_])(?P<unit>{powers}){_end(code)}"),
    )


def read_money(text: str, rules: Rules) -> str:
    """``$5``, ``3,50 €``, ``EUR 20``, ``$5 million``; a sign without a number is its name, if it stands alone."""
    signs, before, after, alone = _currencies(rules.code)

    def read(match: re.Match[str]) -> str:
        number, (major, minor) = parse_number(match["number"], rules), signs[match["sign"]]
        if match["magnitude"]:
            words = read_number(number, rules, following=match["magnitude"])
            return f" {words} {match['magnitude']} {major.forms[-1]} "
        if not number.fraction and number.whole.endswith("000000"):
            return f" {read_number(number, rules)} {major.forms[-1]} "
        if minor is None or not rules.money or len(number.fraction) != 2:
            return f" {_counted(number, major, rules)} "
        cents = Number(str(int(number.fraction)))
        if cents.whole == "0":
            return f" {_counted(Number(number.whole, grouped=number.grouped), major, rules)} "
        if number.whole.strip("0") == "":
            return f" {_counted(cents, minor, rules)} "
        words = rules.money.format(
            major=_counted(Number(number.whole, grouped=number.grouped), major, rules),
            minor=_counted(cents, minor, rules),
            cents=read_digits(cents.whole, rules.code),
        )
        return f" {words} "

    text = after.sub(read, before.sub(read, text))
    return alone.sub(lambda match: f" {_some(signs[match['sign']][0], rules)} ", text)


@cache
def _currencies(
    code: str,
) -> tuple[dict[str, tuple[Named, Named | None]], re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    rules = RULES[code]
    signs: dict[str, tuple[Named, Named | None]] = {}
    for row_signs, row in rules.currencies.items():
        major, _, minor = row.partition(";")
        for sign in row_signs.split():
            signs[sign] = (Named.of(major), Named.of(minor.strip()) if minor else None)
    sign, number = rf"(?P<sign>{_any_of(signs)})", rf"(?P<number>{number_pattern(code)})"
    magnitude = rf"(?:\s?(?P<magnitude>{rules.magnitudes})(?![^\W_]))?" if rules.magnitudes else "(?P<magnitude>(?!))?"
    single = _any_of([name for name in signs if len(name) == 1])
    return (
        signs,
        # in 100 € 5 it belongs to the first number, in 2008 $5 to the second
        re.compile(rf"(?<![A-Za-z])(?:(?<!\d)(?<!\d\s)|(?=(?:{_any_of(signs)})\d)){sign}\s?{number}{magnitude}"),
        re.compile(rf"{number}{magnitude}\s?{sign}{_end(code)}"),
        re.compile(rf"(?<=[^\W\d_] )(?P<sign>{single})(?![^\s.,;:!?)])"),
    )


def _counted(number: Number, noun: Named, rules: Rules) -> str:
    """A number and the right form of what it counts."""
    whole = int(number.whole[-LAST_DIGITS:])
    index = rules.plural(whole if len(number.whole) <= LAST_DIGITS else 10**LAST_DIGITS + whole, bool(number.fraction))
    form = noun.forms[min(index, len(noun.forms) - 1)]
    if form.startswith("!"):
        return form[1:]
    words = read_number(number, rules, gender=noun.gender)
    return form.format(words) if "{}" in form else f"{words} {form}"


def _some(noun: Named, rules: Rules) -> str:
    """The form of a noun without a number."""
    return noun.forms[min(rules.plural(5, False), len(noun.forms) - 1)]


LAST_DIGITS = 6
"""So many digits of a number choose the form of a noun."""


def _any_of(symbols: dict[str, Named] | dict[str, tuple[Named, Named | None]] | list[str]) -> str:
    return "|".join(re.escape(symbol) for symbol in sorted(symbols, key=len, reverse=True))


def _end(code: str) -> str:
    """What may not follow a symbol: a letter or digit; in Chinese and Japanese only a Latin one."""
    return r"(?![^\W_]|[\^\u0900-\u0963])" if language(code).has_spaces else r"(?![A-Za-z\d^])"
