"""Audio: formats, segments, resampling, pipes, and the faults of files."""

from __future__ import annotations

import pickle
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile

from jointst.common.errors import DataError
from jointst.kaldi.audio import PIPES, load_audio
from jointst.kaldi.directory import Segment

RATE = 16000


def tone(seconds: float, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def test_file_and_segment(tmp_path: Path) -> None:
    samples = tone(1.0)
    soundfile.write(tmp_path / "a.flac", samples, RATE)
    whole = load_audio(str(tmp_path / "a.flac"), None, RATE)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole, samples, atol=1e-4)
    part = load_audio(str(tmp_path / "a.flac"), Segment("a", 0.25, 0.5), RATE)
    np.testing.assert_array_equal(part, whole[4000:8000])
    np.testing.assert_array_equal(load_audio(str(tmp_path / "a.flac"), Segment("a", 0.9, -1), RATE), whole[14400:])


def test_channels_are_averaged_and_rate_is_changed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack((tone(0.5, 44100), 0 * tone(0.5, 44100)), axis=1), 44100, "FLOAT")
    loaded = load_audio(str(tmp_path / "a.wav"), None, RATE)
    assert loaded.shape == (8000,)
    np.testing.assert_allclose(loaded[500:-500], tone(0.5)[500:-500] / 2, atol=2e-3)


def test_ark(tmp_path: Path) -> None:
    samples = (tone(0.3) * 32767).astype(np.int16)
    kaldiio.save_ark(str(tmp_path / "a.ark"), {"u": (RATE, samples)}, scp=str(tmp_path / "scp"))
    entry = (tmp_path / "scp").read_text().split(" ", 1)[1].strip()
    np.testing.assert_allclose(load_audio(entry, None, RATE), samples / 32768, atol=1e-6)
    kaldiio.save_ark(str(tmp_path / "m.ark"), {"u": np.zeros((3, 4), np.float32)}, scp=str(tmp_path / "scp"))
    with pytest.raises(DataError, match="a matrix"):
        load_audio((tmp_path / "scp").read_text().split(" ", 1)[1].strip(), None, RATE)


def test_an_ark_of_a_pickle_runs_no_code(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "run",)  # type: ignore[return-value]

    (tmp_path / "a.ark").write_bytes(b"u PKL" + pickle.dumps(Harmful()))
    with pytest.raises(DataError, match=r"a\.ark.*: holds a pickle there"):
        load_audio(f"{tmp_path}/a.ark:2", None, RATE)
    assert not (tmp_path / "run").exists()


def test_half_an_ark(tmp_path: Path) -> None:
    samples = (tone(0.3) * 32767).astype(np.int16)
    path = tmp_path / "a.ark"
    kaldiio.save_ark(str(path), {"u-1": (RATE, samples), "v-1": (RATE, samples)}, scp=str(tmp_path / "scp"))
    first, second = (line.split(" ", 1)[1] for line in (tmp_path / "scp").read_text().splitlines())
    path.write_bytes(path.read_bytes()[:-4000])
    assert load_audio(first, None, RATE).shape == samples.shape
    with pytest.raises(DataError, match="utterance v-1: is cut off: it promises 9600 bytes of samples and holds 5600"):
        load_audio(second, None, RATE, utterance="v-1")


def test_pipe_needs_to_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", tone(0.1), RATE)
    monkeypatch.delenv(PIPES, raising=False)
    entry = f"touch {tmp_path}/ran; cat {tmp_path}/a.wav |"
    with pytest.raises(DataError, match=f"wav.scp utterance u: is a pipe.*{PIPES}=1"):
        load_audio(entry, None, RATE, utterance="u", path=Path("wav.scp"))
    assert not (tmp_path / "ran").exists()
    monkeypatch.setenv(PIPES, "1")
    assert load_audio(entry, None, RATE).shape == (1600,)
    with pytest.raises(DataError, match="ended with status 3"):
        load_audio("exit 3 |", None, RATE)
    part = load_audio(entry, Segment("a", 0.05, -1), RATE)
    np.testing.assert_array_equal(part, load_audio(entry, None, RATE)[800:])
    for cut, words in ((f"head -c 1000 {tmp_path}/a.wav |", "wrote is cut off"), ("true |", "wrote is an empty file")):
        with pytest.raises(DataError, match=f"the pipe gave no audio: what it {words}"):
            load_audio(cut, None, RATE)


def test_faults_name_file_and_utterance(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"not audio at all")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), RATE, "FLOAT")
    soundfile.write(tmp_path / "short.wav", tone(1.0), RATE)
    cases = [
        ("none.wav", None, "there is no such file"),
        ("bad.wav", None, "is no sound but text"),
        ("empty.wav", None, "holds no samples"),
        ("nan.wav", None, "not a finite number"),
        ("short.wav", Segment("short", 2.0, 3.0), "outside the recording of 1.00 s"),
        ("short.wav", Segment("short", 0.5, 1.6), "outside the recording"),
        ("none.ark:12", None, "no such ark"),
    ]
    for name, segment, problem in cases:
        with pytest.raises(DataError, match=problem) as caught:
            load_audio(str(tmp_path / name), segment, RATE, utterance="utt7")
        assert "utterance utt7" in str(caught.value)
        assert name in str(caught.value)
