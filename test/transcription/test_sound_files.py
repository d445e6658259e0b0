"""Sound files in blocks, and every way in which a file can be bad."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.common.errors import DataError
from jointst.kaldi.audio import load_audio
from jointst.transcription.sound_files import read_blocks


def noise(seconds: float, rate: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(round(seconds * rate))


@pytest.mark.parametrize(("name", "rate"), [("a.wav", 44100), ("a.flac", 8000), ("a.ogg", 48000), ("a.mp3", 16000)])
def test_blocks_are_the_whole_file(tmp_path: Path, name: str, rate: int) -> None:
    path = tmp_path / name
    samples = np.stack([noise(23, rate), 0.5 * noise(23, rate)], axis=1)
    soundfile.write(path, samples, rate)
    blocks = list(read_blocks(path, 16000))
    assert max(len(block) for block in blocks) <= 161_000
    np.testing.assert_allclose(np.concatenate(blocks), load_audio(str(path), None, 16000), atol=1e-4)


def test_a_whole_file_may_hold_nothing(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16000)
    assert sum(len(block) for block in read_blocks(tmp_path / "a.wav", 16000)) == 0


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.au", "a.w64", "a.caf"])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.95])
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    soundfile.write(path, noise(5, 16000), 16000)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=name):
        list(read_blocks(path, 16000))


@pytest.mark.parametrize("claimed", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_that_a_pipe_wrote_is_whole(tmp_path: Path, claimed: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1, 16000), 16000)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = content[4:8] = struct.pack("<I", claimed)
    path.write_bytes(content)
    assert sum(len(block) for block in read_blocks(path, 16000)) == 16000


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_named(tmp_path: Path, value: float) -> None:
    samples = noise(15, 8000)
    samples[100_000] = value
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    with pytest.raises(DataError, match=r"a\.wav: the sample at 12\.500 s is not a finite number"):
        list(read_blocks(tmp_path / "a.wav", 16000))


def test_what_is_no_sound_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent.wav: there is no such file"):
        list(read_blocks(tmp_path / "absent.wav", 16000))
    with pytest.raises(DataError, match=r"is a folder, not a sound file \(name the files in it: .*\*\.wav"):
        list(read_blocks(tmp_path, 16000))
    (tmp_path / "empty.wav").touch()
    with pytest.raises(DataError, match="empty.wav: is an empty file"):
        list(read_blocks(tmp_path / "empty.wav", 16000))
    (tmp_path / "text.wav").write_text("no sound at all")
    with pytest.raises(DataError, match="text.wav: is no sound but text"):
        list(read_blocks(tmp_path / "text.wav", 16000))
