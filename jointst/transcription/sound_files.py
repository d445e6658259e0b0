"""Sound files in blocks, whole or not at all: an hour needs no more memory than a minute.

T samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jointst.data.audio import Samples
from jointst.data.online import OnlineResampler
from jointst.errors import DataError
from jointst.units import Hertz, Seconds, samples_in, seconds_of

if TYPE_CHECKING:
    from soundfile import SoundFile

BLOCK: Seconds = 10.0
"""Audio read at a time."""
UNKNOWN_SIZE = 0x7FFFF000
"""Programs that write to a pipe cannot know the size and claim this much or more."""
_SIZES = re.compile(r": (\d+) \(should be (\d+)\)")
_OGG_TAIL = 1 << 17
_OGG_LAST_PAGE = 4  # a bit of the sixth byte of a page


def read_blocks(path: Path, sampling_rate: Hertz) -> Iterator[Samples]:
    """The samples of a sound file of any format and rate that soundfile reads.

    Args:
        path: the file.
        sampling_rate: rate of the result; channels are averaged.

    Yields:
        Samples (T,), float32, mostly in [-1, 1]; none from a file that is whole and holds none.

    Raises:
        DataError: the file is missing, empty, damaged, cut off, or holds samples that are not finite; names it.
    """
    import soundfile

    if not path.is_file():
        raise DataError("there is no such file", path=path)
    if not path.stat().st_size:
        raise DataError("is an empty file", path=path, fix="make it again")
    try:
        with soundfile.SoundFile(path) as sound:
            _check_whole(path, sound)
            resampler = OnlineResampler(sound.samplerate, sampling_rate)
            for block in _finite_blocks(path, sound):
                yield resampler.accept(block)
            yield resampler.finish()
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise DataError(f"cannot be read as audio: {error}", path=path, fix="convert it to WAV or FLAC") from None


def _finite_blocks(path: Path, sound: SoundFile) -> Iterator[Samples]:
    done = 0
    for block in sound.blocks(samples_in(BLOCK, sound.samplerate), dtype="float32"):
        finite = np.isfinite(block)
        if not finite.all():
            first = int(np.argwhere(~finite)[0][0])
            at = seconds_of(done + first, sound.samplerate)
            raise DataError(f"the sample at {at:.3f} s is not a finite number", path=path, fix="make it again")
        done += len(block)
        yield block.mean(axis=1) if block.ndim == 2 else block  # (T, channels) -> (T,)
    if done < sound.frames:
        _refuse(path, f"promises {sound.frames} samples and holds {done}")


def _check_whole(path: Path, sound: SoundFile) -> None:
    """libsndfile reads what is left of a file that is cut off, and only its log tells."""
    for declared, actual in _SIZES.findall(sound.extra_info):
        if int(actual) < int(declared) < UNKNOWN_SIZE:
            _refuse(path, f"promises {declared} bytes and holds {actual}")
    if sound.format == "OGG":
        with open(path, "rb") as stream:
            stream.seek(max(0, path.stat().st_size - _OGG_TAIL))
            tail = stream.read()
        page = tail.rfind(b"OggS")
        if page < 0 or page + 5 >= len(tail) or not tail[page + 5] & _OGG_LAST_PAGE:
            _refuse(path, "has no last page")


def _refuse(path: Path, problem: str) -> None:
    raise DataError(f"is cut off: it {problem}", path=path, fix="copy it again, or convert what is left to a new file")
