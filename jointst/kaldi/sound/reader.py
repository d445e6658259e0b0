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

from jointst.common.errors import DataError
from jointst.common.units import Hertz, Seconds, seconds_of
from jointst.kaldi.sound import flac, libav, sndfile
from jointst.kaldi.sound.containers import SPH2PIPE, layout_of
from jointst.kaldi.sound.kinds import kind_of
from jointst.kaldi.sound.layout import Layout, cut_off

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOLERANCE: Seconds = 0.1
"""Audio may be so much shorter than its header states: decoders differ in the padding that they leave off."""
LOWEST_RATE: Hertz = 1000
HIGHEST_RATE: Hertz = 768_000
"""Of audio that comes in."""
_ADDRESS = re.compile(r"[a-z0-9]{2,}:/")
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
                _check_end(self.layout, samples, rate)
        except sndfile.Broken as error:
            problem = f"is cut off or damaged {seconds_of(samples, rate or 1.0):.2f} s from its start: {error}"
            raise DataError(problem, path=self.path, fix="copy it again") from None
        except DataError as error:
            raise DataError(error.problem, path=self.path, fix=error.fix) from None

    def _decoded(self, start: int, stop: int | None) -> Iterator[tuple[Hertz, NDArray[np.float32]]]:
        if self.layout.decoder == "libav":
            yield from libav.blocks(self.path, self.layout)
            return
        try:
            came_to = yield from sndfile.blocks(self.path, self.layout, start, stop)
        except sndfile.Undecoded as error:
            self._check_undecoded(str(error))
            yield from libav.blocks(self.path, self.layout)
            return
        if self.kind == "FLAC" and stop is None and (more := flac.joined(self.path, came_to)):
            yield from self._after_first(more)

    def _after_first(self, layout: Layout) -> Iterator[tuple[Hertz, NDArray[np.float32]]]:
        """The samples of joined files behind the first one, which were not decoded yet."""
        done, rate = 0, 0.0
        for rate, block in libav.blocks(self.path, layout):
            first = max(0, round(self.layout.least * rate) - done)
            done += len(block)
            if first < len(block):
                yield rate, block[first:]
        _check_end(layout, done, rate)

    def _check_undecoded(self, said: str) -> None:
        """Say so where no decoder can help."""
        if self.kind == "SPHERE":
            raise DataError(f"is SPHERE that cannot be decoded: {said}", fix=f"unpack it: {SPH2PIPE}")
        if self.kind == "FLAC" and self.layout.least:
            raise cut_off(f"promises {self.layout.least:.2f} s and its samples cannot be read")

    def measured(self) -> Measured:
        """Its length, by reading to the end once, or to what must be the end of a file that can seek.

        Raises:
            DataError: as :meth:`blocks`.
        """
        return _measured(self)


def _check_end(layout: Layout, samples: int, rate: Hertz) -> None:
    found = seconds_of(samples, rate) if rate else 0.0
    if found < layout.least - TOLERANCE:
        problem = f"is cut off or damaged: {found:.2f} s of the {layout.least:.2f} s that it promises can be read"
        raise DataError(problem, fix="copy it again, or convert what is left to a new file")


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
    alone = not sound.layout.parts and not (sound.kind == "FLAC" and flac.whole(sound.path))
    if sound.layout.decoder == "libsndfile" and alone:
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
    except PermissionError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path, fix="give access to its folder") from None
    except (OSError, ValueError):
        raise _missing(path) from None
    if stat.S_ISDIR(found.st_mode):
        fix = f"name the files in it: {os.path.join(path, '*.wav')}"
        raise MissingSound("is a folder, not a sound file", path=path, fix=fix)
    if not stat.S_ISREG(found.st_mode):
        raise MissingSound("is a pipe or a device, not a file", path=path, fix="write the audio to a file")
    try:
        return _look(path, (found.st_size, found.st_mtime_ns))
    except DataError as error:
        raise DataError(error.problem, path=path, fix=error.fix) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path, fix="give access to it") from None


@lru_cache(maxsize=32)  # of the recordings whose segments are read now
def _look(path: str, stamp: tuple[int, int]) -> Sound:
    with open(path, "rb") as file:
        kind, start = kind_of(file, stamp[0])
        return Sound(path=path, kind=kind, layout=layout_of(kind, file, stamp[0], start), stamp=stamp)


def _missing(path: str) -> MissingSound:
    problem, fix = "there is no such file", "correct its name, or restore it"
    if _ADDRESS.match(path):
        problem, fix = "is an address, not a file", "download it before"
    elif path.startswith("~"):
        problem, fix = f"{problem}: only a shell knows what ~ is", f"write {os.path.expanduser(path)}"
    elif _DRIVE.match(path):
        problem, fix = f"{problem}: its name is written as on Windows", "write its path on this machine, with /"
    elif "\\" in path:
        here = path.replace("\\", "/")
        problem = f"{problem}: its name is written as on Windows"
        fix = f"write {here}{', which is there' if os.path.isfile(here) else ''}"
    return MissingSound(problem, path=path, fix=fix)
