"""Modern Standard Arabic, numbers in the nominative."""

from __future__ import annotations

import re

from jointst.text.normalise.cardinals import words_of
from jointst.text.normalise.rules import HOUR, MINUTE, Rules

_MONTHS = "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر".split()
_FEMININE = {
    "ثلاثة": "ثلاث",
    "أربعة": "أربع",
    "خمسة": "خمس",
    "ستة": "ست",
    "سبعة": "سبع",
    "ثمانية": "ثماني",
    "تسعة": "تسع",
    "عشرة": "عشر",
}
"""Before feminine nouns 3 to 10 lose their ending."""
_HOURS = (
    "الثانية عشرة ليلا|الواحدة|الثانية|الثالثة|الرابعة|الخامسة|السادسة|السابعة|الثامنة|التاسعة|العاشرة|الحادية عشرة|"
    "الثانية عشرة|الثالثة عشرة|الرابعة عشرة|الخامسة عشرة|السادسة عشرة|السابعة عشرة|الثامنة عشرة|التاسعة عشرة|العشرون|"
    "الحادية والعشرون|الثانية والعشرون|الثالثة والعشرون|الرابعة والعشرون"
).split("|")
_PARTS = {15: "والربع", 20: "والثلث", 30: "والنصف"}


def _cardinal(number: int) -> str:
    words = words_of(number, "ar").replace(" و ", " و")
    return re.sub(r"(مئتا|ألفا)(?= و|$)", r"\1ن", words)


def _counted(words: str, gender: str) -> str:
    words = re.sub("(مئتا|ألفا)ن$", r"\1", words)
    return _FEMININE.get(words, words) if gender == "f" else words


def _before_word(words: str, following: str) -> str:
    """200 and 2000 lose their last letter before what they count."""
    return words if following.startswith("و") or len(following) < 3 else _counted(words, "m")


def _plural(whole: int, has_decimals: bool) -> int:
    if has_decimals:
        return 4
    if whole in (1, 2):
        return whole - 1
    return 2 if 3 <= whole % 100 <= 10 else 3 if 11 <= whole % 100 <= 99 else 4


def _noun(one: str, two: str, few: str, other: str, gender: str = "m") -> str:
    """A row: said without a number for 1 and 2; of 3 to 10; of 11 to 99, where it is an accusative; of all others."""
    first, _, rest = other.partition(" في ")
    many = " ".join(word if word.endswith("ة") else f"{word}ا" for word in first.split())
    return f"!{one}|!{two}|{few}|{many + (f' في {rest}' if rest else '')}|{other}, {gender}"


def _date(day: int, month: int, year: str, before: str) -> str:
    return f"{_cardinal(day)} {_MONTHS[month - 1]} {year}"


def _clock(hour: int, minute: int, suffix: str) -> str:
    if not minute:
        return _HOURS[hour]
    if minute in _PARTS:
        return f"{_HOURS[hour]} {_PARTS[minute]}"
    noun = "دقائق" if 3 <= minute <= 10 else "دقيقة"
    return f"{_HOURS[hour]} و{_counted(_cardinal(minute), 'f')} {noun}"


