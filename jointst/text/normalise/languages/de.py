"""German."""

from __future__ import annotations

import re

from jointst.text.normalise.cardinals import words_of
from jointst.text.normalise.characters import GROUP
from jointst.text.normalise.rules import HOUR, MINUTE, Rules, after

_MONTHS = "januar februar märz april mai juni juli august september oktober november dezember".split()
_MONTH = rf"(?i:{'|'.join(_MONTHS)}|jänner)\b"
_BEFORE_YEARS = "Jahr Jahre Jahres Jahren Sommer Winter Herbst Frühjahr Anno seit Seit " + " ".join(_MONTHS).title()
_ENDS_IN_E = set("der die das jede jedes diese dieses welche eine".split())
_ENDS_IN_EN = set(
    "am vom zum zur dem den des im beim ins einem einen einer eines jeden jedem jeder diesem diesen dieser ihrem "
    "ihren ihrer seinem seinen seiner meinem meinen meiner unserem unseren unserer".split()
)
_FEMININE = re.compile(r"(?:e|ung|heit|keit|schaft|ion|tät)$")
_NUMBERED = frozenset(
    "kapitel platz nummer seite teil band gruppe stufe phase typ klasse artikel absatz linie raum tag".split()
)


def _cardinal(number: int) -> str:
    return words_of(number, "de")


def _counted(words: str, gender: str) -> str:
    return re.sub("eins$", "eine" if gender == "f" else "ein", words)


def _before_word(words: str, following: str) -> str:
    if words != "eins" or not following[:1].isupper():
        return words
    return "eine" if _FEMININE.search(following) else "ein"


def _year(year: int) -> str:
    hundreds, rest = divmod(year, 100)
    if 11 <= hundreds <= 19:
        return f"{_cardinal(hundreds)}hundert{_cardinal(rest) if rest else ''}"
    return _cardinal(year)


def _ordinal(number: int, ending: str, before: str) -> str:
    """The third: dritte after der, dritten after am, dritter where nothing says it, as in dates alone."""
    words = words_of(number, "de", to="ordinal")
    if before in _ENDS_IN_E:
        return words
    if before in _ENDS_IN_EN or (ending != "." and before in ("seit", "ab", "bis")):
        return f"{words}n"
    return f"{words}r" if ending != "." else ""


def _date(day: int, month: int, year: str, before: str) -> str:
    return f"{_ordinal(day, '', before)} {_MONTHS[month - 1]} {year}"


def _clock(hour: int, minute: int, suffix: str) -> str:
    return f"{_counted(_cardinal(hour), 'm')} uhr {_cardinal(minute) if minute else ''}"


