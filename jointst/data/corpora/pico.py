"""SVOX Pico (Apache-2.0) through ``py-nanotts``, voices inside: six voices of five languages, 16 kHz.

Samples of equal calls may differ by a rounding error: the library does not clear its memory.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from jointst.common.errors import EnvironmentFault
from jointst.common.units import Hertz
from jointst.data.corpora.engines import Voices

_VOICES = {
    "de": Voices(train=("de-DE",)),
    "en": Voices(train=("en-US",), test=("en-GB",)),
    "es": Voices(train=("es-ES",)),
    "fr": Voices(train=("fr-FR",)),
    "it": Voices(train=("it-IT",)),
}
_VOLUME = 0.5
"""At its own level some voices are clipped inside the library."""


class Engine:
    """Pico; see :class:`jointst.data.corpora.engines.Engine`."""

    sampling_rate: Hertz = 16000

    def __init__(self) -> None:
        try:
            from py_nanotts import NanoTTS
        except ImportError as error:
            raise EnvironmentFault(f"SVOX Pico is missing ({error}); run tools/install.sh --extra tts") from None
        self._engine = NanoTTS()

    @staticmethod
    def voices(lang: str) -> Voices:
        """One voice for training in each of its languages, and a second one of English."""
        return _VOICES.get(lang, Voices())

    def say(self, text: str, lang: str, voice: str, *, rate: float, pitch: float) -> npt.NDArray[np.int16]:
        """Speak; markup in ``text`` is read as words."""
        plain = text.replace("<", " ").replace(">", " ")
        # Its pitch scales the whole voice: half as far as asked for (in octaves), it stays a human's.
        spoken = self._engine.speak(plain, voice=voice, speed=rate, pitch=pitch**0.5, volume=_VOLUME)
        return np.frombuffer(spoken, dtype="<i2")

    def close(self) -> None:
        """Nothing to free."""
