"""eSpeak NG: the right language or an error, and the same samples every time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import espeakng_loader
import numpy as np
import pytest

from jointst.common.errors import EnvironmentFault
from jointst.common.languages import LANGUAGES
from jointst.data.corpora.espeak import SAMPLING_RATE, Synthesiser, trim


@pytest.fixture(scope="module")
def engine() -> Iterator[Synthesiser]:
    with Synthesiser() as made:
        yield made


@pytest.mark.parametrize("voice", ["fr-fr", "xx", "english-that-is-not", ""])
def test_unknown_voice_is_an_error(engine: Synthesiser, voice: str) -> None:
    with pytest.raises(EnvironmentFault, match="could not find a voice"):
        engine.speak("bonjour", voice)


def test_unknown_variant_is_an_error(engine: Synthesiser) -> None:
    with pytest.raises(EnvironmentFault, match="variant 'F3'"):
        engine.speak("bonjour", "fr", "F3")


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("de", "fünf", "fˈʏnf"),
        ("en", "five", "fˈaɪv"),
        ("fr", "cinq", "sˈɛ̃k"),
        ("hi", "पाँच", "pˈa\u0303nc"),
        ("it", "cinque", "tʃˈinkwe"),
        ("ja", "はこ", "hˈäko̞"),
        ("pt", "três", "trˈes"),
        ("ru", "пять", "pʲˈɑtʲ"),
        ("zh", "wu3", "wˈu2"),
        ("ar", "سِتَّهْ", "sitːˌah"),
    ],
)
def test_each_voice_reads_its_language(engine: Synthesiser, lang: str, text: str, expected: str) -> None:
    assert engine.phonemes(text, LANGUAGES[lang].voice) == expected


def test_phoneme_input_is_off(engine: Synthesiser) -> None:
    # With phoneme mode on, [[fu:]] would be read as the sounds themselves.
    assert len(engine.speak("[[fu:]]", "en-us")) > 1.5 * len(engine.speak("foo", "en-us"))


def test_arabic_vowel_before_doubling_mark_is_kept(engine: Synthesiser) -> None:
    canonical, typed = "ر\u064e\u0651قم", "ر\u0651\u064eقم"
    assert engine.phonemes(canonical, "ar") == engine.phonemes(typed, "ar")
    assert "ˈa" in engine.phonemes(canonical, "ar")


@pytest.mark.parametrize("variant", ["f3", "Reed", "klatt4", "m1"])
def test_fresh_engines_agree_on_a_sequence(variant: str) -> None:
    takes = []
    for _ in range(2):
        with Synthesiser() as made:
            texts = ("call three five two", "open the door")
            takes.append([made.speak(text, "en-us", variant, rate=180, pitch=60) for text in texts])
    for a, b in zip(*takes, strict=True):
        np.testing.assert_array_equal(a, b)


def test_rate_pitch_and_variant_matter(engine: Synthesiser) -> None:
    slow, fast = (engine.speak("call three five two", "en-us", rate=rate) for rate in (120, 240))
    assert len(slow) > 1.4 * len(fast)
    low, high = (engine.speak("call three five two", "en-us", pitch=pitch) for pitch in (20, 80))
    crossings = [int((np.diff(np.sign(samples.astype(int))) != 0).sum()) for samples in (low, high)]
    assert crossings[0] != crossings[1]
    assert len(engine.speak("call three five two", "en-us", "anika")) != len(high)


def test_works_where_the_data_lies_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    (deep / "espeak-ng-data").symlink_to(espeakng_loader.get_data_path())
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(deep / "espeak-ng-data"))
    with Synthesiser() as made:
        assert made.speak("hello", "en-us").size > SAMPLING_RATE // 4


def test_missing_data_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(tmp_path / "gone"))
    with pytest.raises(EnvironmentFault, match="gone"):
        Synthesiser()


def test_closing_removes_the_copy() -> None:
    made = Synthesiser()
    folder = Path(made._folder.name)
    assert folder.is_dir()
    made.close()
    assert not folder.exists()


def test_trim_keeps_a_margin() -> None:
    samples = np.zeros(3000, np.int16)
    samples[1000:2000] = 1000
    samples[500] = 9  # below 1 % of the peak
    assert trim(samples, 1000, keep=0.1).tolist() == samples[900:2100].tolist()
    assert trim(samples[990:], 1000, keep=0.1).size == 10 + 1000 + 100
    assert trim(np.zeros(10, np.int16), 1000).size == 0
