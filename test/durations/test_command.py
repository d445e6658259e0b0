"""``jointst durations``, and training with its files: upsampling by durations, consistency on the forced alignment."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
import torch

from jointst.common.errors import ConfigError, DataError
from jointst.common.units import positions_in
from jointst.config import (
    Config,
    ConsistencyConfig,
    DurationsConfig,
    LossConfig,
    ModelConfig,
    TextEncoderConfig,
    TokenizerConfig,
    TrainingConfig,
)
from jointst.config.context import Context
from jointst.durations.command import run
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.durations import read_durations
from jointst.kaldi.phone_times import PhoneTime, write_phone_times
from jointst.models.build import load_trained
from jointst.models.objective import joint_loss
from jointst.nn.text_encoder import position_durations, repeats_of
from jointst.training.data import training_set
from jointst.training.train import run as train


def _text_only(toy: Context) -> None:
    source = DataDirectory.read(toy.data / "t_test")
    path = toy.data / "t_text"
    DataDirectory(path=path, text=source.text, utt2lang=source.utt2lang, phones=source.phones).write(path)


def _paired(toy: Context) -> Context:
    data = dataclasses.replace(toy.config.data, unpaired=("t_text",))
    config = dataclasses.replace(
        toy.config, data=data, durations=DurationsConfig(layer="streaming 2", rounds=2, updates=5, iterations=5)
    )
    return dataclasses.replace(toy, config=config)


def _forced(paired: Context, *, folder: str = "exp/toy/durations") -> Context:
    model = dataclasses.replace(
        paired.config.model, text_encoder=TextEncoderConfig(upsampling="durations", durations=folder)
    )
    consistency = ConsistencyConfig(alignment="forced", start_update=1, ramp_updates=1)
    loss = LossConfig(ctc_only_updates=1, consistency=consistency)
    training = TrainingConfig(max_updates=2, validate_every=2, warmup_updates=1)
    config = dataclasses.replace(paired.config, model=model, loss=loss, training=training)
    return dataclasses.replace(paired, config=config, name="forced")


def test_durations_and_training_with_them(toy: Context) -> None:
    _text_only(toy)
    paired = _paired(toy)
    utterance, phones = next(iter(DataDirectory.read(toy.data / "t_dev").phones.items()))
    spoken = [PhoneTime(phone, 0.05 * i, 0.05 * i + 0.05) for i, phone in enumerate(phones.split())]
    write_phone_times(toy.data / "t_dev", {utterance: spoken})
    made = run(paired)
    report = json.loads((made.where / "durations.json").read_text())
    assert report["layer"] == "streaming 2"
    assert report["alignment"]["phones"] == len(spoken)
    assert report["alignment"]["median_ms"] < 1000
    for name in ("t_train", "t_dev"):
        directory = DataDirectory.read(toy.data / name)
        for utterance, counts in read_durations(made.where, directory).items():
            assert len(counts) == len(directory.phones[utterance].split())
            assert sum(counts) == positions_in(directory.utt2num_frames[utterance], 4)
    texts = DataDirectory.read(toy.data / "t_text")
    predicted = read_durations(made.where, texts)
    assert {key: len(counts) for key, counts in predicted.items()} == {
        key: len(phones.split()) for key, phones in texts.phones.items()
    }
    forced = _forced(paired)
    train(forced)
    trained = load_trained(forced)
    joint, _ = training_set(forced.config, toy.data, trained.symbols)
    batch = joint.batch(0)
    assert batch.unpaired is not None
    assert batch.unpaired.durations is not None
    loss = joint_loss(trained.model, batch, forced.config.loss, update=3)
    assert {"consistency/layer2", "text_streaming", "text_full_context"} <= loss.parts.keys()
    assert loss.transcripts is not None
    assert loss.speech is not None
    # With a position for each moment, only phones of no duration make text longer than speech.
    assert bool((loss.transcripts.lengths >= loss.speech.lengths[: len(loss.transcripts.lengths)]).all())


def test_faults_are_named(toy: Context) -> None:
    _text_only(toy)
    paired = _paired(toy)
    with pytest.raises(DataError, match=r"durations/t_train: .*run jointst durations"):
        train(_forced(paired))
    folder = run(paired).where
    shutil.copytree(folder, "other")
    path = toy.data.parent / "other/t_train"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0] + " 1", *lines[1:]]) + "\n")
    with pytest.raises(DataError, match=r"other/t_train utterance ar_v0-0: has \d+ durations for \d+ phones"):
        train(_forced(paired, folder="other"))
    first, *rest = lines[0].split(" ")
    path.write_text("\n".join([" ".join([first, str(int(rest[0]) + 1), *rest[1:]]), *lines[1:]]) + "\n")
    with pytest.raises(DataError, match=r"utterance ar_v0-0: has durations that sum to"):
        train(_forced(paired, folder="other"))
    path.write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(DataError, match="ar_v0-0: has no durations"):
        train(_forced(paired, folder="other"))
    wrong = dataclasses.replace(paired.config, durations=DurationsConfig(layer="streaming 9"))
    with pytest.raises(ConfigError, match="one of: audio encoder, streaming 1"):
        run(dataclasses.replace(paired, config=wrong))


def test_settings_that_cannot_work() -> None:
    upsampled = ModelConfig(text_encoder=TextEncoderConfig(upsampling="durations", durations="x"))
    with pytest.raises(ConfigError, match="run jointst durations"):
        Config(model=ModelConfig(text_encoder=TextEncoderConfig(upsampling="durations")))
    with pytest.raises(ConfigError, match="is not used"):
        Config(model=ModelConfig(text_encoder=TextEncoderConfig(durations="x")))
    with pytest.raises(ConfigError, match="reads pieces"):
        Config(model=upsampled, tokenizer=TokenizerConfig(text_input="pieces"))
    with pytest.raises(ConfigError, match="is forced"):
        Config(loss=LossConfig(consistency=ConsistencyConfig(alignment="forced")))
    Config(model=upsampled, loss=LossConfig(consistency=ConsistencyConfig(alignment="forced")))


def test_a_phone_of_no_duration_keeps_a_text_position() -> None:
    durations, lengths = torch.tensor([[2, 0, 1, 0], [1, 1, 0, 0]]), torch.tensor([4, 2])
    config = TextEncoderConfig(upsampling="durations", durations="x")
    assert repeats_of(config, durations.shape, durations, training=True)[0].tolist() == [2, 1, 1, 1]
    assert position_durations(durations, lengths).tolist() == [[1, 1, 0, 1, 0], [1, 1, 0, 0, 0]]
