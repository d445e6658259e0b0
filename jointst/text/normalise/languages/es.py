"""Spanish."""

from __future__ import annotations

import re

from jointst.text.normalise.cardinals import words_of
from jointst.text.normalise.characters import SIGN_A, SIGN_O
from jointst.text.normalise.rules import HOUR, MINUTE, Rules

_MONTHS = "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()
_NO_NOUNS = set(
    "de del y o u e a al en por para con sin que es son está están fue era no se más menos como ya ni pero desde hasta "
    "sobre entre hay ha han va la las lo los el su sus".split()
)
_MASCULINE_IN_A = re.compile(r"(?:d[ií]a|ma|mapa|planeta|kilómetro|guardia|poeta|artista|turista)s?$")
_NUMBERED = frozenset(
    "capítulo página número parte grupo tipo fase nivel artículo "
    "línea canal sala tomo volumen tema anexo día apartado".split()
)


def _cardinal(number: int) -> str:
    return words_of(number, "es")


def _counted(words: str, gender: str) -> str:
    if gender == "f":
        return re.sub("uno$", "una", re.sub(r"(cient|quinient)os\b", r"\1as", words))
    return "un" if words == "uno" else re.sub(r"veintiuno$", "veintiún", re.sub(r" uno$", " un", words))


def _before_word(words: str, following: str) -> str:
    word = following.lower()
    if re.search("ill[óo]n(?:es)?$", words) and word not in _NO_NOUNS:
        return f"{words} de"  # a million takes it before what it counts
    if word in _NO_NOUNS or not re.search("uno$|ientos", words) or (words != "uno" and not word.endswith("s")):
        return words
    return _counted(words, "f" if re.search("as?$", word) and not _MASCULINE_IN_A.search(word) else "m")


def _ordinal(number: int, ending: str, before: str) -> str:
    words = words_of(number, "es", to="ordinal")
    if ending in (SIGN_A, "a", "ra", "da", "ta"):
        return re.sub(r"o\b", "a", words)
    return re.sub(r"(primer|tercer)o$", r"\1", words) if ending == "er" else words


def _date(day: int, month: int, year: str, before: str) -> str:
    return f"{_cardinal(day)} de {_MONTHS[month - 1]}" + (f" de {year}" if year else "")


def _clock(hour: int, minute: int, suffix: str) -> str:
    words = _counted(_cardinal(hour), "f")
    if suffix[:1] in ("a", "p"):
        half = f" {suffix[0]} m"
    else:
        half = " horas" if suffix and not minute else ""
    return f"{words} {'y ' if 0 < minute < 10 else ''}{_cardinal(minute) if minute else ''}{half}"