RULES = Rules(
    code="de",
    apostrophes=True,
    respelled={"str.": "straße"},
    cardinal=_cardinal,
    counted=_counted,
    before_word=_before_word,
    numbered=_NUMBERED,
    groups_by_space=True,
    point="komma",
    dot="punkt",
    minus="minus",
    between="bis",
    ratio="zu",
    ampersand="und",
    # before a month with the space after it, otherwise without: only dates stand without an article
    ordinal=rf"(?<![\w.,])(?P<number>\d{{1,3}})(?P<ending>\.\s(?=\s*(?:(?:bis|und|oder|[–-])\s?\d{{1,2}}\.\s*)?{_MONTH})|\.(?=\s+[A-ZÄÖÜ]))",
    ordinal_words=_ordinal,
    year=rf"(?:{after(_BEFORE_YEARS)}"
    rf"\d{{4}}|(?<![\d.,'{GROUP}])(?:1[1-9]\d\d)(?!\s[A-ZÄÖÜ]))(?![\d{GROUP}]|[.,']\d)",
    year_words=_year,
    decade=r"(?<![\w.,])(?P<number>(?:1[1-9]|20)\d0|[1-9]0)(?P<ending>er)(?![^\W_])",
    decade_words=lambda number, ending: f"{_year(number)}er",
    short_dates=True,
    months=tuple(_MONTHS),
    date=_date,
    clocks=(
        rf"{HOUR}[:.]{MINUTE}(?:\s?(?P<suffix>Uhr|h))(?![^\W_])",
        rf"{HOUR}\s?(?P<suffix>Uhr)(?![^\W_])",
        rf"{after('um ab gegen Um Ab Gegen')}{HOUR}\.{MINUTE}(?![.\d])",
    ),
    clock=_clock,
    units={
        "%": "Prozent",
        "‰": "Promille",
        "°": "Grad",
        "°C": "Grad Celsius",
        "°F": "Grad Fahrenheit",
        "mm": "Millimeter",
        "cm": "Zentimeter",
        "dm": "Dezimeter",
        "m": "Meter",
        "km": "Kilometer",
        "cm^2": "Quadratzentimeter",
        "m^2": "Quadratmeter",
        "km^2": "Quadratkilometer",
        "qm": "Quadratmeter",
        "ha": "Hektar",
        "cm^3": "Kubikzentimeter",
        "m^3": "Kubikmeter",
        "ml": "Milliliter",
        "cl": "Zentiliter",
        "l": "Liter",
        "L": "Liter",
        "mg": "Milligramm",
        "g": "Gramm",
        "kg": "Kilogramm",
        "t": "Tonne|Tonnen, f",
        "ms": "Millisekunde|Millisekunden, f",
        "s": "Sekunde|Sekunden, f",
        "Sek.": "Sekunde|Sekunden, f",
        "min": "Minute|Minuten, f",
        "Min.": "Minute|Minuten, f",
        "h": "Stunde|Stunden, f",
        "Std.": "Stunde|Stunden, f",
        "km/h": "Kilometer pro Stunde",
        "m/s^2": "Meter pro Quadratsekunde",
        "m/s": "Meter pro Sekunde",
        "W": "Watt",
        "kW": "Kilowatt",
        "kWh": "Kilowattstunde|Kilowattstunden, f",
        "MW": "Megawatt",
        "GW": "Gigawatt",
        "V": "Volt",
        "Hz": "Hertz",
        "kHz": "Kilohertz",
        "MHz": "Megahertz",
        "GHz": "Gigahertz",
        "KB": "Kilobyte",
        "kB": "Kilobyte",
        "MB": "Megabyte",
        "GB": "Gigabyte",
        "TB": "Terabyte",
        "dB": "Dezibel",
        "kcal": "Kilokalorie|Kilokalorien, f",
        "hPa": "Hektopascal",
        "PS": "PS",
    },
    currencies={
        "€ EUR": "Euro; Cent",
        "$ US$ USD": "Dollar; Cent",
        "£ GBP": "Pfund; Pence",
        "¥ JPY": "Yen",
        "CNY": "Yuan",
        "₹ INR": "Rupie|Rupien, f",
        "₽ RUB": "Rubel; Kopeke|Kopeken, f",
        "CHF Fr.": "Franken; Rappen",
        "R$ BRL": "Real",
        "₩ KRW": "Won",
    },
    money="{major} {cents}",
    magnitudes="Tausend|Million|Millionen|Milliarde|Milliarden|Billion|Billionen",
    fractions={
        2: "ein halb|{} halbe",
        3: "ein drittel|{} drittel",
        4: "ein viertel|{} viertel",
        5: "ein fünftel|{} fünftel",
        6: "ein sechstel|{} sechstel",
        7: "ein siebtel|{} siebtel",
        8: "ein achtel|{} achtel",
        9: "ein neuntel|{} neuntel",
        10: "ein zehntel|{} zehntel",
    },
    half="ein halb",
    and_half="1=eineinhalb|{}einhalb",
    powers={"2": "hoch zwei", "3": "hoch drei", "": "hoch {}"},
    operators={"+": "plus", "=": "gleich", "×": "mal", "÷": "geteilt durch", "±": "plus minus"},
    abbreviations={
        "z. B.": "zum Beispiel",
        "d. h.": "das heißt",
        "u. a.": "unter anderem",
        "usw.": "und so weiter",
        "u. s. w.": "und so weiter",
        "etc.": "et cetera",
        "bzw.": "beziehungsweise",
        "ca.": "circa",
        "vgl.": "vergleiche",
        "s. o.": "siehe oben",
        "s. u.": "siehe unten",
        "o. Ä.": "oder Ähnliches",
        "u. Ä.": "und Ähnliches",
        "i. d. R.": "in der Regel",
        "u. U.": "unter Umständen",
        "i. A.": "im Auftrag",
        "z. Zt.": "zur Zeit",
        "o. g.": "oben genannt",
        "ff.": "folgende",
        "z. T.": "zum Teil",
        "zzgl.": "zuzüglich",
        "inkl.": "inklusive",
        "exkl.": "exklusive",
        "evtl.": "eventuell",
        "ggf.": "gegebenenfalls",
        "sog.": "sogenannte",
        "Dr.": "Doktor",
        "Prof.": "Professor",
        "Hrn.": "Herrn",
        "Str.": "Straße",
        "Tel.": "Telefon",
        "Mio.": "Millionen",
        "Mrd.": "Milliarden",
        "Jh.": "Jahrhundert",
        "Abb.": "Abbildung",
        "Abs.": "Absatz",
        "bspw.": "beispielsweise",
        "v. Chr.": "vor Christus",
        "n. Chr.": "nach Christus",
        "geb.": "geboren",
        "gest.": "gestorben",
        "mind.": "mindestens",
        "Dipl.-Ing.": "Diplomingenieur",
        "Feb.": "Februar",
        "Aug.": "August",
        "Sept.": "September",
        "Okt.": "Oktober",
        "Nov.": "November",
        "Dez.": "Dezember",
        "jr.": "junior",
        "vs.": "versus",
        "u. v. m.": "und vieles mehr",
        "i. e. S.": "im engeren Sinne",
    },
    before_capital={"Fr.": "Frau", "Hr.": "Herr", "St.": "Sankt"},
    before_number={
        "max.": "maximal",
        "min.": "minimal",
        "Nr.": "Nummer",
        "№": "Nummer",
        "#": "Nummer",
        "S.": "Seite",
        "Bd.": "Band",
        "Kap.": "Kapitel",
        "§": "Paragraf",
        "§§": "Paragrafen",
        "Art.": "Artikel",
    },
    at="at",
    slash="slash",
    special=(
        (r"(?<=\d\.\s)Jan\.", "Januar"),
        (r"(?<![\d.:])(\d{1,2})\s?[-–]\s?(?=\d{1,2}\sUhr)", r"\1 bis "),
        (r"(?<=\d)\s?%(?=ig)", " prozent"),
        (r"(?<![\d.,])1\sMio\.?", "1 Million"),
        (r"(?<![\d.,])1\sMrd\.?", "1 Milliarde"),
        (rf"(\d)\.(?={_MONTH})", r"\1. "),
        (r"(?<=\d)\s?(?:Mio|Mill)\.?(?=\s?[€$£]|\s)", " Millionen"),
        (r"(?<=\d)\s?(?:Mrd)\.?(?=\s?[€$£]|\s)", " Milliarden"),
    ),
)
