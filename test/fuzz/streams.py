"""What ``jointst transcribe --stream -`` takes from a pipe: WAV or raw samples, in pieces of any size."""

from __future__ import annotations

import io
import struct
from functools import partial

import numpy as np
import soundfile

from fuzz.target import WORDS32, Target
from jointst.transcription.live import RAW_FORMATS, RawAudio, read_header, read_pipe

PIECES = (*WORDS32, b"RIFF", b"WAVE", b"fmt ", b"data", b"LIST", b"fLaC", b"\x01\0", b"\x03\0", b"\xfe\xff", b"\0\0")


class Odd(io.RawIOBase):
    """A pipe that gives what it has in pieces of 1, 2, 3, 5, 8 ... bytes."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place, self.sizes = content, 0, (1, 1)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = min(self.sizes[0], len(buffer), len(self.content) - self.place)
        buffer[:size] = self.content[self.place : self.place + size]
        self.place, self.sizes = self.place + size, (self.sizes[1], min(5000, sum(self.sizes)))
        return size


def _seeds() -> tuple[bytes, ...]:
    made = []
    for subtype in ("PCM_16", "PCM_24", "FLOAT"):
        stream = io.BytesIO()
        soundfile.write(stream, np.full((400, 2), 0.1), 16000, format="WAV", subtype=subtype)
        made.append(stream.getvalue())
    unknown = bytearray(made[0])
    unknown[40:44] = struct.pack("<I", 0xFFFFFFFF)
    return (*made, bytes(unknown))


def _read(raw: str, channels: int, content: bytes) -> None:
    pipe = io.BufferedReader(Odd(content), buffer_size=8192)
    audio, begun = read_header(pipe, RawAudio(format=raw, rate=16000, channels=channels))  # type: ignore[arg-type]
    total = 0
    for samples in read_pipe(pipe, audio, begun):
        assert samples.ndim == 1
        assert samples.dtype == np.float32
        total += len(samples)
    assert total <= len(content)


TARGETS = [
    Target(name="stream", seeds=_seeds, read=partial(_read, "s16le", 1), names="-", pieces=PIECES),
    *(
        Target(
            name=f"stream_{raw}",
            seeds=lambda: (bytes(range(256)) * 4, b"\x01\x02\x03"),
            read=partial(_read, raw, 3),
            names="-",
            pieces=PIECES,
        )
        for raw in RAW_FORMATS
    ),
]
