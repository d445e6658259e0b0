"""Hindi."""

from __future__ import annotations

from jointst.text.normalise.cardinals import hindi
from jointst.text.normalise.rules import HOUR, MINUTE, Rules, after

_MONTHS = "जनवरी फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर".split()
_SPELLED = "फरवरी सितम्बर अक्तूबर नवम्बर दिसम्बर"
_FIRST = {1: "पहल", 2: "दूसर", 3: "तीसर", 4: "चौथ", 6: "छठ"}
_NO_LETTER = r"(?![\w\u0900-\u0963])"


def _year(year: int) -> str:
    hundreds, rest = divmod(year, 100)
    if 11 <= hundreds <= 19:
        return f"{hindi(hundreds)} सौ {hindi(rest) if rest else ''}"
    return hindi(year)


def _ordinal(number: int, ending: str, before: str) -> str:
    vowel = "ी" if "ी" in ending else "े" if "े" in ending else "ा"
    if number in _FIRST:
        return _FIRST[number] + vowel
    return hindi(number) + {"ी": "वीं", "े": "वें", "ा": "वाँ"}[vowel]


def _date(day: int, month: int, year: str, before: str) -> str:
    return f"{hindi(day)} {_MONTHS[month - 1]} {year}"


def _clock(hour: int, minute: int, suffix: str) -> str:
    if not minute:
        return f"{hindi(hour)} बजे"
    return f"{hindi(hour)} {hindi(minute)} बजे" if suffix else f"{hindi(hour)} बजकर {hindi(minute)} मिनट"


RULES = Rules(
    code="hi",
    # A dot below marks sounds of other languages, and is left out so often that both spellings are scored alike.
    folded={"\u093c": ""},
    respelled={"॰": "."},
    cardinal=hindi,
    decimal=".",
    point="दशमलव",
    dot="डॉट",
    minus="माइनस",
    between="से",
    ampersand="और",
    ordinal=r"(?<![\w.,])(?P<number>\d{1,4})[- ]?(?P<ending>वाँ|वां|वा|वीं|वी|वें|वे|ला|ली|ले|रा|री|रे|था|थी|थे|ठा|ठी|ठे)"
    + _NO_LETTER,
    ordinal_words=_ordinal,
    year=rf"(?:{after('सन् सन वर्ष साल ईस्वी ' + ' '.join(_MONTHS) + ' ' + _SPELLED)}[12]\d{{3}}|(?<![\d.,])1[1-9]\d\d"
    rf"(?=\s(?:में|ई\.|ईस्वी|के दशक){_NO_LETTER}))(?![\d]|[.,]\d)",
    year_words=_year,
    months=tuple(_MONTHS),
    date=_date,
    clocks=(rf"{HOUR}[:.]{MINUTE}\s?(?P<suffix>बजे){_NO_LETTER}",),
    clock=_clock,
    units={
        "%": "प्रतिशत",
        "°": "डिग्री",
        "°C": "डिग्री सेल्सियस",
        "°F": "डिग्री फ़ारेनहाइट",
        "mm": "मिलीमीटर",
        "cm": "सेंटीमीटर",
        "m": "मीटर",
        "km": "किलोमीटर",
        "cm^2": "वर्ग सेंटीमीटर",
        "m^2": "वर्ग मीटर",
        "km^2": "वर्ग किलोमीटर",
        "ha": "हेक्टेयर",
        "m^3": "घन मीटर",
        "ml": "मिलीलीटर",
        "l": "लीटर",
        "L": "लीटर",
        "mg": "मिलीग्राम",
        "g": "ग्राम",
        "kg": "किलोग्राम",
        "km/h": "किलोमीटर प्रति घंटा",
        "m/s": "मीटर प्रति सेकंड",
        "kW": "किलोवाट",
        "MW": "मेगावाट",
        "Hz": "हर्ट्ज़",
        "MHz": "मेगाहर्ट्ज़",
        "GHz": "गीगाहर्ट्ज़",
        "KB": "किलोबाइट",
        "MB": "मेगाबाइट",
        "GB": "गीगाबाइट",
        "TB": "टेराबाइट",
        "किमी": "किलोमीटर",
        "कि.मी.": "किलोमीटर",
        "किग्रा": "किलोग्राम",
        "कि.ग्रा.": "किलोग्राम",
        "मी": "मीटर",
        "सेमी": "सेंटीमीटर",
        "मिमी": "मिलीमीटर",
        "ग्रा": "ग्राम",
        "किमी/घंटा": "किलोमीटर प्रति घंटा",
        "मिली": "मिलीलीटर",
    },
    currencies={
        "₹ INR Rs Rs. रु. रु रू.": "रुपया|रुपये; पैसा|पैसे",
        "$ US$ USD": "डॉलर; सेंट",
        "€ EUR": "यूरो; सेंट",
        "£ GBP": "पाउंड; पेंस",
        "¥ JPY": "येन",
        "CNY": "युआन",
        "₽ RUB": "रूबल",
        "CHF": "स्विस फ़्रैंक",
        "₩ KRW": "वॉन",
    },
    money="{major} {minor}",
    magnitudes="हज़ार|हजार|लाख|करोड़|अरब|मिलियन|बिलियन",
    fractions={
        2: "आधा|{} आधे",
        3: "एक तिहाई|{} तिहाई",
        4: "एक चौथाई|{} चौथाई",
        5: "पाँचवाँ भाग|{} बटा पाँच",
    },
    half="आधा",
    and_half="1=डेढ़|2=ढाई|साढ़े {}",
    mixed="{whole} और {fraction}",
    fraction="{n} बटा {d}",
    powers={"2": "का वर्ग", "3": "का घन", "": "की घात {}"},
    operators={"+": "प्लस", "=": "बराबर", "×": "गुणा", "÷": "भाग", "±": "प्लस माइनस"},
    abbreviations={
        "डॉ.": "डॉक्टर",
        "डा.": "डॉक्टर",
        "प्रो.": "प्रोफ़ेसर",
        "श्री.": "श्री",
        "कु.": "कुमारी",
        "पं.": "पंडित",
        "रु.": "रुपये",
        "कि.मी.": "किलोमीटर",
        "ई.पू.": "ईसा पूर्व",
        "स्व.": "स्वर्गीय",
        "इंजी.": "इंजीनियर",
    },
    before_number={"सं.": "संख्या", "नं.": "नंबर", "№": "नंबर", "#": "नंबर", "पृ.": "पृष्ठ", "No.": "नंबर"},
    at="ऐट",
    slash="स्लैश",
)
