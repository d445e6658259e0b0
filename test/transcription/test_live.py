"""Pipes: WAV and raw samples in any pieces, and pipes that break off."""

from __future__ import annotations

import io
import struct
import sys

import numpy as np
import pytest
import soundfile

from jointst.common.errors import DataError, EnvironmentFault
from jointst.transcription.live import RawAudio, microphone, read_header, read_pipe

RAW = RawAudio(format="s16le", rate=16000, channels=1)
SAMPLES = 0.3 * np.random.default_rng(0).standard_normal((5001, 2)).clip(-3, 3)


class Dribble(io.RawIOBase):
    """Gives a few bytes at a time, as a pipe may."""

    def __init__(self, content: bytes, most: int) -> None:
        self._content, self._most = content, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        size = min(len(buffer), self._most, len(self._content))
        buffer[:size], self._content = self._content[:size], self._content[size:]
        return size


def received(content: bytes, raw: RawAudio = RAW, most: int = 7) -> tuple[np.ndarray, RawAudio]:
    pipe = io.BufferedReader(Dribble(content, most), buffer_size=8)
    audio, begun = read_header(pipe, raw)
    pieces = list(read_pipe(pipe, audio, begun))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32), audio


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT"])
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
@pytest.mark.parametrize("most", [7, 100_000])
def test_wav(subtype: str, container: str, most: int) -> None:
    stream = io.BytesIO()
    soundfile.write(stream, SAMPLES, 8000, subtype=subtype, format=container)
    samples, audio = received(stream.getvalue(), most=most)
    assert (audio.rate, audio.channels) == (8000, 2)
    np.testing.assert_allclose(samples, SAMPLES.mean(axis=1), atol=1e-4)


@pytest.mark.parametrize("claimed", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_wav_of_unknown_size(claimed: int) -> None:
    stream = io.BytesIO()
    soundfile.write(stream, SAMPLES, 8000, format="WAV")
    content = bytearray(stream.getvalue())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", claimed)
    assert len(received(bytes(content))[0]) == 5001


@pytest.mark.parametrize(("name", "kind"), [("s16le", "<i2"), ("s32le", "<i4"), ("f32le", "<f4")])
def test_raw(name: str, kind: str) -> None:
    scale = 1 if kind == "<f4" else 2 ** (8 * np.dtype(kind).itemsize - 1)
    content = (SAMPLES[:, 0] * scale).astype(kind).tobytes()
    samples, audio = received(content, RawAudio(format=name, rate=11025, channels=1))  # type: ignore[arg-type]
    assert audio.rate == 11025
    np.testing.assert_allclose(samples, SAMPLES[:, 0], atol=1e-4)
    assert len(received(content[:4])[0]) in (1, 2)


def test_pipes_that_break_off() -> None:
    stream = io.BytesIO()
    soundfile.write(stream, SAMPLES, 8000, format="WAV")
    content = stream.getvalue()
    with pytest.raises(DataError, match="-: ended before any audio came"):
        received(b"")
    with pytest.raises(DataError, match="ended within the WAV header"):
        received(content[:30])
    with pytest.raises(DataError, match="ended 4 bytes before its header's size"):
        received(content[:-4])
    with pytest.raises(DataError, match="ended within a sample"):
        received(bytes(1001))


def test_wav_of_a_kind_that_cannot_be_read() -> None:
    stream = io.BytesIO()
    soundfile.write(stream, SAMPLES, 8000, format="WAV", subtype="ULAW")
    with pytest.raises(DataError, match="WAV of format 7, 8 bits.*PCM of 16"):
        received(stream.getvalue())
    with pytest.raises(DataError, match="begins with RIFF and is not WAV"):
        received(b"RIFFabcdAVI LIST")


@pytest.mark.parametrize("head", [b"fLaC\0\0", b"OggS\0\2", b"ID3\4\0\0", b"RF64\xff\xff", b"\x1aE\xdf\xa3\0"])
def test_other_kinds_are_not_taken_for_samples(head: bytes) -> None:
    with pytest.raises(DataError, match="not WAV or raw samples"):
        received(head + bytes(100))


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.stack([SAMPLES[:, 0], -SAMPLES[:, 0]], axis=1), "-: its 2 channels cancel each other"),
        (SAMPLES * 32768, "-: has samples up to .* as of 16-bit integers"),
        (
            np.where(np.arange(len(SAMPLES))[:, None] == 4000, np.nan, SAMPLES),
            "-: the sample at 0.500 s is not a finite number",
        ),
    ],
)
def test_levels_of_a_pipe(samples: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        received(samples.astype("<f4").tobytes(), RawAudio(format="f32le", rate=8000, channels=2), most=10_000)


def test_no_microphone_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(EnvironmentFault, match="no microphone: .*pip install sounddevice"):
        next(microphone(16000))
