"""The toy experiment as a recipe whose data is made, with the systems of this checkout."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jointst.common.files import write_atomically
from jointst.config import BatchConfig, ConsistencyConfig, LossConfig, ScoringConfig, SpeechBatchConfig, TrainingConfig
from jointst.config.context import Context
from jointst.config.load import to_yaml
from jointst.kaldi.directory import DataDirectory

SYSTEMS = Path(__file__).resolve().parents[2] / "egs" / "systems"
SMALL, SMALL_TEXT = SpeechBatchConfig(max_utterances=4), BatchConfig(max_utterances=4)


@pytest.fixture
def recipe(toy: Context) -> Context:
    """Settings in ``conf/train.yaml``, unpaired text, and nothing trained."""
    train = DataDirectory.read(toy.data / "t_train")
    text_only = dataclasses.replace(train, path=toy.data / "t_unpaired", utt2spk={}, feats_scp={}, utt2num_frames={})
    text_only.write(text_only.path)
    config = dataclasses.replace(
        toy.config,
        data=dataclasses.replace(toy.config.data, unpaired=("t_unpaired",)),
        loss=LossConfig(ctc_only_updates=2, consistency=ConsistencyConfig(start_update=3, ramp_updates=2)),
        training=TrainingConfig(
            max_updates=10, validate_every=5, speech_batch=SMALL, text_batch=SMALL_TEXT, warmup_updates=2
        ),
        scoring=ScoringConfig(sclite="no"),
    )
    write_atomically(Path("conf/train.yaml"), to_yaml(config))
    return dataclasses.replace(toy, config=config, name="train")
