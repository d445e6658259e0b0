"""Synthetic speech by eSpeak NG (GPL-3), called as a library: a thousand times faster than real time on one core.

Chinese goes in as pinyin with tone digits (voice ``cmn-latn-pinyin``), Japanese as kana, Arabic with its diacritics:
eSpeak reads nothing else of them.

Shapes: T samples.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import re
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointst.common.errors import EnvironmentFault
from jointst.common.languages import LANGUAGES, language
from jointst.common.units import Hertz, Seconds, samples_in
from jointst.data.corpora.engines import Voices
from jointst.kaldi.phone_times import SILENCE, PhoneTime

SAMPLING_RATE: Hertz = 22050
"""What eSpeak NG synthesises at."""

TRAIN_VOICES = tuple(
    "Alex anika Andy Annie Denis Gene Jacky Mario Michael Mike Nguyen adam benjamin boris travis edward f1 f2 f4 "
    "gustave linda m1 m3 m5 m7 max pedro quincy steph victor".split()
)
"""Variants that may be trained on."""
DEV_VOICES = ("Storm", "f5", "m4", "belinda")
"""Variants of development sets alone: voices are what generalises worst, so tuning must see new ones."""
TEST_VOICES = ("Andrea", "Reed", "antonio", "aunty", "f3", "m2", "m6", "m8", "paul", "robert")
"""Variants of test sets alone."""
USUAL_RATE = 175
"""Words a minute."""
USUAL_PITCH = 50
"""Of 100: a voice's own."""

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_RATE, _VOLUME, _PITCH = 1, 2, 3  # espeak_PARAMETER
_UTF8, _IPA = 1, 2
_RANDOM_SEED = 1
_QUIET = 40  # of 100, the library's own: louder, some variants are clipped inside it

_MAIN = threading.main_thread()

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

_LAST, _WORD, _END, _PHONEME = 0, 1, 5, 7  # espeak_EVENT_TYPE
_PHONEME_EVENTS, _PHONEME_IPA = (
    1,
    2,
)  # options of espeak_Initialize: phonemes as events too, in IPA; samples stay the same
_SHORT_PAUSE: Seconds = 0.05
"""A shorter silent event between two phones belongs to the first: links between consonants have no IPA symbol."""
_MODIFIERS = re.compile("[\u02b0-\u02ff\u0300-\u036f]+")
_STRESS = re.compile("[\u02c8\u02cc]")


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


# Unicode's canonical order puts an Arabic vowel before the doubling mark; eSpeak then drops the vowel.
_VOWEL_BEFORE_SHADDA = re.compile("([\u064b-\u0650])\u0651")


