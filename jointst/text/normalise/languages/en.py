"""English, as it is said in the United States."""

from __future__ import annotations

from jointst.text.normalise.cardinals import words_of
from jointst.text.normalise.characters import GROUP, JOIN
from jointst.text.normalise.rules import HOUR, MINUTE, Rules

_MONTHS = "january february march april may june july august september october november december".split()
# May and march are also words: only with their capital.
_MONTH = r"(?:(?i:january|february|april|june|july|august|september|october|november|december)|March|May)"
_DAY = r"(0?[1-9]|[12]\d|3[01])"


def _cardinal(number: int) -> str:
    return words_of(number, "en").replace(" and ", " ")


def _year(year: int) -> str:
    hundreds, rest = divmod(year, 100)
    if hundreds == 20 and rest < 10 or year == 1000 or not 1000 < year < 3000:
        return _cardinal(year)
    if not rest:
        return f"{_cardinal(hundreds)} hundred"
    return f"{_cardinal(hundreds)} {'oh ' if rest < 10 else ''}{_cardinal(rest)}"


def _decade(number: int, ending: str) -> str:
    words = _year(number) if number > 100 else _cardinal(number)
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"


def _ordinal(number: int, ending: str, before: str) -> str:
    return words_of(number, "en", to="ordinal").replace(" and ", " ")


def _date(day: int, month: int, year: str, before: str) -> str:
    return f"{_MONTHS[month - 1]} {_ordinal(day, '', '')} {year}"


def _clock(hour: int, minute: int, suffix: str) -> str:
    half = " ".join(letter for letter in suffix.lower() if letter.isalpha())
    if minute:
        return f"{_cardinal(hour)} {'oh ' if minute < 10 else ''}{_cardinal(minute)} {half}"
    if half:
        return f"{_cardinal(hour)} {half}"
    return f"{_cardinal(hour)} {'hundred' if hour > 12 else 'o clock'}".replace("o clock", "o'clock")


