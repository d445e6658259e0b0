"""Features: Kaldi's filter banks, arks that survive a kill, speed copies, statistics, and unreadable audio."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from jointst.common.errors import DataError
from jointst.common.units import frames_in
from jointst.config import Config, DataConfig, FeatureConfig
from jointst.config.context import Context
from jointst.data import features
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.log_mel import log_mel
from jointst.kaldi.speed import change_speed


@pytest.mark.parametrize(
    ("rate", "window", "hop", "bins"), [(16000, 25.0, 10.0, 80), (8000, 25.0, 10.0, 40), (16000, 32.0, 8.0, 64)]
)
def test_same_as_kaldi(rate: int, window: float, hop: float, bins: int) -> None:
    config = FeatureConfig(sampling_rate=rate, window=window, hop=hop, mel_bins=bins)
    waveform = 0.1 * torch.randn(rate, generator=torch.Generator().manual_seed(0))
    ours = log_mel(waveform, config)
    kaldi = torchaudio.compliance.kaldi.fbank(
        waveform[None] * 32768,
        num_mel_bins=bins,
        frame_length=window,
        frame_shift=hop,
        sample_frequency=rate,
        dither=0.0,
        energy_floor=0.0,
    )
    assert ours.shape == (frames_in(rate, config.window_samples, config.hop_samples), bins)
    torch.testing.assert_close(ours, kaldi, atol=2e-3, rtol=0)


def test_windows_at_the_edges_reflect_as_in_kaldi() -> None:
    config = FeatureConfig(mel_bins=20, edges="reflect", high_frequency=-400.0, floor=128.0)
    samples = 0.1 * torch.randn(16000 + 79)
    wider = torch.cat([samples[:120].flip(0), samples, samples[-200:].flip(0)])
    snipped = log_mel(wider, dataclasses.replace(config, edges="snip"))
    assert len(log_mel(samples, config)) == 100
    torch.testing.assert_close(log_mel(samples, config), snipped[:100])
    assert len(log_mel(samples[:79], config)) == 0
    assert len(log_mel(samples[:80], config)) == 1, "of audio shorter than what is reflected, too"
    silent = log_mel(torch.zeros(1600), config)
    torch.testing.assert_close(silent, torch.full((10, 20), math.log(128.0)))
    assert "floor" in config.stated()
    assert not {"edges", "high_frequency", "floor"} & FeatureConfig().stated().keys(), "what was made before holds"


@pytest.mark.parametrize("samples", [0, 1, 399, 400, 401, 559, 560])
def test_number_of_frames_and_silence(samples: int) -> None:
    config = FeatureConfig()
    silence = log_mel(torch.zeros(samples), config)
    assert silence.shape == (frames_in(samples, 400, 160), 80)
    assert (silence == 0).all()


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A recipe folder with three sets of noise; stage 4 has two jobs for the training set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(features, "JOB_UTTERANCES", 4)
    generator = np.random.default_rng(0)
    for name, size in (("x_train", 6), ("x_dev", 2), ("x_test", 2)):
        audio = {}
        for index in range(size):
            path = Path("audio") / name / f"{index}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * generator.standard_normal(8000 + 100 * index), 16000)
            audio[f"{name}-{index}"] = str(path)
        text = dict.fromkeys(audio, "a b")
        DataDirectory(
            Path(name),
            text,
            dict.fromkeys(audio, name),
            dict.fromkeys(audio, "en"),
            audio,
            phones=dict.fromkeys(audio, "p"),
        ).write(Path("data") / name)
    return make_context()


def make_context(**settings: object) -> Context:
    sets = DataConfig(train=("x_train",), dev=("x_dev",), test=("x_test",), unpaired=())
    speeds = {"speed_perturbation": (1.0, 0.9), "compress": False}
    return Context(config=Config(data=sets, features=FeatureConfig(**{**speeds, **settings})), name="t", nj=1)


def test_stage_writes_what_log_mel_gives(context: Context) -> None:
    features.run(context)
    train = DataDirectory.read(Path("data/x_train"))
    assert train.feats_scp.keys() == train.utt2num_frames.keys() == train.text.keys()
    everything = []
    for utterance, place in train.feats_scp.items():
        samples, _ = soundfile.read(train.wav_scp[utterance], dtype="float32")
        expected = log_mel(torch.from_numpy(samples), context.config.features).numpy()
        np.testing.assert_array_equal(kaldiio.load_mat(place), expected)
        assert train.utt2num_frames[utterance] == len(expected)
        everything.append(expected)
    copy = DataDirectory.read(Path("data/x_train_sp0.9"))
    assert copy.text == {f"sp0.9-{key}": value for key, value in train.text.items()}
    assert set(copy.utt2spk.values()) == {"sp0.9-x_train"}
    assert copy.phones.keys() == copy.feats_scp.keys() == copy.utt2lang.keys() == copy.text.keys()
    assert copy.utt2num_frames["sp0.9-x_train-0"] == frames_in(8889, 400, 160)  # ceil(8000 / 0.9) samples
    assert not Path("data/x_dev_sp0.9").exists()
    everything += [kaldiio.load_mat(place) for place in copy.feats_scp.values()]
    frames = np.concatenate(everything)
    statistics = np.load("data/cmvn.npz")
    np.testing.assert_allclose(statistics["mean"], frames.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(1 / statistics["inverse_std"], frames.std(axis=0), atol=1e-3)


def test_compressed_arks_are_close_and_a_quarter_of_the_size(context: Context) -> None:
    features.run(context)
    size = Path("dump/data/x_train/feats.1.ark").stat().st_size
    exact = kaldiio.load_mat(DataDirectory.read(Path("data/x_train")).feats_scp["x_train-0"])
    features.run(make_context(compress=True))
    assert Path("dump/data/x_train/feats.1.ark").stat().st_size < 0.35 * size
    close = kaldiio.load_mat(DataDirectory.read(Path("data/x_train")).feats_scp["x_train-0"])
    assert np.abs(exact - close).max() < 0.1


def test_finished_jobs_are_taken_over_and_changed_audio_is_not(context: Context) -> None:
    features.run(context)
    kept, lost = Path("dump/data/x_train/feats.1.ark"), Path("dump/data/x_train/feats.2.ark")
    bytes_of_lost, inode = lost.read_bytes(), kept.stat().st_ino
    # as after kill -9 in the second job: no record, and half an ark under a temporary name of a process that is gone
    lost.with_suffix(".json").unlink()
    lost.unlink()
    Path("data/x_train/feats.scp").unlink()
    features.run(context)
    assert lost.read_bytes() == bytes_of_lost
    assert kept.stat().st_ino == inode
    assert (
        DataDirectory.read(Path("data/x_train")).feats_scp.keys()
        == DataDirectory.read(Path("data/x_train")).text.keys()
    )
    soundfile.write("audio/x_train/0.wav", np.zeros(8000), 16000)
    features.run(context)
    assert kept.stat().st_ino != inode
    assert (kaldiio.load_mat(DataDirectory.read(Path("data/x_train")).feats_scp["x_train-0"]) == 0).all()


def test_unreadable_audio_is_named_and_counted(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    Path("audio/x_train/3.wav").write_bytes(b"damaged")
    soundfile.write("audio/x_train/4.wav", np.zeros(10), 16000)
    with pytest.raises(DataError, match=r"2 of 10 utterances have no usable audio.*max_failures above 0\.2"):
        features.run(context)
    assert "audio/x_train/3.wav utterance x_train-3: is no sound but text" in capsys.readouterr().err
    assert not Path("data/x_train/feats.scp").exists()
    features.run(make_context(max_failures=0.3))
    train = DataDirectory.read(Path("data/x_train"))
    assert train.text.keys() - train.feats_scp.keys() == {"x_train-3", "x_train-4"}
    assert len(DataDirectory.read(Path("data/x_train_sp0.9")).text) == 4


def test_speed_keeps_pitch_times_speed() -> None:
    samples = np.sin(2 * np.pi * 500 * np.arange(16000) / 16000).astype(np.float32)
    faster = change_speed(samples, 1.25)
    assert faster.shape == (12800,)
    assert np.abs(np.fft.rfft(faster)).argmax() == 500  # 625 Hz in 0.8 s


def test_two_processes_give_the_same_bytes(context: Context) -> None:
    features.run(context)
    before = {path: path.read_bytes() for path in Path("dump").rglob("*.ark")}
    for path in Path("dump").rglob("feats.*"):
        os.unlink(path)
    features.run(Context(config=context.config, name="t", nj=2))
    assert {path: path.read_bytes() for path in Path("dump").rglob("*.ark")} == before
