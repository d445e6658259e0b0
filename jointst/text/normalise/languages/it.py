"""Italian."""

from __future__ import annotations

import re

from jointst.text.normalise.cardinals import words_of
from jointst.text.normalise.characters import JOIN, SIGN_A, SIGN_O
from jointst.text.normalise.rules import HOUR, MINUTE, Rules, after

_MONTHS = "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre".split()
_MONTH = rf"(?i:{'|'.join(_MONTHS)})\b"
_NO_NOUNS = set(
    "di del della dello dei degli delle e o a al alla in nel per con che è sono ha "
    "hanno non si più come ma da dal fra tra il lo la i gli le su sul ed era fu".split()
)
_ARTICLES = set("il lo la l al allo alla del dello della nel nella dal dalla sul sulla un una".split())
_NUMBERED = frozenset(
    "capitolo pagina numero parte gruppo tipo fase livello "
    "articolo linea canale sala tomo volume allegato giorno".split()
)


def _cardinal(number: int) -> str:
    # num2words leaves out an i of eighteen within larger numbers, and the accent of three at their end
    words = words_of(number, "it").replace("dicott", "diciott")
    return re.sub(r"(?<=\w)tre$", "tré", words)


def _counted(words: str, gender: str) -> str:
    if words != "uno":
        return words
    return "una" if gender == "f" else "un"


def _before_word(words: str, following: str) -> str:
    word = following.lower()
    if re.search("(?:ilion|iliard)[eio]$", words) and word not in _NO_NOUNS:
        return f"{words} di"  # a million takes it before what it counts
    if words != "uno" or word in _NO_NOUNS:
        return words
    if word.endswith("a") and not word.endswith("ma"):
        return f"un'{JOIN}" if word[0] in "aeiouàèéìòù" else "una"
    return "uno" if re.match("s[^aeiouh]|z|gn|ps|x|y", word) else "un"


def _ordinal(number: int, ending: str, before: str) -> str:
    if ending == "°" and before not in _ARTICLES:
        return ""
    words = words_of(number, "it", to="ordinal").replace("dicott", "diciott")
    return re.sub(r"o\b", "a", words) if ending in (SIGN_A, "a") else words


def _date(day: int, month: int, year: str, before: str) -> str:
    return f"{'primo' if day == 1 else _cardinal(day)} {_MONTHS[month - 1]} {year}"


def _clock(hour: int, minute: int, suffix: str) -> str:
    return f"{_counted(_cardinal(hour), 'f')} {f'e {_cardinal(minute)}' if minute else ''}"


