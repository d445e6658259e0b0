"""Units of time and rate, and the one conversion between each pair of them."""

from __future__ import annotations

import math
from typing import TypeAlias

Minutes: TypeAlias = float
Seconds: TypeAlias = float
Hertz: TypeAlias = float
Milliseconds: TypeAlias = float
Decibels: TypeAlias = float


def samples_in(duration: Seconds, sampling_rate: Hertz) -> int:
    """Number of samples in ``duration`` seconds, rounded to the nearest."""
    return round(duration * sampling_rate)


def seconds_of(samples: int, sampling_rate: Hertz) -> Seconds:
    """Duration of ``samples`` samples."""
    return samples / sampling_rate


def frames_in(samples: int, window: int, hop: int) -> int:
    """Number of feature frames over ``samples`` samples: windows that fit whole, as Kaldi's ``snip-edges``."""
    return 0 if samples < window else 1 + (samples - window) // hop


def positions_in(frames: int, subsampling: int) -> int:
    """Number of encoder positions over ``frames`` feature frames: the ceiling of their ratio."""
    return -(-frames // subsampling)


def frames_to_seconds(frames: int, hop: Milliseconds) -> Seconds:
    """Duration of ``frames`` feature frames of ``hop`` milliseconds."""
    return frames * hop / 1000.0


def frames_within(duration: Seconds, hop: Milliseconds) -> int:
    """Number of whole shifts of ``hop`` milliseconds in ``duration`` seconds: the frames that do not exceed it."""
    return math.floor(duration * 1000.0 / hop + 1e-6)  # 0.29 s are 29 frames of 10 ms, whatever the product rounds to