RULES = Rules(
    code="ar",
    prefixes="وفبلك",
    # Arabic is written without short vowels (U+064B-0652, U+0670), marks of the Quran and the stretching stroke.
    # Alef wasla is written as plain alef; hamzas on alefs are kept, but left out so often that they are scored alike.
    removed="\u0610-\u061a\u0640\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed",
    respelled={"ٱ": "ا", "ک": "ك", "ی": "ي", "ہ": "ه", "ھ": "ه"},
    folded={"أ": "ا", "إ": "ا", "آ": "ا"},
    cardinal=_cardinal,
    counted=_counted,
    before_word=_before_word,
    plural=_plural,
    decimal=".",
    comma_decimals=True,
    point="فاصلة",
    decimals="number",
    dot="نقطة",
    minus="سالب",
    between="إلى",
    ratio="إلى",
    ampersand="و",
    year_words=_cardinal,
    months=tuple(_MONTHS),
    date=_date,
    clocks=(rf"{HOUR}:{MINUTE}(?P<suffix>)",),
    clock=_clock,
    units={
        "%": "بالمئة",
        "‰": "بالألف",
        "°": _noun("درجة واحدة", "درجتان", "درجات", "درجة", "f"),
        "°C": _noun("درجة مئوية واحدة", "درجتان مئويتان", "درجات مئوية", "درجة مئوية", "f"),
        "mm": _noun("مليمتر واحد", "مليمتران", "مليمترات", "مليمتر"),
        "cm": _noun("سنتيمتر واحد", "سنتيمتران", "سنتيمترات", "سنتيمتر"),
        "m": _noun("متر واحد", "متران", "أمتار", "متر"),
        "km": _noun("كيلومتر واحد", "كيلومتران", "كيلومترات", "كيلومتر"),
        "m^2": _noun("متر مربع واحد", "متران مربعان", "أمتار مربعة", "متر مربع"),
        "km^2": _noun("كيلومتر مربع واحد", "كيلومتران مربعان", "كيلومترات مربعة", "كيلومتر مربع"),
        "m^3": _noun("متر مكعب واحد", "متران مكعبان", "أمتار مكعبة", "متر مكعب"),
        "ml": _noun("مليلتر واحد", "مليلتران", "مليلترات", "مليلتر"),
        "l": _noun("لتر واحد", "لتران", "لترات", "لتر"),
        "L": _noun("لتر واحد", "لتران", "لترات", "لتر"),
        "mg": _noun("مليغرام واحد", "مليغرامان", "مليغرامات", "مليغرام"),
        "g": _noun("غرام واحد", "غرامان", "غرامات", "غرام"),
        "kg": _noun("كيلوغرام واحد", "كيلوغرامان", "كيلوغرامات", "كيلوغرام"),
        "km/h": _noun("كيلومتر واحد في الساعة", "كيلومتران في الساعة", "كيلومترات في الساعة", "كيلومتر في الساعة"),
        "MB": "ميغابايت",
        "GB": "غيغابايت",
        "Hz": "هرتز",
        "MHz": "ميغاهرتز",
        "kW": "كيلوواط",
        "MW": "ميغاواط",
        "كم": _noun("كيلومتر واحد", "كيلومتران", "كيلومترات", "كيلومتر"),
        "سم": _noun("سنتيمتر واحد", "سنتيمتران", "سنتيمترات", "سنتيمتر"),
        "كغ": _noun("كيلوغرام واحد", "كيلوغرامان", "كيلوغرامات", "كيلوغرام"),
        "كجم": _noun("كيلوغرام واحد", "كيلوغرامان", "كيلوغرامات", "كيلوغرام"),
        "كلم": _noun("كيلومتر واحد", "كيلومتران", "كيلومترات", "كيلومتر"),
        "م^2": _noun("متر مربع واحد", "متران مربعان", "أمتار مربعة", "متر مربع"),
        "كم^2": _noun("كيلومتر مربع واحد", "كيلومتران مربعان", "كيلومترات مربعة", "كيلومتر مربع"),
        "كم/س": _noun("كيلومتر واحد في الساعة", "كيلومتران في الساعة", "كيلومترات في الساعة", "كيلومتر في الساعة"),
    },
    currencies={
        "$ US$ USD": _noun("دولار واحد", "دولاران", "دولارات", "دولار")
        + "; "
        + _noun("سنت واحد", "سنتان", "سنتات", "سنت"),
        "€ EUR": "يورو" + "; " + _noun("سنت واحد", "سنتان", "سنتات", "سنت"),
        "£ GBP": _noun("جنيه واحد", "جنيهان", "جنيهات", "جنيه"),
        "¥ JPY": "ين",
        "CNY": "يوان",
        "₹ INR": _noun("روبية واحدة", "روبيتان", "روبيات", "روبية", "f"),
        "₽ RUB": _noun("روبل واحد", "روبلان", "روبلات", "روبل"),
        "CHF": "فرنك سويسري",
        "SAR ر.س": _noun("ريال واحد", "ريالان", "ريالات", "ريال"),
        "EGP ج.م": _noun("جنيه واحد", "جنيهان", "جنيهات", "جنيه"),
        "AED د.إ": _noun("درهم واحد", "درهمان", "دراهم", "درهم"),
        "₩ KRW": "وون",
    },
    money="{major} و{minor}",
    magnitudes="ألف|آلاف|مليون|ملايين|مليار|مليارات|تريليون",
    fractions={
        2: "نصف|{} أنصاف",
        3: "ثلث|ثلثان",
        4: "ربع|{} أرباع",
        5: "خمس|{} أخماس",
        6: "سدس|{} أسداس",
        8: "ثمن|{} أثمان",
        10: "عشر|{} أعشار",
    },
    half="نصف",
    and_half="{} ونصف",
    mixed="{whole} و{fraction}",
    powers={"2": "تربيع", "3": "تكعيب", "": "أس {}"},
    operators={"+": "زائد", "=": "يساوي", "×": "في", "÷": "على", "±": "زائد أو ناقص"},
    abbreviations={"د.": "دكتور", "أ.د.": "الأستاذ الدكتور", "ق.م": "قبل الميلاد", "إلخ.": "إلى آخره"},
    before_number={"№": "رقم", "#": "رقم", "ص.": "صفحة", "رقم.": "رقم", "No.": "رقم"},
    special=(
        (r"(?<!\d)([12]\d{3})\s?م(?!\w)", r"\1 ميلادية"),
        (r"(?<!\d)(1\d{3})\s?هـ?(?!\w)", r"\1 هجرية"),
    ),
    at="آت",
    slash="شرطة مائلة",
)
