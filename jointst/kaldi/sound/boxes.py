"""Containers of nested boxes: MP4 and its kin (m4a, mov, 3gp), Matroska and WebM."""

from __future__ import annotations

import mmap
import re
from typing import BinaryIO

from jointst.common.errors import DataError
from jointst.kaldi.sound.layout import SLACK, Layout, cut_off

_BOX = re.compile(rb"[\x20-\x7e\xa9]{4}")
_SEGMENT, _CLUSTER, _FILE = 0x18538067, 0x1F43B675, 0x1A45DFA3


def mp4(file: BinaryIO, size: int, start: int) -> Layout:
    """Boxes of ISO media: each states its size; ``moov``, often the last, says where the samples are."""
    at, seen = start, set()
    while at + 8 <= size:
        file.seek(at)
        raw = file.read(16)
        stated, name = int.from_bytes(raw[:4], "big"), raw[4:8]
        if not _BOX.fullmatch(name):  # something behind the last box
            break
        if name in (b"ftyp", b"moov") and name in seen:
            raise _joined()
        seen.add(name)
        if stated == 1:
            stated = int.from_bytes(raw[8:], "big")
        elif stated == 0:  # up to the end
            stated = size - at
        if at + stated > size + SLACK:
            raise cut_off(f"promises {at + stated} bytes and holds {size}")
        at += max(8, stated)
    if b"moov" not in seen:
        raise cut_off("lacks the box moov, which says where its samples are, as after a recorder that was killed")
    return Layout()


def matroska(file: BinaryIO, size: int, start: int) -> Layout:
    """Elements of EBML: each states its size, but that a live stream's segment and clusters may not."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = start
        while at < size:
            name, at = _number(content, at, size, marked=True)
            if name == _FILE and at > start + 4:
                raise _joined()
            stated, body = _number(content, at, size, marked=False)
            unknown = stated == (1 << 7 * (body - at)) - 1
            if not unknown and body + stated > size:
                raise cut_off(f"promises {body + stated} bytes and holds {size}")
            at = body if unknown and name in (_SEGMENT, _CLUSTER) else body + (0 if unknown else stated)
    return Layout()


def _number(content: mmap.mmap, at: int, size: int, *, marked: bool) -> tuple[int, int]:
    """A number whose first byte tells its length, and where it ends; ``marked`` keeps that mark, as names do."""
    length = 9 - content[at].bit_length() if at < size else 1
    if at + length > size:
        raise cut_off("ends within an element")
    value = int.from_bytes(content[at : at + length], "big")
    return (value if marked else value & (1 << 7 * length) - 1), at + length


def _joined() -> DataError:
    return DataError("is several files joined, of which only the first can be read", fix="decode each before")
