"""Phones: of the right language, one per sound, tones kept, and nothing guessed."""

from __future__ import annotations

import dataclasses
import errno
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from jointst.common.errors import EnvironmentFault, JointstError
from jointst.common.languages import LANGUAGES
from jointst.config import LexiconConfig
from jointst.text import phonemes
from jointst.text.phonemes import Phonemizer


@pytest.mark.parametrize(
    ("lang", "word", "phones"),
    [
        ("ar", "كتاب", "k i t aː b"),
        ("ar", "مدرسة", "m a d r a s a h"),
        ("ar", "صفر", "sˤ iˤ f r"),
        ("de", "zwei", "ts v aɪ"),
        ("de", "könig", "k øː n ɪ ç"),
        ("en", "church", "tʃ ɜː tʃ"),
        ("en", "it's", "ɪ t s"),
        ("es", "churro", "tʃ u r o"),
        ("fr", "bonjour", "b ɔ̃ ʒ u ʁ"),
        ("fr", "weekend", "w iː k ɛ n d"),
        ("hi", "घर", "ɡʰ ʌ ɾ"),
        ("hi", "सड़क", "s ʌ ɽ ə k"),
        ("it", "grazie", "ɡ r a ts j e"),
        ("it", "pizza", "p i tsː a"),
        ("ja", "東京", "t o̞ ɯᵝ kʲ o̞ ɯᵝ"),
        ("ja", "スーパー", "s ɯᵝː p äː"),
        ("ja", "は", "w ä"),
        ("ja", "グウィン", "ɡ ɯᵝː i ɴ"),
        ("pt", "não", "n ɐ̃ʊ̃"),
        ("ru", "привет", "p rʲ i vʲ e t"),
        ("zh", "打开", "t ɑ3 kʰ ai1"),
        ("zh", "女儿", "n y3 ər2"),
        ("zh", "的", "t ə5"),
        ("zh", "熊", "ɕ oŋ2"),
    ],
)
def test_known_words(lang: str, word: str, phones: str) -> None:
    assert " ".join(Phonemizer(lang).pronounce([word])[0]) == phones


def test_the_four_tones_differ() -> None:
    words = ["妈", "麻", "马", "骂"]
    assert [phones[-1] for phones in Phonemizer("zh").pronounce(words)] == ["ɑ1", "ɑ2", "ɑ3", "ɑ4"]


def test_no_flag_separator_or_stress_mark_is_left() -> None:
    words = {
        "de": "download weekend e computer geht's",
        "fr": "parking weekend c aujourd'hui",
        "hi": "हिंदी ज्ञान पढ़ना gnome",
        "it": "mezzo gli rossa",
        "ru": "объект день синюю ь gnome",
        "zh": "客厅 一 出去 虐待 gnome",
    }
    for lang, text in words.items():
        for phones in Phonemizer(lang).pronounce(text.split()):
            assert phones
            assert not set("".join(phones)) & set('()_ˈˌ-.^" '), phones


@pytest.mark.parametrize(
    ("lang", "word"),
    [("en", "привет"), ("de", "你好"), ("ru", "नमस्ते"), ("ar", "你好"), ("zh", "привет"), ("zh", "呣"), ("ja", "々")],
)
def test_what_cannot_be_read_has_no_phones(lang: str, word: str) -> None:
    assert Phonemizer(lang).pronounce([word]) == [()]


@pytest.mark.parametrize("lang", ["ar", "hi", "ja", "ru", "zh"])
def test_latin_words_are_read_in_english(lang: str) -> None:
    assert Phonemizer(lang).pronounce(["window"]) == Phonemizer("en").pronounce(["window"])


def test_settings_choose_the_marks() -> None:
    def phones(lang: str, word: str, **settings: bool) -> tuple[str, ...]:
        return Phonemizer(lang, LexiconConfig(**settings)).pronounce([word])[0]

    assert phones("de", "könig", keep_length=False) == ("k", "ø", "n", "ɪ", "ç")
    assert phones("de", "könig", keep_stress=True) == ("k", "ˈøː", "n", "ɪ", "ç")
    assert phones("zh", "马", keep_tone=False) == ("m", "ɑ")


@pytest.mark.parametrize(
    ("lang", "text", "words"),
    [
        ("de", "öffne die tür", ["öffne", "die", "tür"]),
        ("zh", "我们打开gnome shell女儿", ["我们", "打开", "gnome", "shell", "女儿"]),
        ("ja", "東京でリンゴを買って", ["東京", "で", "リンゴ", "を", "買って"]),
        ("ja", "写真gnomeを", ["写真", "gnome", "を"]),
    ],
)
def test_segments(lang: str, text: str, words: list[str]) -> None:
    assert Phonemizer(lang).words(text) == words


@pytest.mark.parametrize("lang", ["ja", "zh"])
def test_segments_hold_every_character(lang: str) -> None:
    text = "今日は本を買って見て一二三gnome丸い箱あっ"
    assert "".join(Phonemizer(lang).words(text)) == text


def test_a_wrong_voice_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LANGUAGES, "de", dataclasses.replace(LANGUAGES["de"], voice="xx-nowhere"))
    with pytest.raises(EnvironmentFault, match="xx-nowhere"):
        Phonemizer("de")


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(JointstError, match="'xx'"):
        Phonemizer("xx")


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    Phonemizer("fr").pronounce(["parking", "weekend"])
    Phonemizer("ar").pronounce(["كتاب"])
    assert capfd.readouterr() == ("", "")


def test_a_long_installation_path_works(tmp_path: Path) -> None:
    import espeakng_loader

    data = tmp_path / ("x" * 200) / "espeak-ng-data"
    shutil.copytree(espeakng_loader.get_data_path(), data)
    code = (
        "import sys, espeakng_loader; espeakng_loader.get_data_path = lambda: sys.argv[1]\n"
        "from jointst.text.phonemes import Phonemizer\n"
        "print(*Phonemizer('de').pronounce(['zwei'])[0])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ts v aɪ\n", "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/tmp/x/libespeak-ng.so"),
            "No space left on device on the disk",
        ),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), "export TMPDIR="),
        (OSError(f"{tempfile.gettempdir()}/x/lib.so: failed to map segment from shared object"), "run from"),
    ],
)
def test_a_full_folder_for_temporary_files_is_not_taken_for_a_missing_espeak(
    error: OSError, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(shutil, "copy", refuse)
    with pytest.raises(EnvironmentFault, match="eSpeak NG is here") as caught:
        phonemes._espeak.__wrapped__("en-us")
    assert said in str(caught.value)
    assert "install espeakng-loader" not in str(caught.value)
