"""Opens a sound file: knows what it is, whether it is whole, and gives its samples in blocks until there are no more.

T samples, C channels.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from jointst.data.sound import libav, sndfile
from jointst.data.sound.containers import SPH2PIPE, layout_of
from jointst.data.sound.kinds import kind_of
from jointst.data.sound.layout import Layout, cut_off
from jointst.errors import DataError
from jointst.units import Hertz, Seconds, seconds_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOLERANCE: Seconds = 0.1
"""Audio may be so much shorter than its header states: decoders differ in the padding that they leave off."""
LOWEST_RATE: Hertz = 1000
HIGHEST_RATE: Hertz = 768_000
"""Of audio that comes in."""
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


class MissingSound(DataError):
    """There is no file of this name."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A sound file that was looked at and seems whole.

    Attributes:
        path: the file.
        kind: of its container, empty if it has no check of its own.
        layout: how it is read.
        stamp: size and time of change.
    """

    path: str
    kind: str
    layout: Layout
    stamp: tuple[int, int]

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[Hertz, NDArray[np.float32]]]:
        """The rate and the samples (T, C), piece by piece, until a read gives nothing; the same rate each time.

        Args:
            start, stop: first sample and the one after the last; given only where it can seek, see :class:`Measured`.

        Raises:
            DataError: the file is damaged or cut off, or cannot be decoded; names it.
        """
        samples, rate = start, 0.0
        try:
            for now, block in self._decoded(start, stop):
                if rate and now != rate:
                    problem = f"changes its rate from {rate:g} to {now:g} Hz at {seconds_of(samples, rate):.2f} s"
                    raise DataError(problem, fix="bring its parts to one rate before they are joined")
                if not LOWEST_RATE <= now <= HIGHEST_RATE:
                    raise DataError(f"states a rate of {now:g} Hz, at which nobody records", fix="make it again")
                rate = now
                samples += len(block)
                yield rate, block
            if stop is None:
                self._check_end(samples, rate)
        except DataError as error:
            raise DataError(error.problem, path=self.path, fix=error.fix) from None

    def _decoded(self, start: int, stop: int | None) -> Iterator[tuple[Hertz, NDArray[np.float32]]]:
        if self.layout.decoder == "libav":
            yield from libav.blocks(self.path, self.layout)
            return
        import soundfile

        samples, rate = start, 0.0
        try:
            for rate, block in sndfile.blocks(self.path, self.layout, start, stop):
                samples += len(block)
                yield rate, block
        except (soundfile.SoundFileError, RuntimeError, OSError) as error:
            if rate or start:
                self._check_end(samples, rate or 1.0)
                raise DataError(f"is cut off or damaged: {error}", fix="copy it again") from None
            self._check_undecoded(str(error))
            yield from libav.blocks(self.path, self.layout)

    def _check_undecoded(self, said: str) -> None:
        """Say so where no decoder can help."""
        if self.kind == "SPHERE":
            problem = f"is SPHERE that cannot be decoded: {said.partition(': ')[2] or said}"
            raise DataError(problem, fix=f"unpack it: {SPH2PIPE}")
        if self.kind == "FLAC" and self.layout.least:
            raise cut_off(f"promises {self.layout.least:.2f} s and its samples cannot be read")

    def _check_end(self, samples: int, rate: Hertz) -> None:
        found = seconds_of(samples, rate) if rate else 0.0
        if found < self.layout.least - TOLERANCE:
            problem = (
                f"is cut off or damaged: {found:.2f} s of the {self.layout.least:.2f} s that it promises can be read"
            )
            raise DataError(problem, fix="copy it again, or convert what is left to a new file")

    def measured(self) -> Measured:
        """Its length, by reading to the end once, or to what must be the end of a file that can seek.

        Raises:
            DataError: as :meth:`blocks`.
        """
        return _measured(self)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is known of a sound file once it was read, or once its end was.

    Attributes:
        samples: of each channel.
        rate: samples a second.
        can_seek: whether reading may begin at any sample, exactly; what libav decodes and joined files hold is read
            from the start.
    """

    samples: int
    rate: Hertz
    can_seek: bool = False


@lru_cache(maxsize=32)
def _measured(sound: Sound) -> Measured:
    if sound.layout.decoder == "libsndfile" and not sound.layout.parts:
        found = sndfile.length_of(sound.path)
        if found and (not sound.layout.least or sum(len(block) for _, block in sound.blocks(found[0] - 1)) == 1):
            return Measured(samples=found[0], rate=found[1], can_seek=True)
    samples, rate = 0, 1.0
    for now, block in sound.blocks():
        samples, rate = samples + len(block), now
    return Measured(samples=samples, rate=rate)


def open_sound(path: str) -> Sound:
    """Look at a sound file.

    Args:
        path: the file.

    Raises:
        MissingSound: there is no such file.
        DataError: it is empty, no sound, cut off, or of a coding that needs another program; names it.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        raise _missing(path) from None
    if stat.S_ISDIR(found.st_mode):
        fix = f"name the files in it: {os.path.join(path, '*.wav')}"
        raise MissingSound("is a folder, not a sound file", path=path, fix=fix)
    if not stat.S_ISREG(found.st_mode):
        raise MissingSound("is a pipe or a device, not a file", path=path, fix="write the audio to a file")
    try:
        with open(path, "rb") as file:
            kind, start = kind_of(file, found.st_size)
            layout = layout_of(kind, file, found.st_size, start)
    except DataError as error:
        raise DataError(error.problem, path=path, fix=error.fix) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path, fix="give access to it") from None
    return Sound(path=path, kind=kind, layout=layout, stamp=(found.st_size, found.st_mtime_ns))


def _missing(path: str) -> MissingSound:
    problem, fix = "there is no such file", "correct its name, or restore it"
    if "\\" in path or _DRIVE.match(path):
        problem += ": its name is written as on Windows"
        here = _DRIVE.sub("", path).replace("\\", "/") if _DRIVE.match(path) else path.replace("\\", "/")
        known = ", which is there" if os.path.isfile(here) else ""
        fix = f"write {here}{known}" if not _DRIVE.match(path) or known else "write its path on this machine, with /"
    return MissingSound(problem, path=path, fix=fix)
