"""French, as it is said in France."""

from __future__ import annotations

import re

from jointst.text.normalise.cardinals import words_of
from jointst.text.normalise.characters import JOIN
from jointst.text.normalise.rules import HOUR, MINUTE, Rules

_NO_NOUNS = set("de d et en à a au aux ou par pour sur dans est sont était qui que ne sans avec comme virgule".split())
_MONTHS = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()
_MONTH = rf"(?i:{'|'.join(_MONTHS)})\b"


def _cardinal(number: int) -> str:
    return words_of(number, "fr")


def _counted(words: str, gender: str) -> str:
    return re.sub(r"un$", "une", words) if gender == "f" else words


def _before_word(words: str, following: str) -> str:
    """A million takes de before what it counts."""
    if not re.search(r"(?:million|milliard|billion)s?$", words) or following.lower() in _NO_NOUNS:
        return words
    return f"{words} d'{JOIN}" if following[0].lower() in "aeiouyhàâéèêîïôœ" else f"{words} de"


def _ordinal(number: int, ending: str, before: str) -> str:
    plural = "s" if ending.endswith("s") else ""
    ending = ending.removesuffix("s")
    if number == 1:
        return f"{'première' if ending in ('re', 'ère') else 'premier'}{plural}"
    if number == 2 and ending in ("nd", "nde", "de"):
        return f"second{'' if ending == 'nd' else 'e'}{plural}"
    return words_of(number, "fr", to="ordinal") + plural


def _date(day: int, month: int, year: str, before: str) -> str:
    return f"{'premier' if day == 1 else _cardinal(day)} {_MONTHS[month - 1]} {year}"


def _clock(hour: int, minute: int, suffix: str) -> str:
    noun = "heure" if hour < 2 else "heures"
    return f"{_counted(_cardinal(hour), 'f')} {noun} {_cardinal(minute) if minute else ''}"


