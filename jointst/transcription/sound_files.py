"""Sound files in blocks, whole or not at all: an hour needs no more memory than a minute.

T samples.
"""

from __future__ import annotations

import os
import re
import struct
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
_OGG_HEADER = 27
_OGG_LAST_PAGE = 4  # a bit of the sixth byte of a page
_MP3_FRAME = 2048


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
        with soundfile.SoundFile(_openable(path)) as sound:
            _check_whole(path, sound)
            resampler = OnlineResampler(sound.samplerate, sampling_rate)
            for block in _finite_blocks(path, sound):
                yield resampler.accept(block)
            yield resampler.finish()
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise DataError(f"cannot be read as audio: {error}", path=path, fix="convert it to WAV or FLAC") from None


def _openable(path: Path) -> str | bytes:
    """What soundfile opens: it cannot encode a name whose bytes are no UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return str(path)


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
    if sound.format in ("WAV", "WAVEX") and not sound.frames and "RIFF : 0\n" in sound.extra_info:
        _refuse(path, "states no size, as after a recorder that was killed")
    for declared, actual in _SIZES.findall(sound.extra_info):
        if int(actual) < int(declared) < UNKNOWN_SIZE:
            _refuse(path, f"promises {declared} bytes and holds {actual}")
    if sound.format == "OGG" and not _ogg_is_whole(path):
        _refuse(path, "has no whole last page")
    if sound.format == "MP3":
        declared, actual = _mp3_sizes(path)
        if actual < declared:
            _refuse(path, f"promises {declared} bytes and holds {actual}")


def _ogg_is_whole(path: Path) -> bool:
    """Whether the last page (RFC 3533, section 6) says that it is the last, and is all there."""
    with open(path, "rb") as stream:
        stream.seek(max(0, path.stat().st_size - _OGG_TAIL))
        tail = stream.read()
    page = tail[tail.rfind(b"OggS") :] if b"OggS" in tail else b""
    if len(page) < _OGG_HEADER or not page[5] & _OGG_LAST_PAGE:
        return False
    sizes = page[_OGG_HEADER : _OGG_HEADER + page[_OGG_HEADER - 1]]
    return len(sizes) == page[_OGG_HEADER - 1] and len(page) >= _OGG_HEADER + len(sizes) + sum(sizes)


def _mp3_sizes(path: Path) -> tuple[int, int]:
    """Bytes of the stream as its Xing header has them, 0 where there is none, and as they are."""
    with open(path, "rb") as stream:
        head = stream.read(10)
        tag = 0
        if head[:3] == b"ID3" and len(head) == 10:  # its size: four bytes of 7 bits
            tag = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        stream.seek(tag)
        frame = stream.read(_MP3_FRAME)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or len(frame) < at + 16:
        return 0, 0
    flags, *fields = struct.unpack(">III", frame[at + 4 : at + 16])  # then frames (bit 0), then bytes (bit 1)
    declared = fields[flags & 1] if flags & 2 else 0
    return declared, path.stat().st_size - tag


def _refuse(path: Path, problem: str) -> None:
    raise DataError(f"is cut off: it {problem}", path=path, fix="copy it again, or convert what is left to a new file")
