"""A check for each kind of file: whether it is whole, as its headers and its size tell, and who decodes it.

What no header tells cannot be known before: MP3 without a Xing frame, raw AAC, AC-3, AMR and G.722, FLV, MPEG transport
streams, and Matroska of unstated size. Where such a file is cut off between two of its frames, it is read as it is;
within a frame, libav.py finds it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

from jointst.common.errors import DataError
from jointst.kaldi.sound import boxes, chunks, flac, mpeg, ogg
from jointst.kaldi.sound.kinds import SOUNDS
from jointst.kaldi.sound.layout import SLACK, UNKNOWN_SIZE, Layout, Range, cut_off, protected

SPH2PIPE = "sph2pipe -f wav IN OUT.wav, which LDC offers"
_ASF_SIZE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_PROTECTED = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")


def _au(file: BinaryIO, size: int, start: int) -> Layout:
    """Sun: where the samples begin, and their bytes, all ones if unknown."""
    head = file.read(12)
    if len(head) < 12:
        raise cut_off("ends within its header")
    offset, stated = struct.unpack(">II" if head[:4] == b".snd" else "<II", head[4:])
    offset += start
    if stated < UNKNOWN_SIZE and offset + stated > size + SLACK:
        raise cut_off(f"promises {stated} bytes of samples and holds {max(0, size - offset)}")
    return Layout(decoder="libsndfile", end=offset + stated)


def _sphere(file: BinaryIO, size: int, start: int) -> Layout:
    """NIST: a header in words, of a size that stands on its second line."""
    try:
        length = int(file.read(16)[8:])
        lines = file.read(length - 16).split(b"end_head")[0].decode("ascii").splitlines()
        fields = {line.split(" ", 2)[0]: line.split(" ", 2)[2] for line in lines if line.count(" ") >= 2}
        count, width, channels = (int(fields.get(key, "1")) for key in (
            "sample_count", "sample_n_bytes", "channel_count"))  # fmt: skip
    except ValueError:
        raise DataError("has a SPHERE header that cannot be read", fix="copy it again") from None
    coding = fields.get("sample_coding", "pcm")
    if "embedded-" in coding:
        raise DataError(f"is SPHERE in the coding {coding}, which needs unpacking", fix=SPH2PIPE)
    stated, header = count * width * channels, start + length
    if "sample_count" in fields and header + stated > size + SLACK:
        raise cut_off(f"promises {stated} bytes of samples and holds {max(0, size - header)}")
    return Layout(decoder="libsndfile", end=header + stated if "sample_count" in fields else 0)


def _asf(file: BinaryIO, size: int, start: int) -> Layout:
    """WMA: the file's size stands in its header."""
    head = file.read(1 << 16)
    if _ASF_PROTECTED in head:
        raise protected()
    at = head.find(_ASF_SIZE)
    if at >= 0 and len(head) >= at + 48:
        stated = int.from_bytes(head[at + 40 : at + 48], "little")
        if stated > size + SLACK:
            raise cut_off(f"promises {stated} bytes and holds {size}")
    return Layout()


Check = Callable[[BinaryIO, int, int], Layout]
"""Takes a file at its start, its bytes, and where the start is; raises DataError for what cannot be read whole."""
CHECKS: dict[str, Check] = {
    "WAV": chunks.wav,
    "AIFF": chunks.aiff,
    "W64": chunks.w64,
    "CAF": chunks.caf,
    "AU": _au,
    "SPHERE": _sphere,
    "FLAC": flac.check,
    "OGG": ogg.check,
    "MP3": mpeg.check,
    "MP4": boxes.mp4,
    "Matroska": boxes.matroska,
    "ASF": _asf,
}
"""By the kinds of kinds.SOUNDS."""


def layout_of(kind: str, file: BinaryIO, size: int, start: int) -> Layout:
    """How a file of this kind is read, or several of them that were joined; what has no check is left to libav."""
    check = CHECKS.get(kind)
    if check is None:
        return Layout()
    file.seek(start)
    layout = check(file, size, start)
    parts: list[Range] = []
    while layout.decoder == "libsndfile" and layout.end and (begun := _next(kind, file, layout.end)):
        parts.append((start, begun))
        start = begun
        file.seek(start)
        layout = check(file, size, start)
    return replace(layout, decoder="libsndfile", parts=(*parts, (start, size))) if parts else layout


def _next(kind: str, file: BinaryIO, end: int) -> int:
    """Where a file of this kind begins, at or right behind a byte; 0 if none does."""
    if end >= os.fstat(file.fileno()).st_size:
        return 0
    file.seek(end)
    rest = file.read(32)
    for padding in range(8 if rest else 0):
        if any(rest.startswith(begin, padding + at) for name, at, begin in SOUNDS if name == kind):
            return end + padding
    return 0
