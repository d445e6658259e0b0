"""Containers of chunks: WAV and its kin, AIFF, Wave64, CAF."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from jointst.data.sound.layout import SLACK, UNKNOWN_SIZE, Layout, Range, cut_off

_SNDFILE_CODECS = {1, 2, 3, 6, 7, 0x11, 0x31, 0xFFFE}
"""Codings of WAV that libsndfile decodes as they are: PCM, ADPCM, floats, A-law, mu-law, GSM, and the extensible."""
_CHUNK = re.compile(rb"[A-Za-z0-9_ ]{4}")
_MOST_CHUNKS = 10_000
"""Of zero bytes a chunk would be found at every eighth."""
_TAGS = (b"TAG", b"ID3", b"APET")
_BIG = (b"RIFX", b"FORM")


def wav(file: BinaryIO, size: int, start: int) -> Layout:
    """RIFF, RIFX, RF64 and BW64: the chunk ``data`` must be there; joined files follow each other."""
    parts: list[Range] = []
    while True:
        layout, end = _one(file, size, start, b"data")
        if end is None or layout.decoder == "libav":
            break
        parts.append((start, end))
        start = end
    return Layout(decoder="libsndfile", parts=(*parts, (start, size))) if parts else layout


def aiff(file: BinaryIO, size: int, start: int) -> Layout:
    """AIFF and AIFF-C: the chunk ``SSND``."""
    return _one(file, size, start, b"SSND")[0]


def _one(file: BinaryIO, size: int, start: int, wanted: bytes) -> tuple[Layout, int | None]:
    """How one of perhaps several joined files is read, and where the next one starts."""
    file.seek(start)
    form = file.read(12)[:4]
    header = struct.Struct(">4sI" if form in _BIG else "<4sI")
    at, codec, wide = start + 12, 1, None
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        raw = file.read(8)
        if len(raw) < 8:
            raise cut_off("ends before its samples")
        name, stated = header.unpack(raw)
        at += 8
        if name == wanted:
            break
        if name == b"fmt ":
            codec = struct.unpack(">H" if form in _BIG else "<H", file.read(2).ljust(2, b"\0"))[0]
        elif name == b"ds64":  # 64-bit sizes: of the file, of the samples
            wide = int.from_bytes(file.read(16)[8:], "little")
        at += stated
        if stated % 2 and not _CHUNK.fullmatch(_at(file, at)[:4]):  # most programs pad to even sizes
            at += 1
    else:
        return _layout(codec), None  # whatever it is, libsndfile may know
    if wide is not None and stated == 0xFFFFFFFF:
        stated = wide
    elif stated >= UNKNOWN_SIZE and at + stated > size:
        return _layout(codec), None
    if at + stated > size + SLACK:
        raise cut_off(f"promises {stated} bytes of samples and holds {size - at}")
    follows = _follows(file, size, at + stated)
    if follows == "samples" and wanted == b"data":  # the size is that of a recorder which was killed, or nothing
        return Layout(options=(("ignore_length", "1"),), open_end=True), None
    if follows != "file":
        return _layout(codec), None
    return _layout(codec), at + stated + (0 if _at(file, at + stated)[:4] in (b"RIFF", b"RIFX", b"RF64") else 1)


def _layout(codec: int) -> Layout:
    return Layout(decoder="libsndfile" if codec in _SNDFILE_CODECS else "libav")


def _at(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(13)


def _follows(file: BinaryIO, size: int, end: int) -> str:
    """What comes behind the samples: ``nothing`` but chunks and tags, another ``file``, or more ``samples``."""
    if size - end <= 1:
        return "nothing"
    rest = _at(file, end)
    for begin in (rest, rest[1:]):  # padded to even sizes, or not
        if begin[:4] in (b"RIFF", b"RIFX", b"RF64") and begin[8:12] == b"WAVE":
            return "file"
        if _CHUNK.fullmatch(begin[:4]) or begin.startswith(_TAGS):
            return "nothing"
    file.seek(end)
    return "samples" if file.read(1 << 16).strip(b"\0") else "nothing"


def w64(file: BinaryIO, size: int, start: int) -> Layout:
    """Sony's Wave64: names of 16 bytes, sizes of 8 that count both, padded to 8."""
    at = start + 40
    while True:
        file.seek(at)
        raw = file.read(24)
        if len(raw) < 24:
            raise cut_off("ends before its samples")
        stated = int.from_bytes(raw[16:], "little")
        if raw[:4] == b"data":
            break
        at += max(24, -(-stated // 8) * 8)
    if stated < 1 << 62 and at + stated > size + SLACK:
        raise cut_off(f"promises {stated - 24} bytes of samples and holds {size - at - 24}")
    return Layout(decoder="libsndfile")


def caf(file: BinaryIO, size: int, start: int) -> Layout:
    """Apple's CAF: sizes of 8 bytes; samples of unknown size, -1, go on to the end, which libsndfile does not take."""
    at = start + 8
    while True:
        file.seek(at)
        raw = file.read(12)
        if len(raw) < 12:
            raise cut_off("ends before its samples")
        stated = int.from_bytes(raw[4:], "big", signed=True)
        if raw[:4] == b"data":
            break
        at += 12 + max(0, stated)
    if stated < 0:
        return Layout(open_end=True)
    if at + 12 + stated > size:
        if at + 12 + stated > size + SLACK:
            raise cut_off(f"promises {stated} bytes of samples and holds {size - at - 12}")
        return Layout(open_end=True)
    return Layout(decoder="libsndfile")
