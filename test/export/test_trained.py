"""A model that has learned its test set by heart, exported: sherpa-onnx writes our text, and 8 bits are enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from by_heart import RATE, learn, say
from export.graphs import AS_APPS, changed, ours

from jointst.config.context import Context
from jointst.export.onnx.check import rates
from jointst.export.onnx.files import KINDS
from jointst.export.onnx.sherpa import Sherpa
from jointst.kaldi.directory import DataDirectory
from jointst.models.packed import load_packed
from jointst.text.tokenizer import run as make_tokenizer

LABELS = 3
AFTER = 0.4
"""Seconds of silence behind each sentence: streams end with some, of which a model must have heard."""
SIZES: dict[str, Any] = {
    "dim": 64,
    "full_context_dim": 64,
    "streaming_layers": 1,
    "chunk": 4,
    "left_chunks": 1,
    "right_context": 4,
    "ctc_target": "labels",
    "dropout": 0.0,
    "decoder": {"embedding_dim": 16, "joint_dim": 64},
}
"""A model that sees little at a time learns sentences by their sounds."""


@pytest.mark.timeout(1200)  # half a minute, or many where other programs want the cores
def test_all_test_utterances_of_a_trained_model(toy: Context) -> None:
    directory = DataDirectory.read(toy.data / "t_test", only=("text", "utt2lang"))
    silence = np.zeros(round(AFTER * RATE), np.float32)
    spoken = [
        (np.concatenate([say(text, directory.utt2lang[utterance]), silence]), text)
        for utterance, text in directory.text.items()
    ]
    assert len({len(samples) for samples, _ in spoken}) > 8, "streams of unequal length"
    settings: dict[str, Any] = {"features": {**AS_APPS, "cmvn": "global"}, "model": SIZES}
    settings["data"] = {"train": ("t_test",), "test": ("t_train",)}  # so that there is a label for each character
    context = changed(toy, **settings, export={"onnx": "yes", "labels_per_position": LABELS})
    make_tokenizer(context)
    packed = learn(context, spoken, rate=2e-3)
    trained, samples = load_packed(packed), [samples for samples, _ in spoken]
    for kind in KINDS:
        wanted = [ours(trained, kind, part, LABELS) for part in samples]
        found = {
            precision: Sherpa(packed / "onnx", kind, precision, trained.config.features).texts(samples)
            for precision in ("float32", "int8")
        }
        assert found["float32"] == wanted
        errors = {
            name: rates(directory, dict(zip(directory.text, texts, strict=True))) for name, texts in found.items()
        }
        for unit in ("error", "cer"):
            float32, int8 = (errors[name][unit] for name in ("float32", "int8"))
            assert float32 is not None
            assert int8 is not None
            assert float32 < 0.1, f"it has learned them: {wanted}"
            assert int8 - float32 <= 0.005, found
