"""Stage 4 on shards: lengths without reading, statistics of a part, features as on the fly; what is in no shard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from data.shards.speech import make_directory

from jointst.common.errors import DataError
from jointst.config import Config, DataConfig, FeatureConfig
from jointst.config.context import Context
from jointst.data import features
from jointst.data.read_features import read_features
from jointst.data.shards.command import run
from jointst.kaldi.directory import DataDirectory, Segment
from jointst.kaldi.tables import read_table, write_table


def context(storage: str, **settings: object) -> Context:
    sets = DataConfig(train=("train",), dev=("dev",), test=("test",), unpaired=())
    plain = {"speed_perturbation": (1.0, 0.9), "storage": storage}
    return Context(config=Config(data=sets, features=FeatureConfig(**{**plain, **settings})), name="t", nj=1)


@pytest.fixture(autouse=True)
def _recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe whose sets are in shards; stage 4 has several jobs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(features, "JOB_UTTERANCES", 3)
    for name in ("train", "dev", "test"):
        make_directory(f"plain_{name}", rate=22050 if name == "dev" else 16000)
        words = ["--shards", f"shards/{name}", "--out", f"data/{name}", "--utterances", "2", "--nj", "1"]
        run([f"data/plain_{name}", *words])


SETS = ("train", "train_sp0.9", "dev", "test")


def stored() -> dict[str, dict[str, torch.Tensor]]:
    directories = {name: DataDirectory.read(Path("data") / name) for name in SETS}
    return {
        name: {key: read_features(place) for key, place in directory.feats_scp.items()}
        for name, directory in directories.items()
    }


@pytest.mark.parametrize("rate", [16000, 8000])
def test_same_as_on_the_fly(rate: int) -> None:
    features.run(context("on_the_fly", sampling_rate=rate))
    expected, cmvn = stored(), dict(np.load("data/cmvn.npz"))
    lengths = {name: DataDirectory.read(Path("data") / name).utt2num_frames for name in SETS}
    features.run(context("shards", sampling_rate=rate))
    for name, matrices in stored().items():
        assert matrices.keys() == expected[name].keys()
        assert all(torch.equal(matrix, expected[name][key]) for key, matrix in matrices.items())
        assert DataDirectory.read(Path("data") / name).utt2num_frames == lengths[name]
    for key, values in np.load("data/cmvn.npz").items():
        np.testing.assert_array_equal(values, cmvn[key])


def test_statistics_of_a_part_and_nothing_else_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "STATISTICS", 5)  # of 10 utterances at both speeds: every second one of each job of 3
    Path("shards/test/000000.tar").unlink()
    Path("shards/dev/000000.tar").unlink()
    features.run(context("shards"))
    heard = []
    for name in ("train", "train_sp0.9"):
        directory = DataDirectory.read(Path("data") / name)
        heard += [read_features(directory.feats_scp[directory.utterances[i]]).numpy() for i in (0, 2, 3)]
    frames = np.concatenate(heard)
    np.testing.assert_allclose(np.load("data/cmvn.npz")["mean"], frames.mean(axis=0), atol=1e-3)


def shorter(path: Path) -> None:
    table = read_table(path / "utt2dur")
    write_table(path / "utt2dur", dict.fromkeys(table, "0.2"))


def without_lengths(path: Path) -> None:
    (path / "utt2dur").unlink()


def odd_length(path: Path) -> None:
    write_table(path / "utt2dur", read_table(path / "utt2dur") | {"s-plain": "long"})


def segments(path: Path) -> None:
    write_table(path / "segments", {key: Segment(key, 0, -1) for key in read_table(path / "wav.scp")})


def files(path: Path) -> None:
    write_table(path / "wav.scp", read_table(path / "wav.scp") | {"s-plain": "audio/plain_train_0.wav"})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shorter, r"gives 48 frames, and 18 by utt2dur.*run jointst shard again"),
        (without_lengths, r"data/train/utt2dur utterance .*: has no length.*run jointst shard again"),
        (odd_length, r"data/train/utt2dur utterance s-plain: 'long' is no number of seconds"),
        (segments, r"data/train/segments: has segments, and shards hold utterances.*jointst shard"),
        (files, r"data/train/wav\.scp utterance s-plain: audio/plain_train_0\.wav is in no shard.*on_the_fly"),
    ],
)
def test_what_does_not_fit_is_refused(damage: Callable[[Path], None], said: str) -> None:
    damage(Path("data/train"))
    with pytest.raises(DataError, match=said):
        features.run(context("shards"))


def test_arks_can_be_made_of_shards() -> None:
    features.run(context("arks", compress=False))
    arks = stored()
    features.run(context("on_the_fly"))
    for name, matrices in stored().items():
        for key, matrix in matrices.items():
            torch.testing.assert_close(matrix, arks[name][key], atol=1e-4, rtol=0)
