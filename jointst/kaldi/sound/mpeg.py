"""MPEG audio (MP1, MP2, MP3): frames, whose first four bytes tell their size, and the Xing header, if there is one."""

from __future__ import annotations

from typing import BinaryIO

from jointst.kaldi.sound.layout import SLACK, Layout, cut_off

_V1 = {
    3: (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_V2 = {
    3: (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    1: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Kilobits a second by layer (3 is layer I) and index, of MPEG 1, and of MPEG 2 and 2.5."""
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_LAYER_1 = 3


def frame_bytes(head: bytes) -> int:
    """Bytes of the frame that begins so; 0 if no frame does, or if it does not say."""
    word = int.from_bytes(head[:4], "big") if len(head) >= 4 else 0
    version, layer = word >> 19 & 3, word >> 17 & 3
    kilobits, rate, padding = word >> 12 & 15, word >> 10 & 3, word >> 9 & 1
    if word >> 21 != 0x7FF or version == 1 or layer == 0 or rate == 3 or kilobits in (0, 15):
        return 0
    bits = 1000 * (_V1 if version == 3 else _V2)[layer][kilobits]
    hertz = _RATES[version][rate]
    if layer == _LAYER_1:
        return (12 * bits // hertz + padding) * 4
    return (72 if layer == 1 and version != 3 else 144) * bits // hertz + padding


def check(file: BinaryIO, size: int, start: int) -> Layout:
    """The Xing header, in the first frame, states the bytes; of files that were joined, those of the first."""
    head = file.read(2048)
    frame = head[: frame_bytes(head)]
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at >= 0 and len(frame) >= at + 16:
        flags = int.from_bytes(frame[at + 4 : at + 8], "big")  # then frames (bit 0), then bytes (bit 1)
        place = at + 8 + 4 * (flags & 1)
        stated = int.from_bytes(frame[place : place + 4], "big") if flags & 2 else 0
        if stated > size - start + SLACK:
            raise cut_off(f"promises {stated} bytes and holds {size - start}")
    return Layout()
