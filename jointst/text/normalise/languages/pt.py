"""Portuguese, as it is said in Brazil: so does its voice."""

from __future__ import annotations

import re

from jointst.text.normalise.cardinals import words_of
from jointst.text.normalise.characters import SIGN_A, SIGN_O
from jointst.text.normalise.rules import HOUR, MINUTE, Rules

_MONTHS = "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro".split()
_MONTH = rf"(?i:{'|'.join(_MONTHS)})\b"
_NO_NOUNS = set(
    "de do da dos das e ou a à ao as às em no na nos nas por para com "
    "sem que é são está foi era não se mais menos como já até desde há vai o os um uma".split()
)
_MASCULINE_IN_A = re.compile(r"(?:dia|ma|mapa|planeta|poeta|artista|turista|guarda|lucas|mas)s?$")
_NUMBERED = frozenset(
    "capítulo página número parte grupo tipo fase nível artigo linha canal sala tomo volume anexo dia".split()
)


def _cardinal(number: int) -> str:
    return words_of(number, "pt_BR")


def _counted(words: str, gender: str) -> str:
    if gender != "f":
        return words
    words = re.sub(r"(duzent|trezent|ocent|ecent|inhent|iscent)os\b", r"\1as", words)
    return re.sub(r"\bum$", "uma", re.sub(r"\bdois$", "duas", words))


def _before_word(words: str, following: str) -> str:
    word = following.lower()
    if re.search("[ib]lh(?:ão|ões)$", words) and word not in _NO_NOUNS:
        return f"{words} de"  # a million takes it before what it counts
    feminine = re.search("as?$", word) and word not in _NO_NOUNS and not _MASCULINE_IN_A.search(word)
    return _counted(words, "f") if feminine and not words.endswith("mil") else words


def _ordinal(number: int, ending: str, before: str) -> str:
    words = words_of(number, "pt_BR", to="ordinal")
    return re.sub(r"o\b", "a", words) if ending in (SIGN_A, "a") else words


def _date(day: int, month: int, year: str, before: str) -> str:
    return f"{'primeiro' if day == 1 else _cardinal(day)} de {_MONTHS[month - 1]}" + (f" de {year}" if year else "")


def _clock(hour: int, minute: int, suffix: str) -> str:
    words = _counted(_cardinal(hour), "f")
    if minute:
        return f"{words} e {_cardinal(minute)}"
    return f"{words} {'hora' if hour < 2 else 'horas'}"


