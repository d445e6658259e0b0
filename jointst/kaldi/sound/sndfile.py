"""Decoding by libsndfile, through soundfile: WAV, FLAC, OGG, AIFF and the like, sample for sample."""

from __future__ import annotations

import io
import os
from collections.abc import Generator
from typing import TYPE_CHECKING, TypeAlias

from jointst.common.units import Hertz
from jointst.kaldi.sound.layout import Layout, Range, samples_of_block

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from soundfile import SoundFile

# T samples, C channels

Reading: TypeAlias = "Generator[tuple[Hertz, NDArray[np.float32]], None, int]"
"""The rate and samples (T, C), piece by piece; in the end the byte that the decoder came to."""


class Undecoded(Exception):
    """Libsndfile cannot read the file at all."""


class Broken(Exception):
    """Libsndfile cannot read the file any further."""


def blocks(path: str, layout: Layout, start: int = 0, stop: int | None = None) -> Reading:
    """The rate and the samples (T, C) of a file, piece by piece.

    Args:
        path: the file.
        layout: what its container says.
        start, stop: first sample and the one after the last; only in a file that is not joined of several.

    Raises:
        Undecoded, Broken: it cannot be read, or not to its end.
    """
    import soundfile

    begun = bool(start)
    came_to = 0
    try:
        with open(path, "rb", buffering=0) as file:
            for part in layout.parts or (None,):
                with soundfile.SoundFile(
                    file.fileno() if part is None else _Window(file, part), closefd=False
                ) as sound:
                    if start:
                        sound.seek(start)
                    for rate, block in _read(sound, None if stop is None else stop - start):
                        begun = True
                        yield rate, block
                    came_to = file.tell()
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        # what soundfile says of a file that it was given open begins with its number or its address
        raise (Broken if begun else Undecoded)(str(error).rpartition(": ")[2]) from None
    return came_to


def length_of(path: str) -> tuple[int, Hertz] | None:
    """Samples and rate of a file that can seek; None for others, and for what cannot be opened."""
    import soundfile

    try:
        with open(path, "rb") as file, soundfile.SoundFile(file.fileno(), closefd=False) as sound:
            return (int(sound.frames), float(sound.samplerate)) if sound.seekable() and sound.frames else None
    except (soundfile.SoundFileError, RuntimeError, OSError):
        return None


def _read(sound: SoundFile, wanted: int | None) -> Generator[tuple[Hertz, NDArray[np.float32]], None, None]:
    rate = float(sound.samplerate)
    most = samples_of_block(rate, sound.channels)
    while wanted is None or wanted > 0:
        size = most if wanted is None else min(most, wanted)
        block = sound.read(size, dtype="float32", always_2d=True)
        if len(block):
            yield rate, block
        if len(block) < size:  # there is no more
            return
        wanted = None if wanted is None else wanted - size


class _Window(io.RawIOBase):
    """Some bytes of an open file as a file of their own."""

    def __init__(self, file: io.FileIO, part: Range) -> None:
        self._file, (self._start, self._stop) = file, part
        self._at = self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: self._start, os.SEEK_CUR: self._at, os.SEEK_END: self._stop}[whence]
        self._at = max(self._start, base + offset)
        return self.tell()

    def tell(self) -> int:
        return self._at - self._start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)[: max(0, self._stop - self._at)]
        self._file.seek(self._at)
        count = self._file.readinto(view) or 0
        self._at += count
        return count
