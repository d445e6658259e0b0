"""Makers of sound files for tests: in every container, whole and broken in the ways that people bring."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
import soundfile

RATE = 16000
Maker: TypeAlias = Callable[[Path], object]

# T samples, C channels


def voice(seconds: float = 4.0, rate: int = RATE, *, first: float = 0.1, last: float = 0.4) -> np.ndarray:
    """A rising tone (T,) that grows from one peak to another: no part of it sounds like another."""
    time = np.arange(round(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * (200 * time + 100 * time**2))
    return (tone * np.linspace(first, last, len(time))).astype(np.float32)


def plain(format: str, subtype: str | None = None, rate: int = RATE, **options: Any) -> Maker:
    """Written by libsndfile."""
    return lambda path: soundfile.write(path, voice(rate=rate), rate, subtype, format=format, **options)


def coded(codec: str, format: str | None = None, rate: int = RATE, **settings: Any) -> Maker:
    """Written by libav."""
    return lambda path: encode(path, voice(rate=rate), rate, codec, format, **settings)


def encode(
    path: Path,
    samples: np.ndarray,
    rate: int,
    codec: str,
    format: str | None = None,
    *,
    bit_rate: int | None = None,
    options: dict[str, str] | None = None,
    quality: dict[str, str] | None = None,
) -> None:
    """Write samples (T,), or (T, 2), in any container that libav writes.

    Args:
        path: the file.
        samples, rate: what to write.
        codec, format: names of libav; a container by the name of the file if None.
        bit_rate: of the codec.
        options: of the container.
        quality: options of the codec.
    """
    layout = "mono" if samples.ndim == 1 else "stereo"
    with av.open(str(path), "w", format=format, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, options=quality or {})
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.reshape(1, -1)), format="flt", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(format=stream.codec_context.codec.audio_formats[0].name, layout=layout, rate=rate)
        queue = av.AudioFifo()
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            queue.write(piece)
        while queue.samples:
            container.mux(stream.encode(queue.read(stream.codec_context.frame_size or 1024, partial=True)))
        container.mux(stream.encode(None))


def film(path: Path, *, sound: bool) -> None:
    """Ten pictures, with the tone or without a sound track."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for _ in range(10):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(video.encode(None))
        if audio is not None:
            samples = voice()
            for start in range(0, len(samples), 1024):
                frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
                frame.sample_rate, frame.pts = RATE, start
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))


def cut(make: Maker, share: float = 0.5) -> Maker:
    """What ``head -c`` leaves of a file, at no border of its frames."""

    def made(path: Path) -> None:
        make(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share) - 7])

    return made


def tail(make: Maker, share: float) -> Maker:
    """What ``tail -c`` takes of a file."""

    def made(path: Path) -> None:
        make(path)
        content = path.read_bytes()
        path.write_bytes(content[-int(len(content) * share) :])

    return made


def shortened(make: Maker, by: int) -> Maker:
    """Without its last bytes."""

    def made(path: Path) -> None:
        make(path)
        path.write_bytes(path.read_bytes()[:-by])

    return made


def joined(*makers: Maker) -> Maker:
    """Several files in one, by ``cat``."""

    def made(path: Path) -> None:
        contents = []
        for make in makers:
            make(path)
            contents.append(path.read_bytes())
        path.write_bytes(b"".join(contents))

    return made


def patched(make: Maker, *patches: tuple[bytes, int, bytes], tail: bytes = b"") -> Maker:
    """With other bytes: so far behind some others, or at a place of the file if these are empty; more at the end."""

    def made(path: Path) -> None:
        make(path)
        content = bytearray(path.read_bytes())
        for mark, offset, value in patches:
            at = (content.index(mark) if mark else 0) + offset
            content[at : at + len(value)] = value
        path.write_bytes(bytes(content) + tail)

    return made


WAV = plain("WAV")
WAV_BYTES = 2 * RATE * 4
"""Of the samples of WAV, behind 44 of its header."""


def wav_of_sizes(riff: int, data: int, tail: bytes = b"") -> Maker:
    """A WAV, all of it there, that states these sizes."""
    return patched(WAV, (b"", 4, struct.pack("<I", riff)), (b"data", 4, struct.pack("<I", data)), tail=tail)


def of_bytes(content: bytes) -> Maker:
    """Anything."""
    return lambda path: path.write_bytes(content)


