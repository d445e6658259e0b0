"""What is in the samples that are used, the mean of the channels: how loud they are, and whether they are usable.

T samples, C channels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jointst.common.errors import DataError
from jointst.common.units import Hertz, seconds_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FULL_SCALE = 0.9995
"""Samples at least as large are counted as clipped: 16-bit audio ends at 0.99997."""
LARGEST = 4.0
"""Larger samples are not in full scales but in some other unit; decoders and mixes overshoot by less."""
CANCELLED = 0.03
"""Channels whose mean has no larger share of their own peak cancel each other."""
SILENT_PEAK = 1.5 / 32768
"""Audio without a larger sample is digital silence: no more than the last bit of 16."""
SCALE_FIX = "divide them by their full scale, or write them as integers"
CANCEL_FIX = "take one channel: sox IN OUT.wav remix 1"
UNITS = ((2.0**7, "8-bit"), (2.0**15, "16-bit"), (2.0**23, "24-bit"), (2.0**31, "32-bit"))


class Level:
    """Peaks of audio that comes in blocks.

    Args:
        samples: that came before.

    Attributes:
        samples: so far.
        channels: of the last block.
        peak: largest magnitude in the mean of the channels; not a finite number if any sample is not.
        channel_peak: largest magnitude in any channel.
        clipped: samples of all channels at full scale.
        values: samples of all channels.
    """

    def __init__(self, samples: int = 0) -> None:
        self.samples = samples
        self.channels = self.clipped = self.values = 0
        self.peak = self.channel_peak = 0.0

    def add(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take samples (T, C) and give the mean of their channels, (T,)."""
        mean: NDArray[np.float32] = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        self.channels = block.shape[1]
        self.samples += len(block)
        self.values += block.size
        if block.size:
            largest = _peak(block)
            self.channel_peak = _larger(self.channel_peak, largest)
            self.peak = _larger(self.peak, largest if self.channels == 1 else _peak(mean))
            if not largest < FULL_SCALE:
                import numpy as np

                self.clipped += int(np.count_nonzero(np.abs(block) >= FULL_SCALE))
        return mean

    def checked(self, block: NDArray[np.float32], rate: Hertz) -> NDArray[np.float32]:
        """As :meth:`add`, for those who use the samples at once.

        Raises:
            DataError: a sample is not finite, or not in full scales; other faults show in the whole.
        """
        mean = self.add(block)
        if not self.is_finite:
            raise _not_finite(mean, self.samples - len(mean), rate)
        if problem := scale_problem(self.channel_peak):
            raise DataError(problem, fix=SCALE_FIX)
        return mean

    def check_whole(self) -> None:
        """Refuse audio whose channels cancel each other, now that all of it is here."""
        if problem := cancel_problem(self.channels, self.peak, self.channel_peak):
            raise DataError(problem, fix=CANCEL_FIX)

    @property
    def is_finite(self) -> bool:
        """Whether every sample is a finite number."""
        return math.isfinite(self.peak)


def checked_samples(audio: Any, rate: Hertz, before: int = 0) -> NDArray[np.float32]:
    """Samples (T,) of a caller in Python, as float32.

    Args:
        audio: what must be an array (T,) of floats in [-1, 1].
        rate: of it.
        before: samples of the same stream that came before.

    Raises:
        DataError: something else than such an array, or samples that are not finite, or not in full scales.
    """
    import numpy as np

    wanted = "an array (T,) of float32 in [-1, 1], one channel"
    if not isinstance(audio, np.ndarray):
        kind = f"{type(audio).__module__}.{type(audio).__name__}".removeprefix("builtins.")
        raise DataError(f"samples are of type {kind}", fix=f"{wanted}: numpy.asarray(samples, numpy.float32)")
    if audio.ndim != 1 or not np.issubdtype(audio.dtype, np.floating):
        divide = f"; divide them by 2**{8 * audio.dtype.itemsize - 1}" if audio.dtype.kind == "i" else ""
        raise DataError(f"samples are {audio.dtype} {audio.shape}", fix=wanted + divide)
    samples = np.ascontiguousarray(audio, np.float32)
    return Level(before).checked(samples[:, None], rate)


def scale_problem(channel_peak: float) -> str:
    """What is wrong with samples up to this; empty if they can be in full scales, or are not finite."""
    if not LARGEST < channel_peak < math.inf:
        return ""
    unit = next((name for bound, name in UNITS if channel_peak <= bound), "")
    guess = f", as of {unit} integers that were written as floats" if unit else ""
    return f"has samples up to {channel_peak:.6g} where 1 is full scale{guess}"


def cancel_problem(channels: int, peak: float, channel_peak: float) -> str:
    """What is wrong with channels whose mean has this peak; empty if they do not cancel each other."""
    if channels < 2 or not peak <= CANCELLED * channel_peak or channel_peak <= SILENT_PEAK:
        return ""
    return (
        f"its {channels} channels cancel each other: their mean, which is what is used, has a peak of {peak:.2g}, "
        f"they themselves of {channel_peak:.2g}; one side is inverted"
    )


def _not_finite(samples: NDArray[np.float32], before: int, rate: Hertz) -> DataError:
    """The error of samples (T,) one of which is not finite, behind ``before`` others."""
    import numpy as np

    at = seconds_of(before + int(np.argmin(np.isfinite(samples))), rate)
    return DataError(f"the sample at {at:.3f} s is not a finite number", fix="make the file again")


def _peak(values: NDArray[np.float32]) -> float:
    highest, lowest = float(values.max()), -float(values.min())
    return _larger(highest, lowest)


def _larger(one: float, other: float) -> float:
    """The larger one; what is not a number stays so."""
    return other if other > one or math.isnan(other) else one
