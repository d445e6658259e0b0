"""Readers of audio: headers and what follows them, in every format that is read, arks included."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import kaldiio
import numpy as np
import soundfile

from fuzz.target import WORDS32, Target
from jointst.kaldi.audio import load_audio
from jointst.kaldi.recordings import examine
from jointst.transcription.sound_files import read_blocks

FORMATS: dict[str, tuple[tuple[str, str], ...]] = {
    "wav": (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAVEX", "PCM_24"), ("WAV", "ULAW"), ("RF64", "PCM_16")),
    "flac": (("FLAC", "PCM_16"),),
    "mp3": (("MP3", "MPEG_LAYER_III"),),
    "ogg": (("OGG", "VORBIS"), ("OGG", "OPUS")),
    "aiff": (("AIFF", "PCM_16"),),
    "au": (("AU", "PCM_16"),),
    "caf": (("CAF", "PCM_16"),),
    "sph": (("NIST", "PCM_16"),),
    "w64": (("W64", "PCM_16"),),
}
"""Formats and encodings of the seeds, by the end of the file's name."""
PIECES = (
    *WORDS32, b"RIFF", b"WAVE", b"fmt ", b"data", b"LIST", b"fact", b"ds64", b"fLaC", b"OggS", b"OpusHead", b"ID3",
    b"Xing", b"Info", b"\xff\xfb\x90\xc4", b"FORM", b"COMM", b"SSND", b".snd", b"caff", b"NIST_1A", b"end_head",
    b"TAG", b"\x01\x00", b"\x03\x00", b"\xfe\xff", b"\x00\x00\xc0\x7f", bytes(16), b"\xff" * 16,
)  # fmt: skip


def _seeds(kind: str) -> tuple[bytes, ...]:
    tone = 0.3 * np.sin(0.2 * np.arange(1600)).astype(np.float32)
    made = []
    for form, subtype in FORMATS[kind]:
        for channels in (1, 2):
            stream = io.BytesIO()
            soundfile.write(stream, np.tile(tone[:, None], channels), 16000, format=form, subtype=subtype)
            made.append(stream.getvalue())
    return tuple(made)


def _read(kind: str, content: bytes) -> None:
    path = Path(f"clip.{kind}")
    path.write_bytes(content)
    (found,) = examine({"a": str(path)}, 1, Path("audio.json")).values()
    assert found.fault or found.rate > 0
    total = sum(len(block) for block in _blocks(path))
    samples = load_audio(str(path), None, 16000)
    assert abs(len(samples) - total) <= 1


def _blocks(path: Path) -> list[np.ndarray]:
    return list(read_blocks(path, 16000))


def _ark_seeds() -> tuple[bytes, ...]:
    tone = (3000 * np.sin(0.2 * np.arange(800))).astype(np.int16)
    kaldiio.save_ark("seed.ark", {"a": (16000, tone)})
    content = Path("seed.ark").read_bytes()
    Path("seed.ark").unlink()
    matrix = b"a \0BFM \x04\x02\0\0\0\x04\x02\0\0\0" + bytes(16)
    return content, matrix, b"a \0BFV \x04\x02\0\0\0" + bytes(8)


def _read_ark(content: bytes) -> None:
    Path("clips.ark").write_bytes(content)
    examine({"a": "clips.ark:2"}, 1, Path("audio.json"))
    load_audio("clips.ark:2", None, 16000)


TARGETS = [
    *(
        Target(
            name=f"audio_{kind}", seeds=partial(_seeds, kind), read=partial(_read, kind), names="clip.", pieces=PIECES
        )
        for kind in FORMATS
    ),
    Target(
        name="audio_ark",
        seeds=_ark_seeds,
        read=_read_ark,
        names="clips.ark",
        pieces=(*PIECES, b"\0B", b"FM ", b"DM ", b"CM ", b"FV ", b"\x04", b"AUDIO", b"NPY"),
    ),
]
