"""Normalisation: what each language's rules do, and that doing it twice changes nothing."""

from __future__ import annotations

import random
import unicodedata

import pytest

from jointst.common.errors import JointstError
from jointst.common.languages import LANGUAGES
from jointst.text.normalise import RULES, SCORING, VERSION, for_scoring, normalise


@pytest.mark.parametrize(
    ("lang", "written", "expected"),
    [
        ("ar", "مَرْحَبًا، عـالم! ١٢", "مرحبا عالم اثنا عشر"),
        ("de", "Die Straße, E-Mail & 21 %.", "die straße e mail und einundzwanzig prozent"),
        ("de", "1.234,5", "eintausendzweihundertvierunddreißig komma fünf"),
        ("en", "Dr. Smith’s café: $3.50", "doctor smith's cafe three dollars fifty cents"),
        ("en", "AT&T 'quoted' dogs'", "at and t quoted dogs"),
        ("es", "¿Qué? ¡Año 2!", "qué año dos"),
        ("fr", "L’homme — 99 %", "l'homme quatre vingt dix neuf pour cent"),
        ("hi", "नमस्ते। 12", "नमस्ते बारह"),
        ("hi", "१२३ क़लम १००००००००००", "एक सौ तेईस क़लम एक" + 10 * " शून्य"),
        ("ar", "ٱلكتاب أحمر، ﻻ إلى آخره", "الكتاب أحمر لا إلى آخره"),
        ("ar", "کتاب جدیـد", "كتاب جديد"),
        ("de", "Am 3. Mai, GROẞ und SS", "am dritten mai groß und ss"),
        ("de", "Um 3. Es ist spät.", "um drei es ist spät"),
        ("en", "The 3rd of May, 25 times", "the third of may twenty five times"),
        ("es", "La 3.ª vez, el 1º", "la tercera vez el primero"),
        ("fr", "Le 1er mai, la 1re, le 21e", "le premier mai la première le vingt et unième"),
        ("it", "La 2ª volta, il 1°", "la seconda volta il primo"),
        ("it", "il 21º", "il ventunesimo"),
        ("ja", "第3回、ＧＮＯＭＥ！", "第三回gnome"),
        ("ja", "ｶﾞﾗｽ 和 英", "ガラス和英"),
        ("pt", "a 2.ª e o 3º", "a segunda e o terceiro"),
        ("ru", "3-й и 21-я", "третий и двадцать первая"),
        ("zh", "第３章　Ａ１", "第三章a一"),
        ("it", "dell'anno 1.000", "dell'anno mille"),
        ("ja", "３つの リンゴ、カー・バッグ", "三つのリンゴカーバッグ"),
        ("pt", "Não, d'água 2", "não d'água dois"),
        ("ru", "Приве́т, по-русски ещё 3,5", "привет по русски ещё три запятая пять"),
        ("zh", "打开 GNOME Shell 桌面，50%。", "打开gnome shell桌面百分之五十"),
    ],
)
def test_each_language(lang: str, written: str, expected: str) -> None:
    assert normalise(written, lang) == expected


@pytest.mark.parametrize(
    ("digits", "reading"),
    [
        ("0", "零"),
        ("10", "十"),
        ("15", "十五"),
        ("101", "一百零一"),
        ("110", "一百一十"),
        ("2024", "二千零二十四"),
        ("10005", "一万零五"),
        ("200000", "二十万"),
        ("100000001", "一亿零一"),
        ("007", "零零七"),
    ],
)
def test_chinese_numbers(digits: str, reading: str) -> None:
    assert normalise(digits, "zh") == reading


def test_long_numbers_are_read_digit_by_digit() -> None:
    assert normalise("0123", "de") == "null eins zwei drei"
    assert len(normalise("1" * 13, "es").split()) == 13


@pytest.mark.parametrize(
    ("lang", "written", "scored"),
    [
        ("ar", "أحمر إلى آخر", "احمر الى اخر"),
        ("ru", "Ещё ёлка", "еще елка"),
        ("hi", "क़लम लड़का", "कलम लडका"),
        ("de", "Straße", "straße"),
        ("en", "It's 2!", "it's two"),
    ],
)
def test_scoring_folds_spellings(lang: str, written: str, scored: str) -> None:
    assert for_scoring(written, lang) == scored
    assert for_scoring(scored, lang) == scored


def test_the_scoring_normaliser_names_its_versions() -> None:
    assert f"jointst-scoring-1 over jointst-text-{VERSION}" == SCORING


def test_every_language_has_rules() -> None:
    assert RULES.keys() == LANGUAGES.keys()


def test_nothing_is_left_of_punctuation() -> None:
    for lang in LANGUAGES:
        assert normalise(" ... — !? \u200b", lang) == ""


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(JointstError, match="'xx'"):
        normalise("a", "xx")


SPECIAL = [
    *"'’ .,0123456789%&$€£¥₹₽°º²½¼-–—/:()[]<>{}@#*+=~^ab\u0301\u0654\u064e\u3099ｶﾞﷺǅİ",
    *"\u202f\u00a0\u200b\u00ad\ufe0f\u20e3",
    *"❤❶①№™〇々零年点時千万億भारत्ि١٬٫ـًгМKmhMtDrz\ue010\ue014\ud800",
    *("https://", "www.", ".com", "Uhr", "Mai", "1º", "2ª", "3rd", "12:30", "1,000", "1.000", " 000", "10-20", "<unk>"),
]


@pytest.mark.parametrize("lang", sorted(LANGUAGES))
def test_any_text_gives_words_of_letters_and_twice_is_once(lang: str) -> None:
    generator = random.Random(lang)
    for _ in range(600):
        written = "".join(
            generator.choice([chr(generator.randrange(32, 0x3100)), chr(generator.randrange(0x3100, 0x20000))])
            if generator.random() < 0.3
            else generator.choice(SPECIAL)
            for _ in range(generator.randrange(1, 20))
        )
        once = normalise(written, lang)
        assert normalise(once, lang) == once, ascii(written)
        assert once == " ".join(once.split())
        for before, character in zip(f" {once}", once):
            kind = unicodedata.category(character)[0]
            assert kind in "LM" or character in " '", ascii(written)
            assert kind != "M" or before not in " '", ascii(written)


def test_numbers_of_any_length_are_read() -> None:
    assert len(normalise("1" * 5000, "en").split()) == 5000
    assert normalise("9" * 5000 + " km, $" + "9" * 5000 + ".50 1" + ",000" * 2000, "en")