RULES = Rules(
    code="fr",
    apostrophes=True,
    cardinal=_cardinal,
    counted=_counted,
    before_word=_before_word,
    plural=lambda whole, has_decimals: int(whole >= 2),
    groups_by_space=True,
    point="virgule",
    decimals="number",
    dot="point",
    minus="moins",
    between="à",
    ratio="à",
    ampersand="et",
    ordinal=r"(?<![\w.,])(?P<number>\d{1,4})(?P<ending>ers?|res?|ères?|[eè]mes?|nde?s?|de|es?)(?![^\W_])",
    ordinal_words=_ordinal,
    year_words=_cardinal,
    century=r"\b(?P<roman>[IVX]+)(?P<rest>er|e|ème)(?=\s(?:siècle|s\.))",
    century_words=lambda number, rest: _ordinal(number, rest, ""),
    months=tuple(_MONTHS),
    date=_date,
    clocks=(rf"{HOUR}\s?(?P<suffix>[hH])(?:\s?{MINUTE})?(?:\s?min)?(?![^\W_])",),
    clock=_clock,
    units={
        "%": "pour cent",
        "‰": "pour mille",
        "°": "degré|degrés",
        "°C": "degré celsius|degrés celsius",
        "°F": "degré fahrenheit|degrés fahrenheit",
        "mm": "millimètre|millimètres",
        "cm": "centimètre|centimètres",
        "m": "mètre|mètres",
        "km": "kilomètre|kilomètres",
        "cm^2": "centimètre carré|centimètres carrés",
        "m^2": "mètre carré|mètres carrés",
        "km^2": "kilomètre carré|kilomètres carrés",
        "ha": "hectare|hectares",
        "cm^3": "centimètre cube|centimètres cubes",
        "m^3": "mètre cube|mètres cubes",
        "ml": "millilitre|millilitres",
        "cl": "centilitre|centilitres",
        "l": "litre|litres",
        "L": "litre|litres",
        "mg": "milligramme|milligrammes",
        "g": "gramme|grammes",
        "kg": "kilogramme|kilogrammes",
        "t": "tonne|tonnes, f",
        "s": "seconde|secondes, f",
        "min": "minute|minutes, f",
        "mn": "minute|minutes, f",
        "km/h": "kilomètre à l'heure|kilomètres à l'heure",
        "m/s^2": "mètre par seconde carrée|mètres par seconde carrée",
        "m/s": "mètre par seconde|mètres par seconde",
        "W": "watt|watts",
        "kW": "kilowatt|kilowatts",
        "kWh": "kilowattheure|kilowattheures",
        "MW": "mégawatt|mégawatts",
        "GW": "gigawatt|gigawatts",
        "V": "volt|volts",
        "Hz": "hertz",
        "kHz": "kilohertz",
        "MHz": "mégahertz",
        "GHz": "gigahertz",
        "Ko": "kilooctet|kilooctets",
        "Mo": "mégaoctet|mégaoctets",
        "Go": "gigaoctet|gigaoctets",
        "To": "téraoctet|téraoctets",
        "dB": "décibel|décibels",
        "kcal": "kilocalorie|kilocalories, f",
        "hPa": "hectopascal|hectopascals",
        "M€": "million d'euros|millions d'euros",
        "Md€": "milliard d'euros|milliards d'euros",
        "Mds€": "milliard d'euros|milliards d'euros",
    },
    # the last form stands after million and milliard
    currencies={
        "€ EUR": "euro|euros|d'euros; centime|centimes",
        "$ US$ USD": "dollar|dollars|de dollars; cent|cents",
        "£ GBP": "livre|livres|de livres, f; penny|pence",
        "¥ JPY": "yen|yens|de yens",
        "CNY": "yuan|yuans|de yuans",
        "₹ INR": "roupie|roupies|de roupies, f",
        "₽ RUB": "rouble|roubles|de roubles; kopeck|kopecks",
        "CHF": "franc suisse|francs suisses|de francs suisses; centime|centimes",
        "R$ BRL": "réal|réals|de réals",
        "₩ KRW": "won|wons|de wons",
    },
    money="{major} {cents}",
    magnitudes="millions?|milliards?|billions?",
    fractions={
        2: "un demi|{} demis",
        3: "un tiers|{} tiers",
        4: "un quart|{} quarts",
        5: "un cinquième|{} cinquièmes",
        6: "un sixième|{} sixièmes",
        7: "un septième|{} septièmes",
        8: "un huitième|{} huitièmes",
        9: "un neuvième|{} neuvièmes",
        10: "un dixième|{} dixièmes",
    },
    half="un demi",
    and_half="{} et demi",
    mixed="{whole} et {fraction}",
    powers={"2": "au carré", "3": "au cube", "": "puissance {}"},
    operators={"+": "plus", "=": "égale", "×": "fois", "÷": "divisé par", "±": "plus ou moins"},
    abbreviations={
        "M. le": "monsieur le",
        "MM.": "messieurs",
        "Mme.": "madame",
        "Mlle.": "mademoiselle",
        "Dr.": "docteur",
        "Pr.": "professeur",
        "p. ex.": "par exemple",
        "par ex.": "par exemple",
        "etc.": "et cetera",
        "c.-à-d.": "c'est-à-dire",
        "cf.": "confer",
        "env.": "environ",
        "av. J.-C.": "avant Jésus-Christ",
        "apr. J.-C.": "après Jésus-Christ",
        "ap. J.-C.": "après Jésus-Christ",
        "St.": "saint",
        "Ste.": "sainte",
        "tél.": "téléphone",
        "bd.": "boulevard",
        "janv.": "janvier",
        "févr.": "février",
        "juil.": "juillet",
        "oct.": "octobre",
        "nov.": "novembre",
        "déc.": "décembre",
        "éd.": "édition",
        "vol.": "volume",
        "chap.": "chapitre",
    },
    before_capital={"M.": "monsieur"},
    without_dots={
        "Mme": "madame",
        "Mmes": "mesdames",
        "Mlle": "mademoiselle",
        "Mlles": "mesdemoiselles",
        "MM": "messieurs",
        "Dr": "docteur",
        "Pr": "professeur",
    },
    before_number={
        "n.º": "numéro",
        "№": "numéro",
        "#": "numéro",
        "no.": "numéro",
        "p.": "page",
        "pp.": "pages",
        "art.": "article",
        "§": "paragraphe",
        "fig.": "figure",
        "t.": "tome",
    },
    at="arobase",
    slash="slash",
    special=(
        (r"(?<=\d\s)sept\.", "septembre"),
        (rf"(?<![\w.,/])1(?=\s{_MONTH})", "1er"),
        (r"(?<=\dh)\s?[-–]\s?(?=\d)", " à "),
    ),
)
