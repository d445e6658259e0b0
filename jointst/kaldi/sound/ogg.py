"""OGG: pages (RFC 3533) of one stream after another; libsndfile reads only the first of joined files."""

from __future__ import annotations

import mmap
import struct
from typing import BinaryIO, NamedTuple

from jointst.common.units import Seconds
from jointst.kaldi.sound.layout import Layout, cut_off

_HEADER = struct.Struct("<4sBBqIIIB")
_FIRST, _LAST = 2, 4
_BEGINS = b"OggS\x00\x02"
_OPUS_RATE, _OPUS_PACKET = 48000, 5760


class _Page(NamedTuple):
    start: int
    end: int
    flags: int
    granule: int
    """Samples up to here."""
    packets: int
    """That end in it."""
    content: bytes
    """Its first bytes."""


def check(file: BinaryIO, size: int, start: int) -> Layout:
    """Joined files are parts; each must have a last page that is whole and says that it is the last."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        links: list[list[_Page]] = []
        at = content.find(_BEGINS, start)
        end = -1
        while at >= 0:
            page = _page(content, at)
            if page is None:
                raise cut_off("ends within its first page")
            if at == end and links:  # side by side with the one before: another track of the same file
                links[-1].append(page)
            elif not links or _is_boundary(content, at):
                links.append([page])
            end = page.end
            at = content.find(_BEGINS, at + 1)
        if not links:
            raise cut_off("lacks its first page")
        stops = [link[0].start for link in links[1:]] + [size]
        least = sum(_length(content, link, stop) for link, stop in zip(links, stops, strict=True))
    if any(len(link) > 1 for link in links):
        return Layout()
    parts = tuple((link[0].start, stop) for link, stop in zip(links, stops, strict=True))
    return Layout(decoder="libsndfile", parts=parts if len(parts) > 1 else (), least=least)


def _page(content: mmap.mmap, at: int) -> _Page | None:
    """The page that starts here, if it is whole."""
    if at + _HEADER.size > len(content):
        return None
    name, _, flags, granule, _, _, _, count = _HEADER.unpack_from(content, at)
    body = at + _HEADER.size + count
    sizes = content[at + _HEADER.size : body]
    end = body + sum(sizes)
    whole = name == b"OggS" and body <= len(content) and end <= len(content)
    packets = sum(size < 255 for size in sizes)
    return _Page(at, end, flags, granule, packets, content[body : body + 64]) if whole else None


def _is_boundary(content: mmap.mmap, at: int) -> bool:
    """Whether a page ends here, so that the bytes are no chance of the samples."""
    before = content.rfind(b"OggS", 0, at)
    page = _page(content, before) if before >= 0 else None
    return page is None or page.end <= at


def _length(content: mmap.mmap, link: list[_Page], stop: int) -> Seconds:
    """Seconds that a stream must hold: up to where its last page says that it is.

    A stream that was taken out of a longer one, whose first page of samples holds fewer than it says, may hold any.
    """
    last = _page(content, content.rfind(b"OggS", link[0].start, stop))
    if last is None or not last.flags & _LAST:
        raise cut_off("has no whole last page")
    rate, longest = _rate(link[0].content)
    if not rate or len(link) > 1:
        return 0.0
    at = link[0].end
    while at < stop and (page := _page(content, at)) is not None:
        if page.granule > 0:  # headers have 0, and -1 is a page in which no packet ends
            return last.granule / rate if page.granule <= page.packets * longest else 0.0
        at = page.end
    return 0.0


def _rate(packet: bytes) -> tuple[int, int]:
    """Granules a second, and of a packet at most, of a stream with this first packet; 0 if its codec is another."""
    if packet.startswith(b"OpusHead"):
        return _OPUS_RATE, _OPUS_PACKET
    if packet.startswith(b"\x01vorbis") and len(packet) > 28:
        return int.from_bytes(packet[12:16], "little"), 1 << (packet[28] >> 4)
    return 0, 0