def quiet_and_loud(path: Path, *, quiet_first: bool, xing: bool = False) -> None:
    """MP3 of variable bit rate: 2 s that need few bits and 6 s that need many; nothing tells its length."""
    generator = np.random.default_rng(0)
    parts = [voice(2, first=0.001, last=0.001), (0.2 * generator.standard_normal(6 * RATE)).astype(np.float32)]
    samples = np.concatenate(parts if quiet_first else parts[::-1])
    options = {} if xing else {"write_xing": "0"}
    encode(path, samples, RATE, "libmp3lame", options=options, quality={"q": "2"})


NO_XING = {"write_xing": "0"}
WHOLE: dict[str, tuple[Maker, bool]] = {
    "16.wav": (WAV, True),
    "24.wav": (plain("WAV", "PCM_24"), True),
    "8.wav": (plain("WAV", "PCM_U8"), False),
    "float.wav": (plain("WAV", "FLOAT"), True),
    "double.wav": (plain("WAV", "DOUBLE"), True),
    "mulaw.wav": (plain("WAV", "ULAW"), False),
    "ima.wav": (plain("WAV", "IMA_ADPCM"), False),
    "gsm.wav": (plain("WAV", "GSM610", 8000), False),
    "big.wav": (plain("WAV", endian="BIG"), True),
    "wavex.wav": (plain("WAVEX"), True),
    "g726.wav": (coded("adpcm_g726", "wav", 8000, quality={"code_size": "4"}), False),
    "mp3.wav": (coded("libmp3lame", "wav", bit_rate=64000), False),
    "a.rf64": (plain("RF64"), True),
    "a.w64": (plain("W64"), True),
    "a.aiff": (plain("AIFF"), True),
    "little.aiff": (plain("AIFF", endian="LITTLE"), True),
    "a.au": (plain("AU"), True),
    "little.au": (plain("AU", endian="LITTLE"), True),
    "a.caf": (plain("CAF"), True),
    "alac.caf": (plain("CAF", "ALAC_16"), True),
    "a.sph": (plain("NIST"), True),
    "mulaw.sph": (plain("NIST", "ULAW"), False),
    "a.voc": (plain("VOC"), True),
    "a.flac": (plain("FLAC"), True),
    "libav.flac": (coded("flac", "flac"), True),
    "a.ogg": (plain("OGG"), False),
    "a.opus": (plain("OGG", "OPUS"), False),
    "libav.opus": (coded("libopus", "opus", 48000), False),
    "flac.oga": (coded("flac", "ogg"), True),
    "xing.mp3": (coded("libmp3lame", bit_rate=64000), False),
    "libsndfile.mp3": (plain("MP3"), False),
    "cbr.mp3": (coded("libmp3lame", bit_rate=64000, options=NO_XING), False),
    "vbr.mp3": (coded("libmp3lame", quality={"q": "4"}, options=NO_XING), False),
    "a.m4a": (coded("aac", "ipod"), False),
    "front.m4a": (coded("aac", "ipod", options={"movflags": "faststart"}), False),
    "pieces.mp4": (coded("aac", "mp4", options={"movflags": "frag_keyframe+empty_moov"}), False),
    "alac.m4a": (coded("alac", "ipod"), True),
    "a.mov": (coded("pcm_s16le", "mov"), True),
    "a.3gp": (coded("aac", "3gp"), False),
    "a.webm": (coded("libopus", rate=48000), False),
    "live.webm": (coded("libopus", rate=48000, options={"live": "1"}), False),
    "a.mka": (coded("flac"), True),
    "a.aac": (coded("aac", "adts"), False),
    "a.amr": (coded("libopencore_amrnb", rate=8000), False),
    "a.wma": (coded("wmav2", "asf", 44100, bit_rate=64000), False),
    "a.avi": (coded("pcm_s16le", "avi"), True),
    "a.flv": (coded("aac", "flv"), False),
    "a.tta": (coded("tta"), False),
    "a.wv": (coded("wavpack"), False),
    "a.ac3": (coded("ac3", rate=48000), False),
    "a.g722": (coded("g722", "g722"), False),
    "a.mp2": (coded("mp2", bit_rate=64000), False),
    "a.ts": (coded("aac", "mpegts"), False),
}
"""By name: how to make the tone in a container, and whether each sample is kept."""
UNKNOWABLE = ("a.ac3", "a.g722", "a.ts")
"""Nothing in them tells that they are cut off."""
