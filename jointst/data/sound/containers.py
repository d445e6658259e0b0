"""A check for each kind of file: whether it is whole, as its headers and its size tell, and who decodes it.

What no header tells cannot be known before: MP3 without a Xing frame, raw AAC, AC-3, AMR and G.722, FLV, MPEG transport
streams, and Matroska of unstated size. Where such a file is cut off between two of its frames, it is read as it is;
within a frame, libav.py finds it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO

from jointst.data.sound import boxes, chunks, mpeg, ogg
from jointst.data.sound.layout import SLACK, UNKNOWN_SIZE, Layout, cut_off, protected
from jointst.errors import DataError

SPH2PIPE = "sph2pipe -f wav IN OUT.wav, which LDC offers"
_ASF_SIZE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_PROTECTED = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
_STREAMINFO = b"fLaC\x00\x00\x00\x22"


def _au(file: BinaryIO, size: int, start: int) -> Layout:
    """Sun: where the samples begin, and their bytes, all ones if unknown."""
    head = file.read(12)
    if len(head) < 12:
        raise cut_off("ends within its header")
    offset, stated = struct.unpack(">II" if head[:4] == b".snd" else "<II", head[4:])
    if stated < UNKNOWN_SIZE and offset + stated > size + SLACK:
        raise cut_off(f"promises {stated} bytes of samples and holds {max(0, size - offset)}")
    return Layout(decoder="libsndfile")


def _sphere(file: BinaryIO, size: int, start: int) -> Layout:
    """NIST: a header in words, of a size that stands on its second line."""
    try:
        header = int(file.read(16)[8:])
        lines = file.read(header - 16).split(b"end_head")[0].decode("ascii").splitlines()
        fields = {line.split(" ", 2)[0]: line.split(" ", 2)[2] for line in lines if line.count(" ") >= 2}
        count, width, channels = (int(fields.get(key, "1")) for key in (
            "sample_count", "sample_n_bytes", "channel_count"))  # fmt: skip
    except ValueError:
        raise DataError("has a SPHERE header that cannot be read", fix="copy it again") from None
    coding = fields.get("sample_coding", "pcm")
    if "embedded-" in coding:
        raise DataError(f"is SPHERE in the coding {coding}, which needs unpacking", fix=SPH2PIPE)
    stated = count * width * channels
    if "sample_count" in fields and header + stated > size + SLACK:
        raise cut_off(f"promises {stated} bytes of samples and holds {max(0, size - header)}")
    return Layout(decoder="libsndfile")


def _flac(file: BinaryIO, size: int, start: int) -> Layout:
    """The samples stand in STREAMINFO, 0 if unknown; libFLAC stops where a second file was joined on."""
    places = boxes.find_all(file, _STREAMINFO)
    least, known = 0.0, True
    for place in places:
        file.seek(place + 18)
        fields = int.from_bytes(file.read(8), "big")  # rate 20 bits, channels 3, bits of a sample 5, samples 36
        rate, samples = fields >> 44, fields & (1 << 36) - 1
        known &= samples > 0
        least += samples / rate if rate else 0.0
    return Layout(decoder="libsndfile" if known and len(places) == 1 else "libav", least=least)


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
    "FLAC": _flac,
    "OGG": ogg.check,
    "MP3": mpeg.check,
    "MP4": boxes.mp4,
    "Matroska": boxes.matroska,
    "ASF": _asf,
}
"""By the kinds of kinds.SOUNDS."""


def layout_of(kind: str, file: BinaryIO, size: int, start: int) -> Layout:
    """How a file of this kind is read; what has no check is left to libav."""
    check = CHECKS.get(kind)
    if check is None:
        return Layout()
    file.seek(start)
    return check(file, size, start)
