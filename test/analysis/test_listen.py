"""What a report plays: the right part of the right recording, or a reason why not."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.analysis.listen import LONGEST, RATE, Recordings

TONES = {"a-low": 300.0, "a-high": 1200.0}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two utterances of two seconds in one recording at 44.1 kHz: a low tone, a high one."""
    folder = tmp_path / "t"
    folder.mkdir()
    time = np.arange(2 * 44100) / 44100
    sound = np.concatenate([0.3 * np.sin(2 * np.pi * tone * time) for tone in TONES.values()])
    soundfile.write(tmp_path / "a.wav", sound, 44100)
    (folder / "wav.scp").write_text(f"rec {tmp_path / 'a.wav'}\n")
    (folder / "segments").write_text("a-high rec 2.0 4.0\na-low rec 0.0 2.0\n")
    for name, value in (("text", "tone"), ("utt2spk", "a"), ("utt2lang", "en")):
        (folder / name).write_text("".join(f"{key} {value}\n" for key in sorted(TONES)))
    return tmp_path


def heard(player: str) -> tuple[np.ndarray, int]:
    [encoded] = re.findall(r'src="data:audio/ogg;base64,([^"]+)"', player)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(encoded)))
    return samples, rate


def test_each_utterance_is_its_own_part_of_the_recording(data: Path) -> None:
    recordings = Recordings(data)
    for utterance, tone in TONES.items():
        samples, rate = heard(recordings.player("t", utterance))
        assert len(samples) / rate == pytest.approx(2.0, abs=0.05)
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        assert np.argmax(spectrum) * rate / len(samples) == pytest.approx(tone, abs=10)
    assert not recordings.silent


def test_what_cannot_be_heard(data: Path) -> None:
    recordings = Recordings(data)
    assert recordings.player("t", "other") == ""
    assert recordings.player("no_such_set", "a-low") == ""
    assert not recordings.silent
    (data / "a.wav").unlink()
    assert recordings.player("t", "a-low") == ""
    assert "there is no such file" in recordings.silent["a-low"]


def test_a_damaged_set_costs_the_players_and_no_more(data: Path) -> None:
    (data / "t" / "segments").write_text("a-high rec 2.0\n")
    recordings = Recordings(data)
    assert recordings.player("t", "a-low") == ""
    assert "segments" in recordings.silent["a-low"]


def test_long_ones_are_cut(data: Path) -> None:
    soundfile.write(data / "a.wav", np.full(16000 * 40, 0.1), 16000)
    (data / "t" / "segments").unlink()
    for name, value in (("text", "long"), ("utt2spk", "a"), ("utt2lang", "en")):
        (data / "t" / name).write_text(f"rec {value}\n")
    samples, rate = heard(Recordings(data).player("t", "rec"))
    assert len(samples) / rate == pytest.approx(LONGEST, abs=0.1)
    assert rate in (RATE, 48000)
