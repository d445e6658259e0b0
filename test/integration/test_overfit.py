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
# Development and test sets are copies of the training set under other names.
SAME = """
corpus: {languages: [ar, en, ru, zh]}
data: {train: [mini_train], dev: [same_dev], test: [same_test], unpaired: [mini_unpaired]}
model:
  dim: 64
  full_context_dim: 64
  audio_layers: 1
  streaming_layers: 1
  full_context_layers: 1
  text_encoder: {mask_share: 0.0}
  decoder: {embedding_dim: 64, joint_dim: 64}
loss:
  text: 0.2
  ctc_only_updates: 40
  fastemit: 0.05  # eight utterances are learned by heart: nothing else makes emission times definite for greedy search
  consistency: {start_update: 120, ramp_updates: 40}
training:
  validate_every: 100
  keep_best: 1
  warmup_updates: 20
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
    for updates in (200, 300, 400):  # each goes on from the one before
        for name in ("train", "decode", "score"):
            assert stage(name, "--training.max_updates", str(updates)) == 0
        if not any(errors().values()):
            break
    assert errors() == {"streaming": 0, "full_context": 0}