RULES = Rules(
    code="en",
    apostrophes=True,
    transliterated=True,
    cardinal=_cardinal,
    decimal=".",
    point="point",
    dot="dot",
    minus="minus",
    between="to",
    ratio="to",
    ampersand="and",
    telephone=r"(?<![\w/-])(?:[2-9]\d\d-)?[2-9]\d\d-\d{4}(?<!00)(?![\w/-])",
    ordinal=r"(?P<number>\d{1,3}(?:,\d{3})+|(?<!\d)\d{1,6})(?P<ending>(?i:st|nd|rd|th))(?![^\W_])",
    ordinal_words=_ordinal,
    year=rf"(?<![\d.,'{GROUP}])[12]\d{{3}}(?![\d{GROUP}]|[.,']\d)",
    year_words=_year,
    decade=r"(?<![\w.,])'?(?P<number>(?:1\d|20)\d0|[2-9]0)(?P<ending>'?s)(?![^\W_])",
    decade_words=_decade,
    months=tuple(_MONTHS),
    date_order="mdy",
    date=_date,
    clocks=(rf"{HOUR}(?:[:.]{MINUTE})?\s?(?P<suffix>(?i:[ap]\.?\s?m\b\.?))",),
    clock=_clock,
    units={
        "%": "percent",
        "‰": "per mille",
        "°": "degree|degrees",
        "°C": "degree celsius|degrees celsius",
        "°F": "degree fahrenheit|degrees fahrenheit",
        "¢": "cent|cents",
        "mm": "millimeter|millimeters",
        "cm": "centimeter|centimeters",
        "m": "meter|meters",
        "km": "kilometer|kilometers",
        "cm^2": "square centimeter|square centimeters",
        "m^2": "square meter|square meters",
        "km^2": "square kilometer|square kilometers",
        "ha": "hectare|hectares",
        "cm^3": "cubic centimeter|cubic centimeters",
        "m^3": "cubic meter|cubic meters",
        "sq ft": "square foot|square feet",
        "ft^2": "square foot|square feet",
        "ft": "foot|feet",
        "ft.": "foot|feet",
        "yd": "yard|yards",
        "mi": "mile|miles",
        "ml": "milliliter|milliliters",
        "mL": "milliliter|milliliters",
        "l": "liter|liters",
        "L": "liter|liters",
        "mg": "milligram|milligrams",
        "g": "gram|grams",
        "kg": "kilogram|kilograms",
        "lb": "pound|pounds",
        "lbs": "pound|pounds",
        "lb.": "pound|pounds",
        "lbs.": "pound|pounds",
        "oz": "ounce|ounces",
        "oz.": "ounce|ounces",
        "ms": "millisecond|milliseconds",
        "min": "minute|minutes",
        "hr": "hour|hours",
        "hrs": "hour|hours",
        "km/h": "kilometer per hour|kilometers per hour",
        "m/s^2": "meter per second squared|meters per second squared",
        "m/s": "meter per second|meters per second",
        "mph": "mile per hour|miles per hour",
        "kW": "kilowatt|kilowatts",
        "kWh": "kilowatt hour|kilowatt hours",
        "MW": "megawatt|megawatts",
        "GW": "gigawatt|gigawatts",
        "Hz": "hertz",
        "kHz": "kilohertz",
        "MHz": "megahertz",
        "GHz": "gigahertz",
        "KB": "kilobyte|kilobytes",
        "kB": "kilobyte|kilobytes",
        "MB": "megabyte|megabytes",
        "GB": "gigabyte|gigabytes",
        "TB": "terabyte|terabytes",
        "dB": "decibel|decibels",
        "kcal": "kilocalorie|kilocalories",
        "hPa": "hectopascal|hectopascals",
    },
    currencies={
        "$ US$ USD": "dollar|dollars; cent|cents",
        "€ EUR": "euro|euros; cent|cents",
        "£ GBP": "pound|pounds; penny|pence",
        "¥ JPY": "yen",
        "CNY RMB": "yuan",
        "₹ INR": "rupee|rupees; paisa|paise",
        "₽ RUB": "ruble|rubles; kopeck|kopecks",
        "CHF": "swiss franc|swiss francs",
        "R$ BRL": "real|reais; centavo|centavos",
        "₩ KRW": "won",
        "A$ AUD": "australian dollar|australian dollars; cent|cents",
        "C$ CAD": "canadian dollar|canadian dollars; cent|cents",
    },
    money="{major} {minor}",
    magnitudes="hundred|thousand|million|billion|trillion",
    fractions={
        2: "one half|{} halves",
        3: "one third|{} thirds",
        4: "one quarter|{} quarters",
        5: "one fifth|{} fifths",
        6: "one sixth|{} sixths",
        7: "one seventh|{} sevenths",
        8: "one eighth|{} eighths",
        9: "one ninth|{} ninths",
        10: "one tenth|{} tenths",
    },
    half="one half",
    and_half="{} and a half",
    mixed="{whole} and {fraction}",
    powers={"2": "squared", "3": "cubed", "": "to the power of {}"},
    operators={"+": "plus", "=": "equals", "×": "times", "÷": "divided by", "±": "plus or minus"},
    abbreviations={
        "mr.": "mister",
        "mrs.": "missus",
        "ms.": "ms",
        "dr.": "doctor",
        "drs.": "doctors",
        "prof.": "professor",
        "co.": "company",
        "corp.": "corporation",
        "inc.": "incorporated",
        "ltd.": "limited",
        "jr.": "junior",
        "sr.": "senior",
        "gen.": "general",
        "maj.": "major",
        "sgt.": "sergeant",
        "capt.": "captain",
        "lt.": "lieutenant",
        "col.": "colonel",
        "rev.": "reverend",
        "hon.": "honorable",
        "esq.": "esquire",
        "gov.": "governor",
        "sen.": "senator",
        "rep.": "representative",
        "dept.": "department",
        "blvd.": "boulevard",
        "ave.": "avenue",
        "vs.": "versus",
        "etc.": "et cetera",
        "e.g.": "for example",
        "i.e.": "that is",
        "approx.": "approximately",
        "est.": "established",
        "st.": "street",
    },
    without_dots={"Mr": "mister", "Mrs": "missus", "Dr": "doctor", "St": "saint"},
    before_capital={"St.": "saint", "Mt.": "mount", "Ft.": "fort", "Fr.": "father"},
    before_number={
        "no.": "number",
        "nos.": "numbers",
        "№": "number",
        "#": "number",
        "p.": "page",
        "pp.": "pages",
        "vol.": "volume",
        "ch.": "chapter",
        "fig.": "figure",
        "sec.": "section",
        "§": "section",
        "§§": "sections",
        "art.": "article",
    },
    symbols={"%": "percent"},
    at="at",
    slash="slash",
    special=(
        (r"(?<=[ap]m)\s?[-–]\s?(?=\d)", " to "),
        *((rf"\b(?i:{name[:3]}|{name[:4]})\.(?=\s?\d)", name.title()) for name in _MONTHS if name != "may"),
        (rf"\b({_MONTH})\s{_DAY}(?:st|nd|rd|th)?(?!\d|[:%]|[.,]\d|\s?[-–]\s?\d)", r"\1 \2th"),
        (rf"(?<![\w.,/:-])(?:the\s)?{_DAY}\s({_MONTH})\b", r"the \1th of \2"),
        (r"(?<=\d/\d)(?:nd|rd|th)s?\b", ""),
        (r"(?<=[1-9])'s\b", f"{JOIN}'s"),
        (r"(\d)\s?['′]\s?(\d{1,2})\s?(?:\"|″|'')", r"\1 foot \2"),
        (r"(?<=\d)\s?bn\b", " billion"),
        (r"([$€£]\s?\d[\d.,]*)\s?[mM]\b", r"\1 million"),
        (r"([$€£]\s?\d[\d.,]*)\s?[kK]\b", r"\1 thousand"),
    ),
)
