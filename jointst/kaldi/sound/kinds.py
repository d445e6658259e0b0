"""What a file is, by its first bytes: the kinds of sound that have checks of their own, and what is no sound."""

from __future__ import annotations

import json
import re
from typing import BinaryIO

from jointst.common.errors import DataError
from jointst.kaldi.sound import mpeg

HEAD = 4096
"""Bytes that are looked at."""

# By where they stand: (offset, bytes). The first that fits is taken.
SOUNDS: tuple[tuple[str, int, bytes], ...] = (
    ("WAV", 8, b"WAVE"),
    ("AIFF", 8, b"AIFF"),
    ("AIFF", 8, b"AIFC"),
    ("W64", 0, b"riff\x2e\x91\xcf\x11"),
    ("AU", 0, b".snd"),
    ("AU", 0, b"dns."),
    ("CAF", 0, b"caff"),
    ("SPHERE", 0, b"NIST_1A"),
    ("FLAC", 0, b"fLaC"),
    ("OGG", 0, b"OggS"),
    ("MP4", 4, b"ftyp"),
    ("MP4", 4, b"moov"),
    ("MP4", 4, b"mdat"),
    ("MP4", 0, b"\0\0\0\x08wide"),
    ("MP4", 0, b"\0\0\0\x08free"),
    ("Matroska", 0, b"\x1a\x45\xdf\xa3"),
    ("ASF", 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("AMR", 0, b"#!AMR"),
    ("RIFF", 0, b"RIFF"),
    ("IFF", 0, b"FORM"),
)
_SHARED = ("RIFF", "MP4")
"""Containers that hold other things too."""
OTHERS: tuple[tuple[str, int, bytes], ...] = (
    ("a picture (PNG)", 0, b"\x89PNG"),
    ("a picture (JPEG)", 0, b"\xff\xd8\xff"),
    ("a picture (GIF)", 0, b"GIF8"),
    ("a picture (WebP)", 8, b"WEBP"),
    ("a picture (TIFF)", 0, b"II*\0"),
    ("a picture (TIFF)", 0, b"MM\0*"),
    ("a picture (BMP)", 6, b"\0\0\0\0\x36\0\0\0"),
    ("a picture (HEIC)", 4, b"ftypheic"),
    ("a picture (AVIF)", 4, b"ftypavif"),
    ("a PDF", 0, b"%PDF"),
    ("MIDI, which holds notes and no sound", 0, b"MThd"),
    ("MIDI, which holds notes and no sound", 8, b"RMID"),
    ("an archive (zip): unpack it", 0, b"PK\x03\x04"),
    ("an archive (gzip): unpack it", 0, b"\x1f\x8b"),
    ("an archive (xz): unpack it", 0, b"\xfd7zXZ"),
    ("an archive (bzip2): unpack it", 0, b"BZh"),
    ("an archive (7z): unpack it", 0, b"7z\xbc\xaf\x27\x1c"),
    ("an archive (RAR): unpack it", 0, b"Rar!"),
    ("an archive (tar): unpack it", 257, b"ustar"),
    ("a playlist", 0, b"#EXTM3U"),
    ("a playlist", 0, b"ffconcat"),
    ("a NumPy array", 0, b"\x93NUMPY"),
    ("a program", 0, b"\x7fELF"),
    ("a program", 0, b"MZ\x90"),
    ("a database (SQLite)", 0, b"SQLite format 3"),
    ("text (UTF-16)", 0, b"\xff\xfe"),
    ("text (UTF-16)", 0, b"\xfe\xff"),
)
TEXTS = (
    ("an HTML page", re.compile(r"\s*(<!doctype html|<html|<head|<body)", re.IGNORECASE)),
    ("a pointer of Git LFS: run git lfs pull", re.compile(r"version https://git-lfs")),
    ("a playlist", re.compile(r"\s*(#EXTM3U|\[playlist\]|ffconcat)", re.IGNORECASE)),
    ("a picture (SVG)", re.compile(r"\s*(<\?xml.*)?<svg", re.DOTALL)),
    ("XML", re.compile(r"\s*<\?xml")),
)
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def kind_of(file: BinaryIO, size: int) -> tuple[str, int]:
    """The kind of a file and where it begins, behind a tag of ID3; an empty string for what has no check of its own.

    Args:
        file: open for reading.
        size: its bytes.

    Raises:
        DataError: it is empty, or something that is no sound: says what.
    """
    if not size:
        raise DataError("is an empty file", fix="make it again, or copy it again")
    head = file.read(HEAD)
    start = 0
    while head[:3] == b"ID3" and len(head) >= 10:  # its size: four bytes of 7 bits
        start += 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        file.seek(start)
        head = file.read(HEAD)
    if start and not head:
        raise DataError("is cut off: it ends within its ID3 tag", fix="copy it again")
    kind = next((name for name, at, begin in SOUNDS if head.startswith(begin, at)), "")
    if kind and kind not in _SHARED:
        return kind, start
    for name, at, begin in OTHERS:
        if head.startswith(begin, at):
            raise _other(name)
    if kind:
        return kind, start
    frame = mpeg.frame_bytes(head)
    if frame and (mpeg.frame_bytes(head[frame:]) or len(head) < frame + 4):
        return "MP3", start
    if not start:
        _refuse_text(head)
    return "", start


def _refuse_text(head: bytes) -> None:
    if not head.strip(b"\0"):
        fix = "copy it again: a full disk or a broken transfer leaves such files"
        raise DataError("holds zero bytes and no sound", fix=fix)
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or len(head) < HEAD:  # not a character that the end of the head cuts
            return
        text = head[: error.start].decode("utf-8-sig")
    if _BINARY.search(text):
        return
    for name, begin in TEXTS:
        if begin.match(text):
            raise _other(name)
    if text.lstrip()[:1] in ("{", "["):
        try:
            json.loads(text)
            raise _other("JSON")
        except json.JSONDecodeError:
            if len(head) == HEAD:
                raise _other("JSON, or text like it") from None
    raise _other("text")


def _other(name: str) -> DataError:
    what, _, fix = name.partition(": ")
    return DataError(f"is no sound but {what}", fix=fix or "get the sound itself: often a download went wrong")
