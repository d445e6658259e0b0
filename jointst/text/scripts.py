"""Letters by writing system, as bodies of character classes."""

from __future__ import annotations

import re
from functools import cache

_MARKS = "\u0300-\u036f"
SCRIPTS = {
    "latin": f"A-Za-zªºÀ-ɏ\u1e00-\u1eff'{_MARKS}",
    "arabic": "\u0600-\u06ff\u0750-\u077f",
    "cyrillic": f"\u0400-\u052f{_MARKS}",
    "devanagari": "\u0900-\u097f\u200c\u200d",
    "han": "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "kana": "\u3005-\u3007\u3040-\u30ff\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff",
}
"""Letters and marks of each writing system; ``kana`` is Japanese as a whole, Chinese characters included."""
_WRITTEN_IN = {"ar": "arabic", "hi": "devanagari", "ja": "kana", "ru": "cyrillic", "zh": "han"}

NATIVE_SHARE = 0.5
"""Share of a sentence's letters that must be of its language's own script."""


def script_of(lang: str) -> str:
    """Name in :data:`SCRIPTS` of the script a language is written in."""
    return _WRITTEN_IN.get(lang, "latin")


@cache
def _patterns(lang: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    native = SCRIPTS[script_of(lang)]
    return re.compile(f"[^{native}{SCRIPTS['latin']}\\s]"), re.compile(f"[{native}]")


def is_written_in(text: str, lang: str) -> bool:
    """Whether normalised ``text`` is in the script of a language, Latin words (names, brands) among it allowed."""
    foreign, native = _patterns(lang)
    if foreign.search(text):
        return False
    letters = len(text) - text.count(" ")
    return letters > 0 and len(native.findall(text)) >= NATIVE_SHARE * letters
