"""Copies of a training set at other speeds: their samples and their names."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from jointst.kaldi.audio import Samples, resample


def change_speed(samples: Samples, speed: float) -> Samples:
    """Samples (T,) played ``speed`` times as fast (pitch and tempo), (ceil(T / speed),), as sox ``speed`` does."""
    if speed == 1.0:
        return samples
    ratio = speed_ratio(speed)
    return resample(samples, ratio.numerator, ratio.denominator)


def speed_ratio(speed: float) -> Fraction:
    """The speed as it is played."""
    return Fraction(speed).limit_denominator(100)


def with_speed(name: str, speed: float) -> str:
    """Name of a speaker or utterance at this speed: ``sp0.9-name``, or the name itself at 1."""
    return name if speed == 1.0 else f"sp{speed:g}-{name}"


def speed_directory(path: Path, speed: float) -> Path:
    """Data directory of the copy of a training set at this speed: ``<set>_sp0.9``."""
    return path if speed == 1.0 else path.with_name(f"{path.name}_sp{speed:g}")