class Synthesiser:
    """One engine. What it says depends on what it said before (echoes and noise run on), so a fixed sequence of calls
    on a fresh engine gives the same samples always, and another sequence may not.

    The library keeps its state in global variables, so each engine loads a copy of it. As a context manager, it is
    closed at the end.

    Raises:
        EnvironmentFault: eSpeak NG is missing or broken.
    """

    def __init__(self) -> None:
        library, data = _locate()
        self._folder = tempfile.TemporaryDirectory(prefix="espeak-")
        copy = Path(self._folder.name) / library.name
        shutil.copyfile(library, copy)
        # A link because the library cuts paths of data at 160 bytes.
        link = Path(self._folder.name) / data.name
        link.symlink_to(data.absolute(), target_is_directory=True)
        try:
            self._library = ctypes.CDLL(str(copy))
        except OSError as error:
            raise EnvironmentFault(f"eSpeak NG does not load: {error}; reinstall espeakng-loader") from None
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        options = _PHONEME_EVENTS | _PHONEME_IPA
        rate = self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, str(link).encode(), options)
        if rate != SAMPLING_RATE:
            raise EnvironmentFault(f"eSpeak NG does not start from {data} (it says {rate}); reinstall espeakng-loader")
        self.variants = frozenset(path.name for path in (data / "voices" / "!v").iterdir())
        """Names of the voice variants, such as ``f3``; every voice can have each of them."""
        self.word_starts: list[Seconds] = []
        """When each word of the last text begins, in its samples; what counts as a word is eSpeak's own affair."""
        self._phones: list[tuple[Seconds, str | None]] = []  # a start each; None ends a clause
        self._blocks: list[npt.NDArray[np.int16]] = []
        self._callback = _Callback(self._collect)  # kept here: the library holds a bare pointer to it
        self._library.espeak_SetSynthCallback(self._callback)
        self._c_library = ctypes.CDLL(None)

    def _collect(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: int | None) -> int:
        if samples and count > 0:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        if events:
            pointer = ctypes.cast(events, ctypes.POINTER(_Event))
            for event in itertools.takewhile(
                lambda event: event.type != _LAST, (pointer[i] for i in itertools.count())
            ):
                at = event.audio_position / 1000
                if event.type == _WORD:
                    self.word_starts.append(at)
                elif event.type == _PHONEME:
                    self._phones.append((at, _STRESS.sub("", event.id.decode("utf-8", errors="ignore"))))
                elif event.type == _END:
                    self._phones.append((at, None))
        return 0

    @property
    def phone_times(self) -> list[PhoneTime]:
        """When each phone of the last text is spoken, in its samples: IPA without stress marks."""
        times: list[PhoneTime] = []
        for (start, phone), (end, _) in itertools.pairwise(self._phones):
            if phone is None or end <= start:
                continue
            linked = times and times[-1].phone != SILENCE and (not phone and end - start < _SHORT_PAUSE)
            if times and (linked or _MODIFIERS.fullmatch(phone)):
                before = times.pop()  # such as the mark of a soft consonant
                times.append(PhoneTime(before.phone + phone, before.start, end))
            else:
                times.append(PhoneTime(phone or SILENCE, start, end))
        return times

    def _set_voice(self, voice: str, variant: str) -> None:
        if variant and variant not in self.variants:
            # The library itself drops an unknown variant without a word.
            known = " ".join(sorted(self.variants))
            raise EnvironmentFault(f"eSpeak NG has no voice variant {variant!r}; it has: {known}")
        name = f"{voice}+{variant}" if variant else voice
        self._check(self._library.espeak_SetVoiceByName(name.encode()), f"find a voice {voice!r}")

    @staticmethod
    def _check(status: int, action: str) -> None:
        if status != 0:
            raise EnvironmentFault(f"eSpeak NG could not {action} (status {status}); it needs espeakng-loader 0.2.4")

    def speak(
        self, text: str, voice: str, variant: str = "", *, rate: int = 175, pitch: int = 50
    ) -> npt.NDArray[np.int16]:
        """Synthesise one text.

        Args:
            text: in a form the voice reads; phoneme input in ``[[ ]]`` is off.
            voice: an eSpeak NG voice, such as ``en-us``.
            variant: one of :attr:`variants`, or empty for the voice as it is.
            rate: words a minute, 80 to 450.
            pitch: 0 to 100; 50 is the variant's own.

        Returns:
            Samples (T,) at :data:`SAMPLING_RATE`, silence at the ends included.

        Raises:
            EnvironmentFault: no such voice or variant; there is no falling back to another.
        """
        library = self._library
        self._set_voice(voice, variant)
        self._check(library.espeak_SetParameter(_RATE, rate, 0), f"speak {rate} words a minute")
        self._check(library.espeak_SetParameter(_VOLUME, _QUIET, 0), f"speak at volume {_QUIET}")
        self._check(library.espeak_SetParameter(_PITCH, pitch, 0), f"speak at pitch {pitch}")
        self._c_library.srand(_RANDOM_SEED)  # Klatt voices draw their noise from the C library
        library.espeak_ng_SetRandSeed(ctypes.c_long(_RANDOM_SEED))
        self._blocks.clear()
        self.word_starts.clear()
        self._phones.clear()
        encoded = _readable(text).encode()
        size = ctypes.c_size_t(len(encoded) + 1)
        with _interrupts_held():
            self._check(library.espeak_Synth(encoded, size, 0, 0, 0, _UTF8, None, None), f"read {text!r}")
            self._check(library.espeak_Synchronize(), f"read {text!r}")
        return np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.int16)

    def phonemes(self, text: str, voice: str) -> str:
        """How ``voice`` reads ``text``, in IPA with stress marks; a check, the lexicon has its own front end.

        Raises:
            EnvironmentFault: no such voice.
        """
        self._set_voice(voice, "")
        pointer = ctypes.c_char_p(_readable(text).encode())
        clauses = []
        while pointer.value:
            clauses.append(self._library.espeak_TextToPhonemes(ctypes.byref(pointer), _UTF8, _IPA).decode())
        return " ".join(clauses).strip()

    def __enter__(self) -> Synthesiser:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the engine's memory and files; it cannot speak afterwards."""
        self._library.espeak_Terminate()
        self._folder.cleanup()


