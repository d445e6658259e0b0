"""What is done to samples of speech: noise, rooms, telephone codecs; every draw comes from the generator that is given.

T samples, R samples of a room response.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np

from jointst.common.units import Decibels, Hertz, Seconds
from jointst.config.data import LOW_FREQUENCY
from jointst.kaldi.audio import Samples, resample

if TYPE_CHECKING:
    from numpy.random import Generator

SLOPES = {"white": 0.0, "pink": 1.0, "brown": 2.0}
"""Power of noises that are made, in proportion to 1 / frequency^slope."""
TELEPHONE: Hertz = 8000
"""Rate of G.711."""
SUBTYPES = {"mu_law": "ULAW", "a_law": "ALAW"}
"""What libsndfile calls the laws."""
DIRECT: tuple[Decibels, Decibels] = (0.0, 12.0)
"""Direct over reverberant power of a made response: a listener far away, or near [ours]."""


def power(samples: Samples) -> float:
    """Mean square of samples (T,)."""
    return float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0


def add_noise(speech: Samples, noise: Samples, snr: Decibels) -> Samples:
    """Speech (T,) with noise (T,) so many decibels below it; as it is where either is silent."""
    loud, other = power(speech), power(noise)
    if not loud or not other:
        return speech
    scale = math.sqrt(loud / other * 10 ** (-snr / 10))
    mixed: Samples = (speech + np.float32(scale) * noise).astype(np.float32)
    return mixed


def coloured(length: int, slope: float, rate: Hertz, generator: Generator) -> Samples:
    """Gaussian noise (T,) whose power falls with 1 / frequency^slope, with nothing below the first filter."""
    size = 1 << max(1, length - 1).bit_length()
    white = generator.standard_normal(size, dtype=np.float32)
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    heard = frequencies >= LOW_FREQUENCY
    shape = np.zeros(len(frequencies), dtype=np.float32)
    shape[heard] = frequencies[heard] ** (-slope / 2)
    made: Samples = np.fft.irfft(np.fft.rfft(white) * shape, size)[:length].astype(np.float32)
    return made


def stretched(sound: Samples, length: int, generator: Generator) -> Samples:
    """Samples (T,) of a sound, from anywhere in it on and over again where it is too short; none of none."""
    if not len(sound):
        return np.zeros(length, dtype=np.float32)
    first = int(generator.integers(len(sound)))
    if len(sound) >= length:
        first = first % (len(sound) - length + 1)
        return sound[first : first + length]
    return np.resize(np.roll(sound, -first), length)


def made_response(reverberation: Seconds, rate: Hertz, generator: Generator) -> Samples:
    """A room response (R,): a direct sound, and noise that dies away by 60 decibels in so many seconds.

    Source: the exponential model of J. D. Polack's thesis (1988), which has no early reflections.
    """
    length = max(2, round(reverberation * rate))
    decay = np.exp(-math.log(1000.0) / length * np.arange(length))
    tail = generator.standard_normal(length) * decay
    tail[0] = 0.0
    direct = 10 ** (generator.uniform(*DIRECT) / 20)
    response = tail / math.sqrt(float(np.square(tail).sum()))
    response[0] = direct
    made: Samples = response.astype(np.float32)
    return made


def in_room(speech: Samples, response: Samples) -> Samples:
    """Speech (T,) in a room of a response (R,), as loud as before, and no later: the largest value is direct sound."""
    direct = int(np.argmax(np.abs(response)))
    size = 1 << (len(speech) + len(response) - 1).bit_length()
    spread = np.fft.irfft(np.fft.rfft(speech, size) * np.fft.rfft(response, size), size)
    heard: Samples = spread[direct : direct + len(speech)].astype(np.float32)
    loud = power(heard)
    made: Samples = heard * np.float32(math.sqrt(power(speech) / loud)) if loud else heard
    return made


def through_codec(speech: Samples, rate: Hertz, law: str) -> Samples:
    """Speech (T,) as a telephone lets it through: at 8000 hertz, in 8 bits by a law of G.711, and back."""
    import soundfile

    narrow = np.clip(resample(speech, rate, TELEPHONE), -1.0, 1.0)
    buffer = io.BytesIO()
    soundfile.write(buffer, narrow, round(TELEPHONE), format="WAV", subtype=SUBTYPES[law])
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    return resample(decoded, TELEPHONE, rate)[: len(speech)]
