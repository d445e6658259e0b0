"""Sound files through the three that read them, validate, features and transcribe: all say the same.

A row is a name, how to make the file (odd_sounds.py), and the outcome: the samples, or words of the error.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from data import odd_sounds as odd
from data.odd_sounds import RATE, WAV, WAV_BYTES, Maker, cut, joined, of_bytes, patched, plain, voice, wav_of_sizes

from jointst.common.errors import DataError
from jointst.kaldi.audio import load_audio
from jointst.kaldi.directory import Segment
from jointst.kaldi.recordings import Recording, facts_of
from jointst.kaldi.sound import layout, libav, sndfile
from jointst.kaldi.sound.layout import Layout
from jointst.transcription.sound_files import read_blocks


def outcomes(path: Path) -> tuple[Recording, np.ndarray | DataError, np.ndarray | DataError]:
    """What validate, features and transcribe make of a file."""
    found: list[np.ndarray | DataError] = []
    for read in (
        lambda: load_audio(str(path), None, RATE),
        lambda: np.concatenate([*read_blocks(path, RATE), np.zeros(0, np.float32)]),
    ):
        try:
            found.append(read())
        except DataError as error:
            found.append(error)
    return facts_of(str(path)), found[0], found[1]


def check_read(path: Path, expected: np.ndarray, *, exact: bool) -> np.ndarray:
    """Each user has the samples (T,) that are expected."""
    facts, heard, transcribed = outcomes(path)
    assert not facts.fault, facts.problem
    assert isinstance(heard, np.ndarray), heard
    assert isinstance(transcribed, np.ndarray), transcribed
    assert heard.shape == transcribed.shape
    np.testing.assert_allclose(heard, transcribed, atol=1e-5)
    assert abs(facts.seconds - len(heard) / RATE) < 2 / RATE
    if exact:
        assert heard.shape == expected.shape
        np.testing.assert_allclose(heard, expected, atol=1e-3)
    else:
        assert abs(len(heard) - len(expected)) < 0.2 * RATE
        np.testing.assert_allclose(envelope(heard, len(expected)), envelope(expected, len(expected)), atol=0.08)
    return heard


def envelope(samples: np.ndarray, length: int) -> np.ndarray:
    """Loudness of each half second, as if they had a length in common."""
    fitted = np.pad(samples, (0, max(0, length - len(samples))))[: length // 8000 * 8000]
    return np.sqrt((fitted.reshape(-1, 8000) ** 2).mean(axis=1))


def check_refused(path: Path, words: str) -> None:
    """Each user says the same, which has these words."""
    facts, heard, transcribed = outcomes(path)
    assert isinstance(heard, DataError), "features took it"
    assert isinstance(transcribed, DataError), "transcribe took it"
    assert facts.fault, "validate took it"
    assert words in facts.problem + f" ({facts.fix})"
    assert (facts.problem, facts.fix) == (heard.problem, heard.fix) == (transcribed.problem, transcribed.fix)
    assert heard.path == transcribed.path == path


@pytest.mark.parametrize("name", odd.WHOLE)
def test_every_container(tmp_path: Path, name: str) -> None:
    make, exact = odd.WHOLE[name]
    make(tmp_path / name)
    whole = check_read(tmp_path / name, voice(), exact=exact)
    for start, end in ((1.0, 2.0), (2.5, 3.25), (0.5, 1.5), (3.0, -1)):  # the third one goes back
        part = load_audio(str(tmp_path / name), Segment("u", start, end), RATE)
        if facts_of(str(tmp_path / name)).rate == RATE:
            expected = whole[round(start * RATE) : len(whole) if end == -1 else round(end * RATE)]
            np.testing.assert_allclose(part, expected, atol=0.02 if "opus" in name else 1e-4)
    with pytest.raises(DataError, match=r"u 4.5 5.5 lies outside the recording of [34]\.[019]. s"):
        load_audio(str(tmp_path / name), Segment("u", 4.5, 5.5), RATE)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("name", sorted(odd.WHOLE.keys() - odd.UNKNOWABLE))
def test_what_head_leaves_is_named(tmp_path: Path, name: str, share: float) -> None:
    cut(odd.WHOLE[name][0], share)(tmp_path / name)
    check_refused(tmp_path / name, "is cut off")
    with pytest.raises(DataError, match="is cut off"):  # also where the part would be there
        load_audio(str(tmp_path / name), Segment("u", 0.1, 0.5), RATE)


@pytest.mark.parametrize("name", odd.UNKNOWABLE)
def test_what_cannot_be_known_to_be_cut_off_is_read(tmp_path: Path, name: str) -> None:
    cut(odd.WHOLE[name][0])(tmp_path / name)
    check_read(tmp_path / name, voice()[: 2 * RATE], exact=False)


NOISE = (0.2 * np.random.default_rng(0).standard_normal(6 * RATE)).astype(np.float32)
QUIET = voice(2, first=0.001, last=0.001)
TWICE = np.concatenate([voice(), voice()])
FLAC, OGG, OPUS = plain("FLAC"), plain("OGG"), plain("OGG", "OPUS")
UNSTATED_FLAC = patched(FLAC, (b"fLaC", 21, b"\xf0"), (b"fLaC", 22, bytes(20)))
LIST = b"LIST\x04\0\0\0abcd"
READ: dict[str, tuple[Maker, np.ndarray, bool]] = {
    "quiet, then loud.mp3": (
        lambda path: odd.quiet_and_loud(path, quiet_first=True),
        np.concatenate([QUIET, NOISE]),
        False,
    ),
    "loud, then quiet.mp3": (
        lambda path: odd.quiet_and_loud(path, quiet_first=False),
        np.concatenate([NOISE, QUIET]),
        False,
    ),
    "with Xing.mp3": (
        lambda path: odd.quiet_and_loud(path, quiet_first=True, xing=True),
        np.concatenate([QUIET, NOISE]),
        False,
    ),
    "joined.mp3": (joined(odd.WHOLE["xing.mp3"][0], odd.WHOLE["xing.mp3"][0]), TWICE, False),
    "joined without Xing.mp3": (joined(odd.WHOLE["cbr.mp3"][0], odd.WHOLE["cbr.mp3"][0]), TWICE, False),
    "tagged.mp3": (patched(odd.WHOLE["cbr.mp3"][0], tail=b"TAG" + bytes(125)), voice(), False),
    "joined.ogg": (joined(OGG, OGG), TWICE, False),
    "joined.opus": (joined(OPUS, OPUS), TWICE, False),
    "joined.flac": (joined(FLAC, FLAC), TWICE, True),
    "joined.wav": (joined(WAV, WAV), TWICE, True),
    "joined by chunks.wav": (joined(wav_of_sizes(WAV_BYTES + 48, WAV_BYTES, LIST), WAV), TWICE, True),
    "joined.aiff": (joined(plain("AIFF"), plain("AIFF")), TWICE, True),
    "joined.au": (joined(plain("AU"), plain("AU")), TWICE, True),
    "joined.caf": (joined(plain("CAF"), plain("CAF")), TWICE, True),
    "joined.w64": (joined(plain("W64"), plain("W64")), TWICE, True),
    "joined.sph": (joined(plain("NIST"), plain("NIST")), TWICE, True),
    "joined.rf64": (joined(plain("RF64"), plain("RF64")), TWICE, True),
    "begins in the middle.mp3": (odd.tail(odd.WHOLE["vbr.mp3"][0], 0.5), voice()[2 * RATE :], False),
    "thrice.wav": (joined(WAV, WAV, WAV), np.concatenate([TWICE, voice()]), True),
    "joined.aac": (joined(odd.WHOLE["a.aac"][0], odd.WHOLE["a.aac"][0]), TWICE, False),
    "to a pipe.flac": (UNSTATED_FLAC, voice(), True),
    "RIFF is the file's size.wav": (wav_of_sizes(WAV_BYTES + 44, WAV_BYTES), voice(), True),
    "RIFF is the samples' size.wav": (wav_of_sizes(WAV_BYTES, WAV_BYTES), voice(), True),
    "RIFF is 0.wav": (wav_of_sizes(0, WAV_BYTES), voice(), True),
    "RIFF is an empty file's.wav": (wav_of_sizes(36, WAV_BYTES), voice(), True),
    "RIFF is unknown.wav": (wav_of_sizes(0xFFFFFFFF, WAV_BYTES), voice(), True),
    "data is the file's size.wav": (wav_of_sizes(WAV_BYTES + 36, WAV_BYTES + 44), voice(), True),
    "data is odd.wav": (wav_of_sizes(WAV_BYTES + 37, WAV_BYTES + 1), voice(), True),
    "data is too small.wav": (wav_of_sizes(WAV_BYTES + 36, WAV_BYTES - 8), voice(), True),
    "data is of a killed recorder.wav": (wav_of_sizes(32036, 32000), voice(), True),
    "data is 0.wav": (wav_of_sizes(WAV_BYTES + 36, 0), voice(), True),
    "both are 0.wav": (wav_of_sizes(0, 0), voice(), True),
    "unknown as of ffmpeg.wav": (wav_of_sizes(0xFFFFFFFF, 0xFFFFFFFF), voice(), True),
    "unknown as of sox.wav": (wav_of_sizes(0x7FFFF024, 0x7FFFF000), voice(), True),
    "unknown as of arecord.wav": (wav_of_sizes(0x80000024, 0x80000000), voice(), True),
    "chunks behind.wav": (wav_of_sizes(WAV_BYTES + 48, WAV_BYTES, LIST), voice(), True),
    "half a chunk behind.wav": (wav_of_sizes(WAV_BYTES + 48, WAV_BYTES, LIST[:9]), voice(), True),
    "zeros behind.wav": (wav_of_sizes(WAV_BYTES + 36, WAV_BYTES, bytes(500)), voice(), True),
    "a tag behind.wav": (wav_of_sizes(WAV_BYTES + 36, WAV_BYTES, b"TAG" + bytes(125)), voice(), True),
    "unknown.au": (patched(plain("AU"), (b"", 8, b"\xff" * 4)), voice(), True),
    "unknown.caf": (patched(plain("CAF"), (b"data", 4, b"\xff" * 8)), voice(), True),
    "FORM is the file's size.aiff": (
        patched(plain("AIFF"), (b"", 4, struct.pack(">I", WAV_BYTES + 54))),
        voice(),
        True,
    ),
    "FORM is unknown.aiff": (
        patched(plain("AIFF"), (b"", 4, b"\xff" * 4), (b"SSND", 4, b"\xff" * 4)),
        voice(),
        True,
    ),
    "a few bytes cut.wav": (odd.shortened(WAV, 10), voice()[:-5], True),
    "a tag in Latin-1.mp3": (
        joined(of_bytes(b"ID3\x03\0\0\0\0\0\x10TIT2\0\0\0\x06\0\0\0\xe9t\xe9 \xb1"), odd.WHOLE["cbr.mp3"][0]),
        voice(),
        False,
    ),
    "behind a tag.flac": (joined(of_bytes(b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)), FLAC), voice(), True),
    "an MP3 under another name.wav": (odd.coded("libmp3lame", "mp3"), voice(), False),
    "an m4a under another name.mp3": (odd.WHOLE["a.m4a"][0], voice(), False),
    "a WAV under another name.flac": (WAV, voice(), True),
    "a film.mp4": (lambda path: odd.film(path, sound=True), voice(), False),
    "a film.mkv": (lambda path: odd.film(path, sound=True), voice(), False),
    "a:colon 文.m4a": (odd.WHOLE["a.m4a"][0], voice(), False),
    os.fsdecode(b"no text \xff.mp3"): (odd.WHOLE["cbr.mp3"][0], voice(), False),
    os.fsdecode(b"no text \xff.wav"): (WAV, voice(), True),
}


@pytest.mark.parametrize("name", READ)
def test_every_sample_is_read_once(tmp_path: Path, name: str) -> None:
    make, expected, exact = READ[name]
    make(made := tmp_path / f"made{Path(name).suffix}")
    made.rename(tmp_path / name)
    check_read(tmp_path / name, expected, exact=exact)


SHORTEN = patched(
    plain("NIST"), (b"sample_coding", 0, b"sample_coding -s26 pcm,embedded-shorten-v2.00\nx_pad -s1 x\nend_head\n")
)
STEREO = np.stack((voice(), -voice()), axis=1)
REFUSED: dict[str, tuple[Maker, str]] = {
    "nothing.wav": (of_bytes(b""), "is an empty file"),
    "zeros.wav": (of_bytes(bytes(5000)), "holds zero bytes and no sound"),
    "text.wav": (of_bytes(b"no sound at all\n"), "is no sound but text"),
    "a long text.mp3": (of_bytes("été ".encode() * 2000), "is no sound but text"),
    "words that are boxes of MP4.wav": (of_bytes(b"how wide, and free\n"), "is no sound but text"),
    "page.mp3": (of_bytes(b"<!DOCTYPE html><html>404</html>"), "is no sound but an HTML page"),
    "answer.wav": (of_bytes(b'{"error": "not found"}'), "is no sound but JSON"),
    "long answer.wav": (of_bytes(b'{"error": "' + b"x" * 9000 + b'"}'), "is no sound but JSON"),
    "pointer.flac": (of_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
    "list.m3u8": (of_bytes(b"#EXTM3U\n/etc/passwd\n"), "is no sound but a playlist"),
    "list with a byte that is none of a text.m3u8": (
        of_bytes(b"#EXTM3U\n#\1\n/etc/passwd\n"),
        "is no sound but a playlist",
    ),
    "list for libav.wav": (of_bytes(b"ffconcat version 1.0\n#\1\nfile a.wav\n"), "is no sound but a playlist"),
    "picture.wav": (of_bytes(b"\x89PNG\r\n\x1a\n" + bytes(900)), "is no sound but a picture (PNG)"),
    "picture.mp3": (of_bytes(b"\xff\xd8\xff\xe0" + bytes(900)), "is no sound but a picture (JPEG)"),
    "archive.wav": (of_bytes(b"PK\x03\x04" + bytes(900)), "an archive (zip)"),
    "packed.wav": (of_bytes(b"\x1f\x8b\x08" + bytes(900)), "an archive (gzip)"),
    "random.wav": (of_bytes(np.random.default_rng(0).bytes(9000)), "cannot be read as audio"),
    "head alone.wav": (of_bytes(b"RIFF?"), "cannot be read as audio"),
    "shorten.sph": (SHORTEN, "sph2pipe"),
    "silent film.mp4": (lambda path: odd.film(path, sound=False), "holds no sound track, only video"),
    "unknown coding.wav": (patched(WAV, (b"fmt ", 8, b"\x99\x99")), "is in a coding that is not known"),
    "unknown coding.sph": (patched(plain("NIST"), (b"-s3 pcm", 4, b"xyz")), "sph2pipe"),
    "a rate of nobody.wav": (patched(WAV, (b"fmt ", 12, struct.pack("<I", 7))), "states a rate of 7 Hz"),
    "locked.m4a": (patched(odd.WHOLE["a.m4a"][0], (b"mp4a", 0, b"drms")), "is protected (DRM)"),
    "joined.m4a": (joined(*[odd.WHOLE["a.m4a"][0]] * 2), "is several files joined"),
    "joined.webm": (joined(*[odd.WHOLE["a.webm"][0]] * 2), "is several files joined"),
    "half to a pipe.flac": (cut(UNSTATED_FLAC), "is cut off"),
    "half of joined.wav": (cut(joined(WAV, WAV), 0.75), "is cut off"),
    "half of joined.ogg": (cut(joined(OGG, OGG), 0.75), "is cut off"),
    "half of joined.mp3": (cut(joined(*[odd.WHOLE["xing.mp3"][0]] * 2), 0.75), "is cut off"),
    "two rates.wav": (joined(WAV, plain("WAV", rate=8000)), "changes its rate from 16000 to 8000 Hz at 4.00 s"),
    "two rates.mp3": (
        joined(*(odd.coded("libmp3lame", rate=rate, options=odd.NO_XING) for rate in (16000, 44100))),
        "changes its rate from 16000 to 44100 Hz at 4.",
    ),
    "damaged.ogg": (patched(OGG, (b"", 6000, bytes(60))), "is cut off or damaged"),
    "damaged.flac": (patched(FLAC, (b"", 30000, bytes(9000))), "is cut off"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    make, words = REFUSED[name]
    make(made := tmp_path / f"made{Path(name).suffix}")
    made.rename(tmp_path / name)
    check_refused(tmp_path / name, words)


def test_names_of_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    WAV(tmp_path / "a.wav")
    (tmp_path / "audio").mkdir()
    WAV(tmp_path / "audio/clip.wav")
    for name, words in (
        ("b.wav", "there is no such file"),
        ("audio", "is a folder, not a sound file (name the files in it: audio/*.wav)"),
        ("audio\\clip.wav", "written as on Windows (write audio/clip.wav, which is there)"),
        ("C:\\audio\\clip.wav", "written as on Windows (write its path on this machine, with /)"),
        ("~/clip.wav", "only a shell knows what ~ is (write /"),
        ("https://x.org/clip.wav", "is an address, not a file"),
        ("a.wav/b.wav", "there is no such file"),
    ):
        check_refused(Path(name), words)
        assert facts_of(name).fault == "audio-missing"


LEVELS: dict[str, tuple[np.ndarray, str | None]] = {
    "one side inverted": (STEREO, "its 2 channels cancel each other"),
    "one side nearly inverted": (STEREO * [1, 0.99], "its 2 channels cancel each other"),
    "sides apart": (np.stack((voice(), 0 * voice()), axis=1), None),
    "both sides": (np.stack((voice(), voice()), axis=1), None),
    "range of 16 bits": (voice() * 32768, "as of 16-bit integers that were written as floats"),
    "range of 32 bits": (voice() * 2**31, "as of 32-bit integers that were written as floats"),
    "range of nothing": (voice() * 1e12, "where 1 is full scale"),
    "a little beyond": (voice() * 3, None),
    "silence": (np.zeros(RATE), None),
    "silent sides": (np.zeros((RATE, 2)), None),
}


@pytest.mark.parametrize("name", LEVELS)
def test_levels(tmp_path: Path, name: str) -> None:
    """Validate has rules for them, with the same words: see test_broken_directories.py."""
    samples, words = LEVELS[name]
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    facts, heard, transcribed = outcomes(tmp_path / "a.wav")
    assert not facts.fault
    if words is None:
        assert isinstance(heard, np.ndarray)
        assert isinstance(transcribed, np.ndarray)
    else:
        assert isinstance(heard, DataError)
        assert isinstance(transcribed, DataError)
        assert words in heard.problem
        assert heard.problem == transcribed.problem


def test_libav_opens_no_other_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", voice(), RATE)
    (tmp_path / "list").write_text("ffconcat version 1.0\nfile a.wav\n")
    with pytest.raises(DataError, match="cannot be read as audio"):
        list(libav.blocks(str(tmp_path / "list"), Layout()))


@pytest.mark.parametrize("decoder", [sndfile, libav])
def test_memory_does_not_grow_with_channels(
    tmp_path: Path, decoder: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MOST_VALUES", 8000)
    samples = np.repeat(voice()[:20000, None], 8, axis=1)
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    blocks = [block for _, block in decoder.blocks(str(tmp_path / "a.wav"), Layout())]
    assert max(block.size for block in blocks) <= 8000 + 8 * 4096, "a frame of libav's more"
    np.testing.assert_allclose(np.concatenate(blocks), samples, atol=1e-4)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.m4a", "a.mp3"])
def test_memory_stays_flat(tmp_path: Path, name: str) -> None:
    codecs = {"a.m4a": "aac", "a.mp3": "libmp3lame", "a.flac": "flac", "a.wav": "pcm_s16le"}
    odd.encode(tmp_path / name, np.tile(voice(), 15), RATE, codecs[name])
    blocks = [len(block) for block in read_blocks(tmp_path / name, RATE)]
    assert max(blocks) <= 10 * RATE
    assert abs(sum(blocks) - 60 * RATE) < 0.2 * RATE
