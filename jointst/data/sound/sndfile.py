"""Decoding by libsndfile, through soundfile: WAV, FLAC, OGG, AIFF and the like, sample for sample."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from jointst.data.sound.layout import Layout, Range
from jointst.units import Hertz

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from soundfile import SoundFile

# T samples, C channels

BLOCK = 1 << 17
"""Samples read at a time, so that an hour of audio takes no more memory than a minute."""


def blocks(
    path: str, layout: Layout, start: int = 0, stop: int | None = None
) -> Iterator[tuple[Hertz, NDArray[np.float32]]]:
    """The rate and the samples (T, C) of a file, piece by piece.

    Args:
        path: the file.
        layout: what its container says.
        start, stop: first sample and the one after the last; only in a file that is not joined of several.

    Raises:
        soundfile.SoundFileError, RuntimeError: it cannot be read, or not to its end.
    """
    if not layout.parts:
        with _open(path) as sound:
            if start:
                sound.seek(start)
            yield from _read(sound, None if stop is None else stop - start)
        return
    import soundfile

    with open(path, "rb") as file:
        for part in layout.parts:
            with soundfile.SoundFile(_Window(file, part)) as sound:
                yield from _read(sound)


def length_of(path: str) -> tuple[int, Hertz] | None:
    """Samples and rate of a file that can seek; None for others, and for what cannot be opened."""
    import soundfile

    try:
        with _open(path) as sound:
            return (int(sound.frames), float(sound.samplerate)) if sound.seekable() and sound.frames else None
    except (soundfile.SoundFileError, RuntimeError, OSError):
        return None


def _open(path: str) -> SoundFile:
    """The file, opened; soundfile cannot encode a name whose bytes are no UTF-8."""
    import soundfile

    try:
        path.encode()
    except UnicodeEncodeError:
        return soundfile.SoundFile(os.fsencode(path))
    return soundfile.SoundFile(path)


def _read(sound: SoundFile, wanted: int | None = None) -> Iterator[tuple[Hertz, NDArray[np.float32]]]:
    rate = float(sound.samplerate)
    while len(block := sound.read(BLOCK if wanted is None else min(BLOCK, wanted), dtype="float32", always_2d=True)):
        yield rate, block
        wanted = None if wanted is None else wanted - len(block)


class _Window(io.RawIOBase):
    """Some bytes of an open file as a file of their own."""

    def __init__(self, file: io.BufferedReader, part: Range) -> None:
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
        count = self._file.readinto(view)
        self._at += count
        return count
