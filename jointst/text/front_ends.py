"""Front ends for writing that eSpeak NG cannot read: Arabic, Chinese, Japanese. Packages are imported when used."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

_KANA = re.compile("[ぁ-ゖー]+")
# Particles and greetings in which は is read wa and へ is read e.
_READINGS = {
    "は": "わ", "へ": "え", "では": "でわ", "には": "にわ", "とは": "とわ", "へは": "えわ", "からは": "からわ",
    "こんにちは": "こんにちわ", "こんばんは": "こんばんわ",
}  # fmt: skip
# After another u, eSpeak takes the u of wi, we, wo for its length, and is left with a lone small vowel.
_W_AFTER_U = re.compile("(?<=[うくすつぬふむゆるぐずづぶぷゅぅ])う([ぃぇぉ])")
_LARGE = {"ぃ": "い", "ぇ": "え", "ぉ": "お"}
_SHORT_VOWELS = "\u064b-\u0650"
_ARABIC_LETTER = re.compile("[\u0621-\u064a]")
_SHORTEST_WITH_ENDING = 2
# Vowels that mishkal leaves out at the beginning of a word: of a hamza, and of an alef before a consonant.
_BARE_ALEFS = (
    (re.compile("^((?:\u0627\u0644\u0652?)?\u0623)(?=[\u0621-\u064a])"), "\\1\u064e"),
    (re.compile("^\u0627(?=[\u0628-\u0643\u0645-\u0648])"), "\u0627\u0650"),
)


@cache
def _mishkal() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its source, when it is first compiled
        from mishkal.tashkeel import TashkeelClass

    return TashkeelClass()


def _vowelled(word: str) -> str | None:
    """An Arabic word with its short vowels (mishkal), in its form before a pause: as commands and lists are read.

    Case endings depend on the sentence and drop before a pause, where the feminine -at becomes -ah.
    """
    vowelled = str(_mishkal().tashkeel(word)).strip()
    for bare, vowel in _BARE_ALEFS:
        vowelled = bare.sub(vowel, vowelled)
    if len(_ARABIC_LETTER.findall(vowelled)) > _SHORTEST_WITH_ENDING:
        vowelled = re.sub(f"[{_SHORT_VOWELS}]+$", "", vowelled)
        vowelled = re.sub("\u0629$", "\u0647\u0652", vowelled)
    return vowelled or None


@cache
def _kakasi() -> Any:
    from pykakasi import kakasi

    converter: Any = kakasi
    return converter()


def _japanese_segments(text: str) -> list[str]:
    """pykakasi's segments; one that ends in a small tsu goes on with the next, whose consonant it doubles."""
    segments: list[str] = []
    unfinished = ""
    for part in _kakasi().convert(text):
        unfinished += part["orig"].strip()
        if unfinished and not part["hira"].endswith("っ"):
            segments.append(unfinished)
            unfinished = ""
    return [*segments, unfinished] if unfinished else segments


def _kana(word: str) -> str | None:
    """A Japanese word in hiragana (pykakasi); None where a character has no reading."""
    kana = "".join(part["hira"] for part in _kakasi().convert(word))
    kana = _W_AFTER_U.sub(lambda match: f"う{_LARGE[match.group(1)]}", _READINGS.get(kana, kana))
    return kana if _KANA.fullmatch(kana) else None


def _chinese_segments(text: str) -> list[str]:
    from pypinyin.seg.mmseg import seg

    return list(seg.cut(text))


@lru_cache(maxsize=65536)
def _pinyin(word: str) -> str | None:
    """A Chinese word in pinyin syllables with tone digits, 5 for the neutral tone; None where one has no reading."""
    from pypinyin import Style, lazy_pinyin

    syllables = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, errors=lambda characters: "?")
    return None if "?" in syllables else " ".join(syllables)


SEGMENTERS: dict[str, Callable[[str], list[str]]] = {"ja": _japanese_segments, "zh": _chinese_segments}
"""For languages written without spaces: text in their own script to words."""
SPOKEN: dict[str, Callable[[str], str | None]] = {"ar": _vowelled, "ja": _kana, "zh": _pinyin}
"""For languages that eSpeak cannot read as written: a word to what it reads, None where there is no reading."""
