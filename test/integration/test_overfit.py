"""Eight real utterances in four writings go through the real stages until both decoders repeat them word for word."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from integration.toy_recipe import stage

CONF = """
corpus:
  languages: [ar, en, ru, zh]
  mini: {train_utterances: 2, dev_utterances: 1, test_utterances: 1, unpaired_sentences: 4}
"""
# Development and test sets are copies of the training set under other names. Eight sentences can be learned by heart,
# label after label at no definite time, and then greedy search gets stuck, however low the loss: short contexts make
# the model listen, and a longer start with CTC alone gives each label its time (three seeds of three then succeed).
SAME = """
corpus: {languages: [ar, en, ru, zh]}
data: {train: [mini_train], dev: [same_dev], test: [same_test], unpaired: []}
model:
  dim: 64
  full_context_dim: 64
  audio_layers: 1
  streaming_layers: 1
  full_context_layers: 1
  chunk: 4
  left_chunks: 1
  right_context: 4
  text_encoder: {mask_share: 0.0}
  decoder: {context: 1, embedding_dim: 16, joint_dim: 64}
loss:
  text: 0.2
  ctc_only_updates: 100
  fastemit: 0.02
  consistency: {start_update: 160, ramp_updates: 40}
training:
  validate_every: 100
  keep_best: 1
  warmup_updates: 20
  peak_rate: 2e-3
  hold_share: 1.0
  spec_augment: {frequency_masks: 0, time_masks: 0}
scoring: {sclite: "no"}
"""


def errors() -> dict[str, int]:
    scores = json.loads(Path("exp/toy/score/scores.json").read_text())["sets"]["same_test"]
    assert scores["utterances"] == 8
    counts = {name: result["pooled"] for name, result in scores["decoders"].items()}
    kinds = ("substitutions", "deletions", "insertions")
    return {name: sum(count["characters"][kind] for kind in kinds) for name, count in counts.items()}


def test_both_decoders_learn_eight_utterances_by_heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("toy.yaml").write_text(CONF)
    assert stage("corpus") == 0
    for part in ("dev", "test"):
        shutil.copytree("data/mini_train", f"data/same_{part}")
    Path("toy.yaml").write_text(SAME)
    for name in ("lexicon", "features", "tokenizer"):
        assert stage(name) == 0
    for updates in (350, 450, 550, 650):  # each goes on from the one before
        for name in ("train", "decode", "score"):
            assert stage(name, "--training.max_updates", str(updates)) == 0
        if not any(errors().values()):
            break
    assert errors() == {"streaming": 0, "full_context": 0}