RULES = Rules(
    code="pt",
    apostrophes=True,
    cardinal=_cardinal,
    counted=_counted,
    before_word=_before_word,
    numbered=_NUMBERED,
    plural=lambda whole, has_decimals: int(whole >= 2),
    groups_by_space=True,
    point="vírgula",
    decimals="number",
    dot="ponto",
    minus="menos",
    between="a",
    ratio="a",
    ampersand="e",
    ordinal=rf"(?<![\w.,])(?P<number>\d{{1,4}})\.?(?P<ending>[{SIGN_O}{SIGN_A}]|[oa](?![^\W_]))",
    ordinal_words=_ordinal,
    year_words=_cardinal,
    century=r"(?:(?<=\b[Ss]éculo\s)|(?<=\b[Ss]éculos\s))(?P<roman>[IVX]+)\b(?P<rest>)",
    century_words=lambda number, rest: _cardinal(number) if number > 10 else _ordinal(number, "", ""),
    months=tuple(_MONTHS),
    date=_date,
    clocks=(rf"{HOUR}\s?(?P<suffix>[hH])(?:\s?{MINUTE})?(?:\s?min)?(?![^\W_])",),
    clock=_clock,
    units={
        "%": "por cento",
        "‰": "por mil",
        "°": "grau|graus",
        "°C": "grau celsius|graus celsius",
        "°F": "grau fahrenheit|graus fahrenheit",
        "mm": "milímetro|milímetros",
        "cm": "centímetro|centímetros",
        "m": "metro|metros",
        "km": "quilômetro|quilômetros",
        "cm^2": "centímetro quadrado|centímetros quadrados",
        "m^2": "metro quadrado|metros quadrados",
        "km^2": "quilômetro quadrado|quilômetros quadrados",
        "ha": "hectare|hectares",
        "cm^3": "centímetro cúbico|centímetros cúbicos",
        "m^3": "metro cúbico|metros cúbicos",
        "ml": "mililitro|mililitros",
        "cl": "centilitro|centilitros",
        "l": "litro|litros",
        "L": "litro|litros",
        "mg": "miligrama|miligramas",
        "g": "grama|gramas",
        "kg": "quilograma|quilogramas",
        "t": "tonelada|toneladas, f",
        "s": "segundo|segundos",
        "min": "minuto|minutos",
        "km/h": "quilômetro por hora|quilômetros por hora",
        "m/s^2": "metro por segundo ao quadrado|metros por segundo ao quadrado",
        "m/s": "metro por segundo|metros por segundo",
        "W": "watt|watts",
        "kW": "quilowatt|quilowatts",
        "kWh": "quilowatt hora|quilowatts hora",
        "MW": "megawatt|megawatts",
        "GW": "gigawatt|gigawatts",
        "V": "volt|volts",
        "Hz": "hertz",
        "kHz": "quilohertz",
        "MHz": "megahertz",
        "GHz": "gigahertz",
        "KB": "kilobyte|kilobytes",
        "kB": "kilobyte|kilobytes",
        "MB": "megabyte|megabytes",
        "GB": "gigabyte|gigabytes",
        "TB": "terabyte|terabytes",
        "dB": "decibel|decibéis",
        "kcal": "quilocaloria|quilocalorias, f",
        "hPa": "hectopascal|hectopascals",
    },
    # the last form stands after milhão and bilhão
    currencies={
        "R$ BRL": "real|reais|de reais; centavo|centavos",
        "€ EUR": "euro|euros|de euros; centavo|centavos",
        "$ US$ USD": "dólar|dólares|de dólares; centavo|centavos",
        "£ GBP": "libra|libras|de libras, f; pêni|pence",
        "¥ JPY": "iene|ienes|de ienes",
        "CNY": "yuan|yuans|de yuans",
        "₹ INR": "rupia|rupias|de rupias, f",
        "₽ RUB": "rublo|rublos|de rublos; copeque|copeques",
        "CHF": "franco suíço|francos suíços|de francos suíços; cêntimo|cêntimos",
        "₩ KRW": "won|wons|de wons",
    },
    money="{major} e {minor}",
    magnitudes="milh(?:ão|ões)|bilh(?:ão|ões)|trilh(?:ão|ões)",
    fractions={
        2: "um meio|{} meios",
        3: "um terço|{} terços",
        4: "um quarto|{} quartos",
        5: "um quinto|{} quintos",
        6: "um sexto|{} sextos",
        7: "um sétimo|{} sétimos",
        8: "um oitavo|{} oitavos",
        9: "um nono|{} nonos",
        10: "um décimo|{} décimos",
    },
    half="meio",
    and_half="{} e meio",
    mixed="{whole} e {fraction}",
    powers={"2": "ao quadrado", "3": "ao cubo", "": "elevado a {}"},
    operators={"+": "mais", "=": "igual a", "×": "vezes", "÷": "dividido por", "±": "mais ou menos"},
    abbreviations={
        "Sr.": "senhor",
        "Sra.": "senhora",
        "Srta.": "senhorita",
        "Srs.": "senhores",
        "Dr.": "doutor",
        "Dra.": "doutora",
        "Prof.": "professor",
        "Profa.": "professora",
        f"Prof.{SIGN_A}": "professora",
        f"Prof{SIGN_A}": "professora",
        f"Dr.{SIGN_A}": "doutora",
        f"Dr{SIGN_A}": "doutora",
        "etc.": "etcetera",
        "p. ex.": "por exemplo",
        "por ex.": "por exemplo",
        "a. C.": "antes de Cristo",
        "d. C.": "depois de Cristo",
        "Av.": "avenida",
        "tel.": "telefone",
        "aprox.": "aproximadamente",
        "Eng.": "engenheiro",
        "Sto.": "santo",
        "Sta.": "santa",
        "Ltda.": "limitada",
        "Cia.": "companhia",
        "depto.": "departamento",
        "Exmo.": "excelentíssimo",
    },
    before_number={
        "n.º": "número",
        "№": "número",
        "#": "número",
        "núm.": "número",
        "pág.": "página",
        "págs.": "páginas",
        "p.": "página",
        "pp.": "páginas",
        "art.": "artigo",
        "§": "parágrafo",
        "vol.": "volume",
        "cap.": "capítulo",
        "fig.": "figura",
    },
    at="arroba",
    slash="barra",
    special=((rf"(?<![\w.,/])1(?=\s(?:de\s)?{_MONTH})", f"1{SIGN_O}"),),
)
