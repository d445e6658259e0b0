"""Features made each time: those of arks, at all speeds and of segments; the same statistics; what changed is named."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
import torch

from jointst.common.errors import DataError
from jointst.config import AudioEncoderConfig, Config, DataConfig, FeatureConfig
from jointst.config.context import Context
from jointst.data import features
from jointst.data.on_the_fly import Recipe, find_spoken, is_on_the_fly
from jointst.data.read_features import read_features
from jointst.kaldi.directory import DataDirectory, Segment
from jointst.kaldi.log_mel import log_mel

RATES = (16000, 8000, 16000, 22050)


def context(**settings: object) -> Context:
    sets = DataConfig(train=("x_train",), dev=("x_dev",), test=("x_test",), unpaired=())
    plain = {"speed_perturbation": (1.0, 0.9), "compress": False}
    return Context(config=Config(data=sets, features=FeatureConfig(**{**plain, **settings})), name="t", nj=1)


@pytest.fixture(autouse=True)
def _recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe's folder: the training set is in segments, its recordings at several rates; two jobs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(features, "JOB_UTTERANCES", 4)
    generator = np.random.default_rng(0)
    Path("audio").mkdir()
    for name, size in (("x_train", 6), ("x_dev", 2), ("x_test", 2)):
        keys = [f"{name}-{index}" for index in range(size)]
        audio = {}
        for key, rate in zip(keys, RATES * 2):
            audio[key] = f"audio/{key}.wav"
            soundfile.write(audio[key], 0.1 * generator.standard_normal(rate + 77), rate)
        parts = {f"{key}-s": Segment(key, 0.2, 0.9 if key.endswith("1") else -1) for key in keys}
        segments = parts if name == "x_train" else {}
        ids = list(segments) or keys
        text, langs = dict.fromkeys(ids, "a"), dict.fromkeys(ids, "en")
        speakers = dict.fromkeys(ids, name)
        DataDirectory(Path(name), text, speakers, langs, audio, segments, phones=text).write(Path("data") / name)


def stored(name: str) -> dict[str, torch.Tensor]:
    return {key: read_features(place) for key, place in DataDirectory.read(Path("data") / name).feats_scp.items()}


@pytest.mark.parametrize("edges", ["snip", "reflect"])
def test_same_as_arks(edges: str) -> None:
    sets = ("x_train", "x_train_sp0.9", "x_dev", "x_test")
    features.run(context(edges=edges))
    arks, cmvn = {name: stored(name) for name in sets}, dict(np.load("data/cmvn.npz"))
    frames = {name: DataDirectory.read(Path("data") / name).utt2num_frames for name in sets}
    assert list(Path("dump").rglob("*.ark"))
    made = features.run(context(edges=edges, storage="on_the_fly"))
    assert "to be made each time" in made.what
    assert not list(Path("dump").rglob("*.ark")), "which feats.scp names no more"
    for name in sets:
        now = stored(name)
        assert now.keys() == arks[name].keys()
        assert all(is_on_the_fly(place) for place in DataDirectory.read(Path("data") / name).feats_scp.values())
        for key, matrix in now.items():
            torch.testing.assert_close(matrix, arks[name][key], atol=1e-4, rtol=0)
        assert DataDirectory.read(Path("data") / name).utt2num_frames == frames[name]
    for key, values in np.load("data/cmvn.npz").items():
        np.testing.assert_array_equal(values, cmvn[key])
    features.run(context(edges=edges))
    assert not list(Path("dump").rglob("*.jsonl"))


def test_arks_are_as_they_were() -> None:
    """The default: what stage 4 wrote before there was another way."""
    features.run(context())
    place = DataDirectory.read(Path("data/x_dev")).feats_scp["x_dev-0"]
    samples, _ = soundfile.read("audio/x_dev-0.wav", dtype="float32")
    expected = log_mel(torch.from_numpy(samples), FeatureConfig()).numpy()
    np.testing.assert_array_equal(kaldiio.load_mat(place), expected)
    assert "storage" not in FeatureConfig().stated()


def test_finished_jobs_are_taken_over_and_changed_audio_is_not() -> None:
    live = context(storage="on_the_fly")
    features.run(live)
    kept = {path: path.stat().st_ino for path in Path("dump").rglob("*.jsonl")}
    features.run(live)
    assert {path: path.stat().st_ino for path in Path("dump").rglob("*.jsonl")} == kept
    soundfile.write("audio/x_dev-0.wav", np.full(9000, 0.1), 16000)
    features.run(live)
    assert DataDirectory.read(Path("data/x_dev")).utt2num_frames["x_dev-0"] == 54


def test_unreadable_audio_is_found_by_the_stage(capsys: pytest.CaptureFixture[str]) -> None:
    Path("audio/x_train-3.wav").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"1 of 10 utterances have no usable audio"):
        features.run(context(storage="on_the_fly"))
    features.run(context(storage="on_the_fly", max_failures=0.3))
    train = DataDirectory.read(Path("data/x_train"))
    assert train.text.keys() - train.feats_scp.keys() == {"x_train-3-s"}
    assert "x_train-3.wav" in capsys.readouterr().err


def test_what_changed_after_the_stage_is_named() -> None:
    features.run(context(storage="on_the_fly"))
    place = DataDirectory.read(Path("data/x_dev")).feats_scp["x_dev-0"]
    soundfile.write("audio/x_dev-0.wav", np.full(9000, 0.1), 16000)
    with pytest.raises(DataError, match=r"x_dev-0\.wav utterance x_dev-0: gives 54 frames, and 98 .*run stage 4"):
        read_features(place)
    Path("audio/x_dev-0.wav").unlink()
    with pytest.raises(DataError, match=r"x_dev-0\.wav utterance x_dev-0: there is no such file"):
        read_features(place)


@pytest.mark.parametrize("content", [b"", b"{}\n", b'{"features": 1}\nnot json\n', None])
def test_a_damaged_file_is_named(content: bytes | None) -> None:
    features.run(context(storage="on_the_fly"))
    place = DataDirectory.read(Path("data/x_dev")).feats_scp["x_dev-1"]
    file = Path(place.rpartition(":")[0])
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(
        DataError, match=r"feats\.1\.jsonl:\d+: features cannot be made.*stage 4, features, with --force"
    ):
        read_features(place)


def test_a_line_says_all_that_is_needed() -> None:
    features.run(context(storage="on_the_fly", mel_bins=20))
    spoken = find_spoken(DataDirectory.read(Path("data/x_train_sp0.9")).feats_scp["sp0.9-x_train-1-s"])
    assert (spoken.utterance, spoken.entry, spoken.speed) == ("x_train-1-s", "audio/x_train-1.wav", 0.9)
    assert spoken.segment == Segment("x_train-1", 0.2, 0.9)
    assert spoken.recipe.config.mel_bins == 20
    encoder = AudioEncoderConfig(kind="whisper", source="whisper-base", use="fine_tuned")
    recipe = dataclasses.replace(spoken.recipe, encoder=(encoder, Path("downloads/whisper")))
    assert Recipe.parse(recipe.to_line()) == recipe
    assert json.loads(recipe.to_line())["wav_scp"] == "data/x_train/wav.scp"