RULES = Rules(
    code="it",
    apostrophes=True,
    cardinal=_cardinal,
    counted=_counted,
    before_word=_before_word,
    numbered=_NUMBERED,
    groups_by_space=True,
    point="virgola",
    decimals="number",
    dot="punto",
    minus="meno",
    ratio="a",
    ampersand="e",
    ordinal=rf"(?<![\w.,])(?P<number>\d{{1,4}})\.?(?P<ending>[{SIGN_O}{SIGN_A}]|°(?!\s?[CF]\b)|[oa](?![^\W_]))",
    ordinal_words=_ordinal,
    year_words=_cardinal,
    century=r"\b(?P<roman>[IVX]+)\b(?P<rest>)(?:(?<=\b[Ss]ecolo\s\w)|(?<=\b[Ss]ecolo\s\w\w)|(?<=\b[Ss]ecolo\s\w{3})|"
    r"(?<=\b[Ss]ecolo\s\w{4})|(?<=\b[Ss]ecolo\s\w{5})|(?=\s[Ss]ecolo))",
    century_words=lambda number, rest: _ordinal(number, "", ""),
    months=tuple(_MONTHS),
    date=_date,
    clocks=(
        rf"{after('ore alle dalle Ore Alle Dalle le')}{HOUR}\.{MINUTE}",
        rf"{HOUR}[:.]{MINUTE}\s?(?P<suffix>h)(?![^\W_])",
    ),
    clock=_clock,
    units={
        "%": "per cento",
        "‰": "per mille",
        "°": "grado|gradi",
        "°C": "grado celsius|gradi celsius",
        "°F": "grado fahrenheit|gradi fahrenheit",
        "mm": "millimetro|millimetri",
        "cm": "centimetro|centimetri",
        "m": "metro|metri",
        "km": "chilometro|chilometri",
        "cm^2": "centimetro quadrato|centimetri quadrati",
        "m^2": "metro quadrato|metri quadrati",
        "mq": "metro quadrato|metri quadrati",
        "km^2": "chilometro quadrato|chilometri quadrati",
        "ha": "ettaro|ettari",
        "cm^3": "centimetro cubo|centimetri cubi",
        "m^3": "metro cubo|metri cubi",
        "ml": "millilitro|millilitri",
        "cl": "centilitro|centilitri",
        "l": "litro|litri",
        "L": "litro|litri",
        "mg": "milligrammo|milligrammi",
        "g": "grammo|grammi",
        "kg": "chilogrammo|chilogrammi",
        "t": "tonnellata|tonnellate, f",
        "s": "secondo|secondi",
        "h": "!un'ora|ore, f",
        "min": "minuto|minuti",
        "km/h": "chilometro all'ora|chilometri all'ora",
        "m/s^2": "metro al secondo quadrato|metri al secondo quadrato",
        "m/s": "metro al secondo|metri al secondo",
        "W": "watt",
        "kW": "chilowatt",
        "kWh": "chilowattora",
        "MW": "megawatt",
        "GW": "gigawatt",
        "V": "volt",
        "Hz": "hertz",
        "kHz": "chilohertz",
        "MHz": "megahertz",
        "GHz": "gigahertz",
        "KB": "kilobyte",
        "kB": "kilobyte",
        "MB": "megabyte",
        "GB": "gigabyte",
        "TB": "terabyte",
        "dB": "decibel",
        "kcal": "chilocaloria|chilocalorie, f",
        "hPa": "ettopascal",
    },
    # the last form stands after milione and miliardo
    currencies={
        "€ EUR": "euro|euro|di euro; centesimo|centesimi",
        "$ US$ USD": "dollaro|dollari|di dollari; centesimo|centesimi",
        "£ GBP": "sterlina|sterline|di sterline, f; penny|pence",
        "¥ JPY": "yen|yen|di yen",
        "CNY": "yuan|yuan|di yuan",
        "₹ INR": "rupia|rupie|di rupie, f",
        "₽ RUB": "rublo|rubli|di rubli; copeco|copechi",
        "CHF": "franco svizzero|franchi svizzeri|di franchi svizzeri; centesimo|centesimi",
        "R$ BRL": "real|real|di real",
        "₩ KRW": "won|won|di won",
    },
    money="{major} e {minor}",
    magnitudes="milion[ei]|miliard[oi]",
    fractions={
        2: "un mezzo|{} mezzi",
        3: "un terzo|{} terzi",
        4: "un quarto|{} quarti",
        5: "un quinto|{} quinti",
        6: "un sesto|{} sesti",
        7: "un settimo|{} settimi",
        8: "un ottavo|{} ottavi",
        9: "un nono|{} noni",
        10: "un decimo|{} decimi",
    },
    half="mezzo",
    and_half="1=uno e mezzo|{} e mezzo",
    mixed="{whole} e {fraction}",
    powers={"2": "al quadrato", "3": "al cubo", "": "elevato alla {}"},
    operators={"+": "più", "=": "uguale", "×": "per", "÷": "diviso", "±": "più o meno"},
    abbreviations={
        "Sig.": "signor",
        "Sig.ra": "signora",
        "Sig.na": "signorina",
        "Sigg.": "signori",
        "Dott.": "dottor",
        "Dott.ssa": "dottoressa",
        "Dr.": "dottor",
        "Prof.": "professor",
        "Prof.ssa": "professoressa",
        "Ing.": "ingegner",
        "Avv.": "avvocato",
        "ecc.": "eccetera",
        "etc.": "eccetera",
        "p. es.": "per esempio",
        "ad es.": "ad esempio",
        "a. C.": "avanti Cristo",
        "d. C.": "dopo Cristo",
        "cfr.": "confronta",
        "tel.": "telefono",
        "c.so": "corso",
        "p.zza": "piazza",
        "v.le": "viale",
        "ca.": "circa",
        "vol.": "volume",
        "on.": "onorevole",
    },
    before_capital={"P.za": "piazza"},
    before_number={
        "n.": "numero",
        "n.º": "numero",
        "№": "numero",
        "#": "numero",
        "nr.": "numero",
        "pag.": "pagina",
        "p.": "pagina",
        "pp.": "pagine",
        "art.": "articolo",
        "§": "paragrafo",
        "cap.": "capitolo",
        "fig.": "figura",
    },
    at="chiocciola",
    slash="barra",
    special=((rf"(?<![\w.,/])1°?(?=\s{_MONTH})", f"1{SIGN_O}"),),
)
