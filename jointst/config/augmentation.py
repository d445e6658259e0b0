"""Training speech made harder before features are made of it: stage 6, with features on the fly."""

from __future__ import annotations

from dataclasses import dataclass

from jointst.common.units import Decibels, Seconds
from jointst.config.check import require

MADE_NOISES = ("white", "pink", "brown", "babble")
"""Noises that are made and not read: of even power, of power in proportion to 1/f and 1/f^2, and of several voices of
the training speech at once."""
MADE_ROOMS = ("made",)
"""Room responses that are made: a direct sound, and noise behind it that dies away."""
CODECS = ("mu_law", "a_law")
"""The two laws of ITU-T G.711, at 8000 hertz: the sound of a telephone."""
MOST_DECIBELS: Decibels = 100.0
"""A ratio or gain beyond this is taken for a slip."""


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """What happens to the audio of training speech, in this order: a room, noise, a gain, a codec.

    Development and test sets stay as they are; speeds are features.speed_perturbation. What is drawn depends on
    training.seed, the step and the utterance alone.
    """

    noise: float = 0.0
    """Share of utterances with noise in them."""
    noises: tuple[str, ...] = ("white", "pink", "brown", "babble")
    """Where noise comes from, each as likely: white, pink, brown, babble (of training speech), or a folder of sound
    files or a Kaldi directory of noises (write ./white for a folder of that name)."""
    snr: tuple[float, float] = (5.0, 20.0)
    """Decibels of speech over noise, drawn evenly between these."""
    room: float = 0.0
    """Share of utterances in a room."""
    rooms: tuple[str, ...] = ("made",)
    """Where room responses come from: made, or a folder of sound files or a Kaldi directory of responses."""
    reverberation: tuple[float, float] = (0.2, 0.8)
    """Seconds after which a made response is 60 decibels down, drawn evenly between these."""
    codec: float = 0.0
    """Share of utterances through a codec."""
    codecs: tuple[str, ...] = ("mu_law", "a_law")
    """The laws of G.711, each as likely: speech is taken to 8000 hertz and back."""
    gain: tuple[float, float] = (0.0, 0.0)
    """Decibels by which every utterance is made louder, drawn evenly between these."""

    def __post_init__(self) -> None:
        for key in ("noise", "room", "codec"):
            require(0.0 <= getattr(self, key) <= 1.0, key, f"is {getattr(self, key)}", "a share, 0 to 1")
        for key in ("noises", "rooms", "codecs"):
            require(bool(getattr(self, key)), key, "is empty", f"name one, or leave {key.removesuffix('s')} at 0")
            require("" not in getattr(self, key), key, "holds an empty name", "remove it")
        for law in self.codecs:
            require(law in CODECS, "codecs", f"{law!r} is unknown", f"known: {' '.join(CODECS)}")
        self._check_range("snr", -MOST_DECIBELS, MOST_DECIBELS, "decibels")
        self._check_range("gain", -MOST_DECIBELS, MOST_DECIBELS, "decibels")
        self._check_range("reverberation", 0.05, 5.0, "seconds")

    def _check_range(self, key: str, least: float, most: float, unit: str) -> None:
        low, high = getattr(self, key)
        problem = f"is {low:g} to {high:g} {unit}"
        require(low <= high, key, f"{problem}, upside down", f"[{high:g}, {low:g}]")
        require(least <= low and high <= most, key, problem, f"within {least:g} to {most:g}")

    @property
    def does_something(self) -> bool:
        """Whether any utterance is changed."""
        return bool(self.noise or self.room or self.codec) or self.gain != (0.0, 0.0)

    @property
    def longest_response(self) -> Seconds:
        """How long a made response can be."""
        return self.reverberation[1]
