"""The speech synthesisers of the ``synthetic`` corpus: one line each in :data:`ENGINES`.

A new one is a module with a class ``Engine`` of the form of :class:`Engine`, and its line here.

Shapes: T samples.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt

from jointst.common.errors import ConfigError
from jointst.common.units import Hertz

ENGINES = {
    "espeak": "jointst.data.corpora.espeak",
    "pico": "jointst.data.corpora.pico",
}
"""Module of each synthesiser."""
OUTPUT_RATE: Hertz = 16000
"""Of what is written, whatever an engine works at."""
PEAK = 0.7
"""Loudest sample of every utterance, in full scales: voices differ in level by 20 dB."""


class Voices(NamedTuple):
    """Voices of one language; no voice is in two of the three."""

    train: tuple[str, ...] = ()
    dev: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


class Engine(Protocol):
    """A synthesiser; made where it is used, closed at the end.

    Raises:
        EnvironmentFault: when made: it is not installed, with the command that installs it.
    """

    sampling_rate: Hertz

    @staticmethod
    def voices(lang: str) -> Voices:
        """Its voices of a language, none where it does not speak it; must not need the synthesiser itself."""
        ...

    def say(self, text: str, lang: str, voice: str, *, rate: float, pitch: float) -> npt.NDArray[np.int16]:
        """Speak.

        Args:
            text: as the language's front end gives it: pinyin for Chinese, kana, Arabic with its short vowels.
            lang: ISO 639-1 code.
            voice: one of :meth:`voices`.
            rate: 1 for the usual speaking rate, 2 for twice as fast; 0.7 to 1.4 must work.
            pitch: 1 for the voice's own; 0.6 to 1.4 must work.

        Returns:
            Samples (T,) at ``sampling_rate``, silence at the ends included.
        """
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


def engine_class(name: str, key: str = "corpus.synthetic.engines") -> type[Engine]:
    """The class of a synthesiser.

    Raises:
        ConfigError: the table has no such name; ``key`` is the setting that asked for it.
    """
    if name not in ENGINES:
        raise ConfigError(key, f"{name!r} is unknown", f"known: {' '.join(ENGINES)}")
    return cast("type[Engine]", importlib.import_module(ENGINES[name]).Engine)


def to_output(samples: npt.NDArray[np.int16], rate: Hertz) -> npt.NDArray[np.int16]:
    """Samples (T,) at ``rate`` as samples (T',) at :data:`OUTPUT_RATE`, the loudest at :data:`PEAK`."""
    import av  # not torch: loading it would take longer than the work of a small corpus

    if not samples.size:
        return samples
    wave = samples.astype(np.float32) / 32768
    if rate != OUTPUT_RATE:
        frame = av.AudioFrame.from_ndarray(wave[None], format="flt", layout="mono")  # (T,) -> (1, T)
        frame.sample_rate = int(rate)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=int(OUTPUT_RATE))
        wave = np.concatenate([part.to_ndarray()[0] for given in (frame, None) for part in resampler.resample(given)])
    peak = np.abs(wave).max()
    return np.round(wave * (32767 * PEAK / peak)).astype(np.int16) if peak > 0 else samples[:0]