RULES = Rules(
    code="es",
    cardinal=_cardinal,
    counted=_counted,
    before_word=_before_word,
    numbered=_NUMBERED,
    groups_by_space=True,
    point="coma",
    decimals="number",
    dot="punto",
    minus="menos",
    between="a",
    ratio="a",
    ampersand="y",
    ordinal=rf"(?<![\w.,])(?P<number>\d{{1,4}})\.?(?P<ending>[{SIGN_O}{SIGN_A}]|(?:er|ro|do|to|ra|da|ta|[oa])(?![^\W_]))",
    ordinal_words=_ordinal,
    year_words=_cardinal,
    century=r"(?:(?<=\b[Ss]iglo\s)|(?<=\b[Ss]iglos\s))(?P<roman>[IVX]+)\b(?P<rest>)",
    century_words=lambda number, rest: _cardinal(number) if number > 10 else _ordinal(number, "", ""),
    months=tuple(_MONTHS),
    date=_date,
    clocks=(
        rf"{HOUR}[:.]{MINUTE}\s?(?P<suffix>h(?:oras|rs|s)?\b\.?|[ap]\.?\s?m\b\.?)",
        rf"{HOUR}\s?(?P<suffix>h(?:rs|s)?\b\.?|[ap]\.?\s?m\b\.?)",
    ),
    clock=_clock,
    units={
        "%": "por ciento",
        "‰": "por mil",
        "°": "grado|grados",
        "°C": "grado celsius|grados celsius",
        "°F": "grado fahrenheit|grados fahrenheit",
        "mm": "milímetro|milímetros",
        "cm": "centímetro|centímetros",
        "m": "metro|metros",
        "km": "kilómetro|kilómetros",
        "cm^2": "centímetro cuadrado|centímetros cuadrados",
        "m^2": "metro cuadrado|metros cuadrados",
        "km^2": "kilómetro cuadrado|kilómetros cuadrados",
        "ha": "hectárea|hectáreas, f",
        "cm^3": "centímetro cúbico|centímetros cúbicos",
        "m^3": "metro cúbico|metros cúbicos",
        "ml": "mililitro|mililitros",
        "cl": "centilitro|centilitros",
        "l": "litro|litros",
        "L": "litro|litros",
        "mg": "miligramo|miligramos",
        "g": "gramo|gramos",
        "kg": "kilogramo|kilogramos",
        "t": "tonelada|toneladas, f",
        "s": "segundo|segundos",
        "min": "minuto|minutos",
        "km/h": "kilómetro por hora|kilómetros por hora",
        "m/s^2": "metro por segundo al cuadrado|metros por segundo al cuadrado",
        "m/s": "metro por segundo|metros por segundo",
        "W": "vatio|vatios",
        "kW": "kilovatio|kilovatios",
        "kWh": "kilovatio hora|kilovatios hora",
        "MW": "megavatio|megavatios",
        "GW": "gigavatio|gigavatios",
        "V": "voltio|voltios",
        "Hz": "hercio|hercios",
        "kHz": "kilohercio|kilohercios",
        "MHz": "megahercio|megahercios",
        "GHz": "gigahercio|gigahercios",
        "KB": "kilobyte|kilobytes",
        "kB": "kilobyte|kilobytes",
        "MB": "megabyte|megabytes",
        "GB": "gigabyte|gigabytes",
        "TB": "terabyte|terabytes",
        "dB": "decibelio|decibelios",
        "kcal": "kilocaloría|kilocalorías, f",
        "hPa": "hectopascal|hectopascales",
    },
    # the last form stands after millón
    currencies={
        "€ EUR": "euro|euros|de euros; céntimo|céntimos",
        "$ US$ USD": "dólar|dólares|de dólares; centavo|centavos",
        "£ GBP": "libra|libras|de libras, f; penique|peniques",
        "¥ JPY": "yen|yenes|de yenes",
        "CNY": "yuan|yuanes|de yuanes",
        "₹ INR": "rupia|rupias|de rupias, f",
        "₽ RUB": "rublo|rublos|de rublos; kopek|kopeks",
        "MXN": "peso|pesos|de pesos; centavo|centavos",
        "CHF": "franco suizo|francos suizos|de francos suizos; céntimo|céntimos",
        "R$ BRL": "real|reales|de reales",
        "₩ KRW": "won|wones|de wones",
    },
    money="{major} con {minor}",
    magnitudes="mill[oó]n(?:es)?|billón|billones",
    fractions={
        2: "un medio|{} medios",
        3: "un tercio|{} tercios",
        4: "un cuarto|{} cuartos",
        5: "un quinto|{} quintos",
        6: "un sexto|{} sextos",
        7: "un séptimo|{} séptimos",
        8: "un octavo|{} octavos",
        9: "un noveno|{} novenos",
        10: "un décimo|{} décimos",
    },
    half="medio",
    and_half="1=uno y medio|{} y medio",
    mixed="{whole} y {fraction}",
    powers={"2": "al cuadrado", "3": "al cubo", "": "elevado a {}"},
    operators={"+": "más", "=": "igual a", "×": "por", "÷": "entre", "±": "más menos"},
    abbreviations={
        "Sr.": "señor",
        "Sra.": "señora",
        "Srta.": "señorita",
        "Sres.": "señores",
        "Dr.": "doctor",
        "Dra.": "doctora",
        "Prof.": "profesor",
        "Ud.": "usted",
        "Uds.": "ustedes",
        "Vd.": "usted",
        "Vds.": "ustedes",
        "etc.": "etcétera",
        "p. ej.": "por ejemplo",
        "EE. UU.": "Estados Unidos",
        "EE.UU.": "Estados Unidos",
        "a. C.": "antes de Cristo",
        "d. C.": "después de Cristo",
        "Sto.": "santo",
        "Sta.": "santa",
        "Avda.": "avenida",
        "tel.": "teléfono",
        "aprox.": "aproximadamente",
        "admón.": "administración",
        "Ing.": "ingeniero",
        "Lic.": "licenciado",
        "Gral.": "general",
        "depto.": "departamento",
    },
    without_dots={f"D{SIGN_A}": "doña"},
    before_capital={f"D.{SIGN_A}": "doña", "Av.": "avenida", "Pte.": "presidente"},
    before_number={
        "n.º": "número",
        "№": "número",
        "#": "número",
        "núm.": "número",
        "nro.": "número",
        "pág.": "página",
        "págs.": "páginas",
        "p.": "página",
        "pp.": "páginas",
        "art.": "artículo",
        "§": "párrafo",
        "vol.": "volumen",
        "cap.": "capítulo",
        "fig.": "figura",
    },
    at="arroba",
    slash="barra",
)
