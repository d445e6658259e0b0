"""Characters in and letters out: what Unicode writes in many ways made one, and nothing left that is no letter.

NFKC makes full-width letters, presentation forms and ligatures plain, but it also joins what stood apart: ``1½`` would
be ``11⁄2`` and ``m²`` would be ``m2``. Characters of this kind are taken apart here first.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import cache

GROUP = "\ue010"
"""Stands for a no-break or thin space between digits. No text holds it: private characters are left out before."""
SIGN_O, SIGN_A, NUMERO = "\ue011", "\ue012", "\ue013"
"""Stand for º, ª and №, of which NFKC would make letters."""
JOIN = "\ue014"
"""Stands between a word and digits that are one with it, as in all'1 and و20: no space is written there."""

_APOSTROPHES = "’‘ʼʹ`´＇‛ʻʽ՚"
_NOTHING = "™®©℠℗\u00ad\u034f\u115f\u1160\u3164\uffa0"
_SPACED = (range(0x2100, 0x2150), range(0x2460, 0x2500), range(0x3200, 0x3400), range(0xFDF0, 0xFDFE),
           range(0x1F100, 0x1F200))  # fmt: skip
"""Blocks of characters that stand for several, or for one in a circle: they are words of their own."""
_FRACTIONS = {0xBC, 0xBD, 0xBE, *range(0x2150, 0x215F), 0x2189}
_SUBSCRIPTS, _DINGBATS = range(0x2080, 0x208A), range(0x2776, 0x2794)


class _Incoming(dict[int, str]):
    """What each character becomes before NFKC, found when it is first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        parts = unicodedata.decomposition(character).split()
        if category == "Nd":
            found = str(unicodedata.digit(character))
        elif character in _NOTHING or category in ("Cf", "Me") or _is_selector(code):
            found = ""
        elif category in ("Co", "Cs"):
            found = " "
        elif code in _FRACTIONS:
            found = f" {unicodedata.normalize('NFKC', character)} "
        elif code in _SUBSCRIPTS or code in _DINGBATS:
            found = f" {unicodedata.numeric(character):.0f} "
        elif parts and parts[0].startswith("<") and any(code in block for block in _SPACED):
            whole = "".join(chr(int(part, 16)) for part in parts[1:])
            found = f" {_SUPERSCRIPT.sub(_as_power, whole)} "
        else:
            found = character
        self[code] = found
        return found


_APOSTROPHE = dict.fromkeys(map(ord, _APOSTROPHES), "'")
_INCOMING = _Incoming(
    _APOSTROPHE
    | dict.fromkeys((0xA0, 0x202F, 0x2007, 0x2008, 0x2009), GROUP)
    | {0x2103: "°C ", 0x2109: "°F ", 0x2116: f" {NUMERO} ", 0xBA: SIGN_O, 0xAA: SIGN_A, 0xFDFC: " ريال "}
    | {0x66A: "%", 0x66B: ".", 0x66C: ",", 0x2215: "⁄", 0x130: "I"}
)
_UNUSUAL = re.compile(
    "[^ -_a-~«»¡¿À-ňŊ-ɏ\u0400-\u045f–—“”„…’،؛؟ء-غف-\u0652\u0901-\u0965\u3001-\u3006\u3008-\u3011"
    "\u3041-\u3096\u30a1-\u30fe\u4e00-\u9fff！，：；？]"
)
"""Whether a text has more than the letters and marks of plain sentences."""
_KEYCAP = re.compile("[0-9#*]\ufe0f?\u20e3")
_SUPERSCRIPT = re.compile("⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_PRIME = re.compile(r"(?<=[^\W\d_])′(?=[^\W\d_])")
_NO_GROUP = re.compile(rf"(?<!\d){GROUP}|{GROUP}(?!\d{{3}}(?!\d))")
_ENTITY = re.compile(r"&(?:#\d{1,6}|#[xX][0-9a-fA-F]{1,5}|[a-zA-Z]{2,8}\d{0,2});")


def _is_selector(code: int) -> bool:
    """Whether it chooses a glyph: nobody says it."""
    return 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or 0x180B <= code <= 0x180F


def unescape(text: str) -> str:
    """``text`` with the characters that pages write as ``&amp;`` or ``&#39;``."""
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text


def unify(text: str) -> str:
    """``text`` with one character for each thing: plain digits and apostrophes, NFKC, ``^2`` for a superscript.

    What is invisible is gone, and emoji made of a digit.
    """
    if text.isascii():
        return text.replace("`", "'")
    if not _UNUSUAL.search(text):
        return unicodedata.normalize("NFKC", text.replace("’", "'"))
    text = _SUPERSCRIPT.sub(_as_power, _PRIME.sub("'", _KEYCAP.sub(" ", text)))
    text = unicodedata.normalize("NFKC", text.translate(_INCOMING)).translate(_APOSTROPHE)
    return _NO_GROUP.sub(" ", text) if GROUP in text else text


def _as_power(match: re.Match[str]) -> str:
    return "^" + unicodedata.normalize("NFKC", match[0]).replace("\u2212", "-")


class _Outgoing(dict[int, str]):
    """Letters, their marks and apostrophes stay, invisible characters vanish, all else is a space."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if category in ("Cf", "Me") or _is_selector(code) or character in _NOTHING:
            found = ""
        else:
            found = character if category[0] in "LM" else " "
        self[code] = found
        return found


_OUTGOING = {True: _Outgoing({ord("'"): "'"}), False: _Outgoing({ord("'"): " "})}
_LONELY_APOSTROPHE = re.compile(r"(?<!\S)'+|'+(?!\S)|'(?=')")


@cache
def _lonely_mark() -> tuple[frozenset[str], re.Pattern[str]]:
    """All marks, and those that stand on no letter, in text of letters, marks, apostrophes and spaces."""
    codes = [code for code in range(0x300, 0x1F000) if unicodedata.category(chr(code)).startswith("M")]
    runs = [code for code in codes if unicodedata.category(chr(code - 1))[0] != "M"]
    ends = [code for code in codes if unicodedata.category(chr(code + 1))[0] != "M"]
    marks = "".join(f"{chr(first)}-{chr(last)}" for first, last in zip(runs, ends))
    return frozenset(map(chr, codes)), re.compile(f"(?<![^ '])[{marks}]+")


def letters_only(text: str, apostrophes: bool) -> str:
    """Lower-case words of letters and their marks, single spaces between them; apostrophes inside words if wanted."""
    text = text.translate(_OUTGOING[apostrophes]).lower()
    if not text.isascii():
        # İ in lower case is i with a dot of its own
        text = unicodedata.normalize("NFKC", text).replace("i\u0307", "i")
    words = text.split()
    if not text.isascii():
        marks, lonely = _lonely_mark()
        if "'" in text or any(word[0] in marks for word in words):
            text = lonely.sub("", text)
            words = text.split()
    if "'" in text:
        words = _LONELY_APOSTROPHE.sub("", text).split()
    return " ".join(words)
