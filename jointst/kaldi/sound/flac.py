"""FLAC: how long it says that it is, and whether another file was joined on, before which libFLAC stops."""

from __future__ import annotations

from typing import BinaryIO

from jointst.common.units import Seconds
from jointst.kaldi.sound.layout import Layout

_BEGINS = b"fLaC\x00\x00\x00\x22"
_PIECE = 1 << 20
_READ_AHEAD = 1 << 14
"""Bytes that libFLAC takes from a file at a time, and more."""


def check(file: BinaryIO, size: int, start: int) -> Layout:
    """The samples stand in STREAMINFO, 0 if unknown, which libsndfile does not take."""
    least = _stated(file, start)
    return Layout(decoder="libsndfile" if least else "libav", least=least)


def _stated(file: BinaryIO, start: int) -> Seconds:
    file.seek(start + 18)
    fields = int.from_bytes(file.read(8), "big")  # rate 20 bits, channels 3, bits of a sample 5, samples 36
    rate, samples = fields >> 44, fields & (1 << 36) - 1
    return samples / rate if rate else 0.0


def joined(path: str, came_to: int) -> Layout | None:
    """How to read a file in which others follow the one that was decoded up to a byte; None if nothing follows."""
    with open(path, "rb") as file:
        file.seek(max(1, came_to - _READ_AHEAD))
        if _BEGINS not in file.read(2 * _READ_AHEAD):
            return None
        return whole(path)


def whole(path: str) -> Layout | None:
    """As :func:`joined`, of a file that was not decoded, by looking at all of it."""
    places, at, kept = [], 0, b""
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            content = kept + piece
            found = content.find(_BEGINS)
            while found >= 0:
                places.append(at - len(kept) + found)
                found = content.find(_BEGINS, found + 1)
            at, kept = at + len(piece), content[1 - len(_BEGINS) :]
        return Layout(least=sum(_stated(file, place) for place in places)) if len(places) > 1 else None
