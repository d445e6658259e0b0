"""Sound files in blocks, whole or not at all: an hour needs no more memory than a minute.

T samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jointst.common.errors import DataError
from jointst.common.units import Hertz
from jointst.kaldi.audio import Samples
from jointst.kaldi.online import OnlineResampler
from jointst.kaldi.sound import Level, open_sound


def read_blocks(path: Path, sampling_rate: Hertz) -> Iterator[Samples]:
    """The samples of a sound file of any container and rate.

    Args:
        path: the file.
        sampling_rate: rate of the result; channels are averaged.

    Yields:
        Samples (T,), float32, mostly in [-1, 1]; none from a file that is whole and holds none.

    Raises:
        DataError: the file is missing, empty, damaged, cut off, or holds samples that are not finite, not in full
            scales, or of channels that cancel each other; names it.
    """
    level = Level()
    resampler: OnlineResampler | None = None
    try:
        for rate, block in open_sound(str(path)).blocks():
            resampler = resampler or OnlineResampler(rate, sampling_rate)
            yield resampler.accept(level.checked(block, rate))
        level.check_whole()
    except DataError as error:
        raise DataError(error.problem, path=path, fix=error.fix) from None
    if resampler is not None:
        yield resampler.finish()