class Engine:
    """eSpeak NG as one of the synthesisers in :mod:`jointst.data.corpora.engines`."""

    sampling_rate: Hertz = SAMPLING_RATE

    def __init__(self) -> None:
        self._synthesiser = Synthesiser()

    @staticmethod
    def voices(lang: str) -> Voices:
        """The same variants in every language."""
        spoken = lang in LANGUAGES and LANGUAGES[lang].voice is not None
        return Voices(TRAIN_VOICES, DEV_VOICES, TEST_VOICES) if spoken else Voices()

    def say(self, text: str, lang: str, voice: str, *, rate: float, pitch: float) -> npt.NDArray[np.int16]:
        """Speak in the language's voice and the variant ``voice``."""
        pace, tone = round(USUAL_RATE * rate), round(USUAL_PITCH * pitch)
        return self._synthesiser.speak(text, language(lang).speaks, voice, rate=pace, pitch=tone)

    def close(self) -> None:
        """Free the library's memory and files."""
        self._synthesiser.close()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while the library speaks: raised inside its callback, it would be printed and lost."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or threading.current_thread() is not _MAIN:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


def _locate() -> tuple[Path, Path]:
    """The library and its data folder."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise EnvironmentFault(f"eSpeak NG is missing ({error}); install espeakng-loader") from None
    library, data = Path(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())
    for path in (library, data):
        if not path.exists():
            raise EnvironmentFault(f"{path}: a part of eSpeak NG is missing; reinstall espeakng-loader")
    return library, data


def _readable(text: str) -> str:
    return _VOWEL_BEFORE_SHADDA.sub("\u0651\\1", text)


def sounding(samples: npt.NDArray[np.int16], sampling_rate: Hertz, *, keep: Seconds = 0.08) -> slice:
    """Where there is sound: all but silence, anything below 1 % of the loudest sample, at both ends.

    Args:
        samples: (T,).
        sampling_rate: their rate.
        keep: silence left at each end, where there was as much.

    Returns:
        A slice of the samples; of none when all are zero.
    """
    loudness = np.abs(samples.astype(np.int32))
    loud = np.flatnonzero(loudness > 0.01 * loudness.max(initial=0))
    if not loud.size:
        return slice(0, 0)
    margin = samples_in(keep, sampling_rate)
    return slice(max(0, int(loud[0]) - margin), min(len(samples), int(loud[-1]) + 1 + margin))


def trim(samples: npt.NDArray[np.int16], sampling_rate: Hertz, *, keep: Seconds = 0.08) -> npt.NDArray[np.int16]:
    """Samples (T',), T' <= T, without silence at both ends; see :func:`sounding`."""
    return samples[sounding(samples, sampling_rate, keep=keep)]
