"""Training on features made each time, with augmentation: exact after a break, alone and in a batch, in processes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from jointst.common.errors import DataError
from jointst.config import AugmentationConfig, SpeechBatchConfig, TrainingConfig
from jointst.config.context import Context
from jointst.data import features
from jointst.data.dataset import JointSet, PairedSet
from jointst.kaldi.directory import DataDirectory
from jointst.models.build import read_symbols
from jointst.training.data import JointData, _Steps, joint_set, read_training_sets
from jointst.training.train import run

AUGMENTED = AugmentationConfig(noise=0.6, room=0.5, codec=0.3, gain=(-6.0, 6.0), noises=("pink", "babble", "noises"))


@pytest.fixture
def context(toy: Context) -> Context:
    """A toy experiment with audio, a folder of noises, and features made each time."""
    generator = np.random.default_rng(0)
    for name in ("t_train", "t_dev", "t_test"):
        found = DataDirectory.read(toy.data / name)
        audio = {}
        for utterance, frames in found.utt2num_frames.items():
            audio[utterance] = f"audio/{name}_{utterance}.wav"
            Path("audio").mkdir(exist_ok=True)
            soundfile.write(audio[utterance], 0.1 * generator.standard_normal(160 * frames + 240), 16000)
        dataclasses.replace(found, wav_scp=audio, feats_scp={}, utt2num_frames={}).write(found.path)
    Path("noises").mkdir()
    soundfile.write("noises/hum.wav", 0.3 * np.sin(np.arange(20000) / 40), 16000)
    for path in [*toy.exp.glob("*.safetensors"), toy.exp / "log.jsonl", toy.exp / "config.yaml"]:
        path.unlink()
    config = dataclasses.replace(
        toy.config,
        features=dataclasses.replace(toy.config.features, storage="on_the_fly"),
        training=TrainingConfig(
            max_updates=6,
            validate_every=3,
            speech_batch=SpeechBatchConfig(max_utterances=4),
            augmentation=AUGMENTED,
            warmup_updates=2,
        ),
    )
    made = dataclasses.replace(toy, config=config, nj=1)
    features.run(made)
    return made


def sets(context: Context) -> tuple[JointSet, PairedSet]:
    symbols = read_symbols(context.config, context.data)
    paired, unpaired = read_training_sets(context.config, context.data, symbols)
    return joint_set(context.config, paired, unpaired), paired


def test_a_step_is_the_same_after_a_break_and_in_loader_processes(context: Context) -> None:
    joint, _ = sets(context)
    unbroken = [joint.batch(step).paired for step in range(8)]
    went_on, _ = sets(context)
    for step in (5, 6, 7):
        again = went_on.batch(step).paired
        assert again.utterances == unbroken[step].utterances
        assert torch.equal(again.features, unbroken[step].features)
    data = JointData(context.config, context.data, read_symbols(context.config, context.data))
    data._joint = went_on
    data.trainer = type("T", (), {"num_devices": 0, "strategy": type("S", (), {"root_device": torch.device("cpu")})})()
    for step, batch in enumerate(data._loader(_Steps(went_on, 0, 8), 2)):
        assert torch.equal(batch.paired.features, unbroken[step].features)


def test_an_utterance_is_the_same_alone_as_in_a_padded_batch(context: Context) -> None:
    joint, paired = sets(context)
    batch = joint.batch(3).paired
    lengths = batch.feature_lengths.tolist()
    assert len(set(lengths)) > 1
    for row, utterance in enumerate(batch.utterances):
        i = paired.utterances.index(utterance)
        alone = paired.features(i, 3)
        assert torch.equal(batch.features[row, : lengths[row]], alone)
        assert not torch.equal(paired.features(i, 4), alone)
        assert not torch.equal(paired.features(i), alone)


def test_batches_that_are_tried_for_memory_are_plain(context: Context) -> None:
    joint, paired = sets(context)
    (worst, *_) = joint.worst(1.0)
    i = paired.utterances.index(worst.paired.utterances[0])
    assert torch.equal(worst.paired.features[0, : paired.frames[i]], paired.features(i))


def test_it_trains_and_what_breaks_meanwhile_is_named(context: Context) -> None:
    made = run(context)
    assert "6 updates" in made.what
    utterance = DataDirectory.read(context.data / "t_train").utterances[0]
    Path(f"audio/t_train_{utterance}.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=rf"audio/t_train_{utterance}\.wav utterance {utterance}: "):
        run(dataclasses.replace(context, force=True))


def test_a_folder_of_noises_is_looked_at_before_the_first_update(context: Context) -> None:
    Path("noises/broken.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"noises/broken\.wav: .*training\.augmentation\.noises"):
        run(context)
    assert not (context.exp / "log.jsonl").exists()
