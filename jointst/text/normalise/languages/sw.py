"""Swahili."""

from __future__ import annotations

from jointst.text.normalise.rules import Rules, after

_UNITS = "sifuri moja mbili tatu nne tano sita saba nane tisa".split()
_TENS = "_ kumi ishirini thelathini arobaini hamsini sitini sabini themanini tisini".split()
_LARGE = ((10**12, "trilioni"), (10**9, "bilioni"), (10**6, "milioni"), (10**5, "laki"), (10**3, "elfu"), (100, "mia"))
_MONTHS = "januari februari machi aprili mei juni julai agosti septemba oktoba novemba desemba".split()
_FIRST = {1: "kwanza", 2: "pili"}


def _cardinal(number: int) -> str:
    """What is said last is joined by ``na``; no library for numbers knows the language."""
    if number < 10:
        return _UNITS[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return _TENS[tens] + (f" na {_UNITS[rest]}" if rest else "")
    unit, name = next((unit, name) for unit, name in _LARGE if number >= unit)
    many, rest = divmod(number, unit)
    words = f"{name} {_cardinal(many)}"
    if not rest:
        return words
    joined = rest < 10 or (rest < 100 and rest % 10 == 0)  # a rest of two words has its own
    return f"{words} {'na ' if joined else ''}{_cardinal(rest)}"


def _ordinal(number: int, ending: str, before: str) -> str:
    return _FIRST.get(number, _cardinal(number))


def _date(day: int, month: int, year: str, before: str) -> str:
    return f"{_cardinal(day)} {_MONTHS[month - 1]} {year}"


def _clock(hour: int, minute: int, suffix: str) -> str:
    # Hours are read as written: most texts count them from sunrise already.
    saa = f"saa {_cardinal(hour)}"
    if minute == 30:
        return f"{saa} na nusu"
    return f"{saa} na dakika {_cardinal(minute)}" if minute else saa


RULES = Rules(
    code="sw",
    apostrophes=True,  # ng'ombe
    respelled={"`": "'"},
    cardinal=_cardinal,
    numbered=frozenset("sura ukurasa namba nambari chumba kituo darasa kidato aya mstari".split()),
    decimal=".",
    point="nukta",
    dot="nukta",
    minus="hasi",
    between="hadi",
    ratio="kwa",
    ampersand="na",
    year=rf"(?:{after('mwaka mwakani ' + ' '.join(_MONTHS))}[12]\d{{3}})(?![\d]|[.,]\d)",
    year_words=_cardinal,
    months=tuple(_MONTHS),
    date=_date,
    clocks=(r"(?i:\bsaa\s)(?P<h>[01]?\d|2[0-4])[:.](?P<m>[0-5]\d)(?P<suffix>)(?![\w]|[.,:]\d)",),
    clock=_clock,
    units={
        "%": "asilimia {}",
        "‰": "{} kwa elfu",
        "°": "digrii {}",
        "°C": "digrii {} za selsiasi",
        "°F": "digrii {} za farenhaiti",
        "mm": "milimita {}",
        "cm": "sentimita {}",
        "m": "mita {}",
        "km": "kilomita {}",
        "cm^2": "sentimita {} za mraba",
        "m^2": "mita {} za mraba",
        "km^2": "kilomita {} za mraba",
        "ha": "hekta {}",
        "m^3": "mita {} za ujazo",
        "ml": "mililita {}",
        "l": "lita {}",
        "L": "lita {}",
        "mg": "miligramu {}",
        "g": "gramu {}",
        "kg": "kilo {}",
        "t": "tani {}",
        "s": "sekunde {}",
        "h": "saa {}",
        "min": "dakika {}",
        "km/h": "kilomita {} kwa saa",
        "m/s": "mita {} kwa sekunde",
        "kW": "kilowati {}",
        "MW": "megawati {}",
        "V": "volti {}",
        "Hz": "hezi {}",
        "MHz": "megahezi {}",
        "GHz": "gigahezi {}",
        "KB": "kilobaiti {}",
        "MB": "megabaiti {}",
        "GB": "gigabaiti {}",
        "TB": "terabaiti {}",
    },
    currencies={
        "KSh KSh. Ksh KES Sh Sh. TSh TSh. Tsh TZS USh UGX": "shilingi {}; senti {}",
        "$ US$ USD": "dola {}; senti {}",
        "€ EUR": "yuro {}; senti {}",
        "£ GBP": "pauni {}; peni {}",
        "¥ JPY": "yeni {}",
        "CNY": "yuani {}",
        "₹ INR": "rupia {}",
        "₽ RUB": "rubo {}",
        "CHF": "faranga {} za uswisi",
    },
    money="{major} na {minor}",
    magnitudes="laki|milioni|bilioni|trilioni",
    fractions={2: "nusu|nusu {}", 3: "theluthi moja|theluthi {}", 4: "robo|robo {}"},
    half="nusu",
    and_half="{} na nusu",
    mixed="{whole} na {fraction}",
    fraction="{n} juu ya {d}",
    powers={"2": "mraba", "3": "mchemraba", "": "kipeo cha {}"},
    operators={"+": "kujumlisha", "=": "sawa na", "×": "mara", "÷": "kugawa kwa", "±": "kujumlisha au kutoa"},
    abbreviations={
        "Bw.": "bwana",
        "Bi.": "bibi",
        "Dk.": "daktari",
        "Dkt.": "daktari",
        "Prof.": "profesa",
        "Mhe.": "mheshimiwa",
        "Mh.": "mheshimiwa",
        "n.k.": "na kadhalika",
        "nk.": "na kadhalika",
        "k.m.": "kwa mfano",
        "k.v.": "kama vile",
        "taz.": "tazama",
        "S.L.P.": "sanduku la posta",
    },
    before_number={
        "Na.": "namba",
        "No.": "namba",
        "#": "namba",
        "№": "namba",
        "uk.": "ukurasa",
        "S.L.P": "sanduku la posta",
    },
    at="at",
    slash="mkwaju",
)
