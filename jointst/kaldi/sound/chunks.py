"""Containers of chunks: WAV and its kin, AIFF, Wave64, CAF."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from jointst.kaldi.sound.layout import SLACK, UNKNOWN_SIZE, Layout, cut_off

_SNDFILE_CODECS = {1, 2, 3, 6, 7, 0x11, 0x31, 0xFFFE}
"""Codings of WAV that libsndfile decodes as they are: PCM, ADPCM, floats, A-law, mu-law, GSM, and the extensible."""
_CHUNK = re.compile(rb"[A-Za-z0-9_ ]{4}")
_MOST_CHUNKS = 10_000
"""Of zero bytes a chunk would be found at every eighth."""
_TAGS = (b"TAG", b"ID3", b"APET")
_BIG = (b"RIFX", b"FORM")
_FILES = (b"RIFF", b"RF64", *_BIG)


def wav(file: BinaryIO, size: int, start: int) -> Layout:
    """RIFF, RIFX, RF64 and BW64: the chunk ``data`` must be there."""
    return _check(file, size, start, b"data")


def aiff(file: BinaryIO, size: int, start: int) -> Layout:
    """AIFF and AIFF-C: the chunk ``SSND``."""
    return _check(file, size, start, b"SSND")


def _check(file: BinaryIO, size: int, start: int, wanted: bytes) -> Layout:
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
        return _layout(codec)  # whatever it is, libsndfile may know
    if wide is not None and stated == 0xFFFFFFFF:
        stated = wide
    elif stated >= UNKNOWN_SIZE and at + stated > size:
        return _layout(codec)
    if at + stated > size + SLACK:
        raise cut_off(f"promises {stated} bytes of samples and holds {size - at}")
    end = _behind(file, size, at + stated, header)
    if end is None and wanted == b"data":  # the size is that of a recorder which was killed, or nothing
        return Layout(options=(("ignore_length", "1"),), open_end=True)
    return _layout(codec, end or 0)


def _layout(codec: int, end: int = 0) -> Layout:
    return Layout(decoder="libsndfile" if codec in _SNDFILE_CODECS else "libav", end=end)


def _at(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(13)


def _behind(file: BinaryIO, size: int, end: int, header: struct.Struct) -> int | None:
    """Where the chunks end that stand behind the samples; None if what stands there must be more samples."""
    at = end
    for _ in range(_MOST_CHUNKS):
        if size - at <= 1:
            return at
        rest = _at(file, at)
        padding = 0 if _CHUNK.fullmatch(rest[:4]) or rest.startswith(_TAGS) else 1
        begin = rest[padding : padding + 8]
        is_chunk = _CHUNK.fullmatch(begin[:4])
        if begin.startswith(_TAGS) or begin[:4] in _FILES or (is_chunk and len(begin) < 8):
            return at + padding
        if not is_chunk:
            break
        at += padding + 8 + header.unpack(begin)[1]
    if at > end:
        return at
    file.seek(end)
    return None if file.read(1 << 16).strip(b"\0") else end


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
        at = min(size, at + max(24, -(-stated // 8) * 8))
    if stated < 1 << 62 and at + stated > size + SLACK:
        raise cut_off(f"promises {stated - 24} bytes of samples and holds {size - at - 24}")
    return Layout(decoder="libsndfile", end=at + -(-stated // 8) * 8)


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
        at = min(size, at + 12 + max(0, stated))
    if stated < 0:
        return Layout(open_end=True)
    if at + 12 + stated > size:
        if at + 12 + stated > size + SLACK:
            raise cut_off(f"promises {stated} bytes of samples and holds {size - at - 12}")
        return Layout(open_end=True)
    return Layout(decoder="libsndfile", end=at + 12 + stated)
