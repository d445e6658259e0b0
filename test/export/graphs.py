"""Toy models in any form of the settings, and recordings that make them write something."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from jointst.build import build_model, digest_symbols, read_symbols
from jointst.data.audio import Samples
from jointst.data.features import log_mel
from jointst.export import pack
from jointst.load_config import to_yaml
from jointst.ops.masks import length_mask
from jointst.stage import Context, write_atomically
from jointst.text.tokenizer import UNKNOWN

RATE = 16000
_MADE: dict[str, Path] = {}
"""Packed folders by the settings of their models."""


def changed(context: Context, **sections: dict[str, Any]) -> Context:
    """The context with some settings changed, by section; a dict inside is one of a part."""
    config = context.config
    for name, settings in sections.items():
        section = getattr(config, name)
        parts = {key: value for key, value in settings.items() if not isinstance(value, dict)}
        for key, value in settings.items():
            if isinstance(value, dict):
                parts[key] = dataclasses.replace(getattr(section, key), **value)
        config = dataclasses.replace(config, **{name: dataclasses.replace(section, **parts)})
    return dataclasses.replace(context, config=config)


@torch.no_grad()
def write_model(context: Context) -> None:
    """A model of these settings that hears what it is given and writes something of it, never the unknown label.

    It is not trained; both joiners are set so that what they are given is spread out over what they can be given.
    """
    torch.manual_seed(0)
    model = build_model(context.config, read_symbols(context.config, context.data)).eval()
    model.normalisation.mean += 8.0
    model.normalisation.inverse_std *= 0.4
    if context.config.features.sampling_rate == RATE:
        features = [log_mel(torch.from_numpy(samples), context.config.features) for samples in recordings()]
    else:
        features = [8 + 3 * torch.randn(90, context.config.features.mel_bins)]
    lengths = torch.tensor([len(matrix) for matrix in features])
    encoded = model.encode_speech(torch.nn.utils.rnn.pad_sequence(features, batch_first=True), lengths)
    valid = length_mask(encoded.lengths, encoded.streaming.shape[1])
    sides = (model.streaming_decoder, encoded.streaming), (model.full_context_decoder, encoded.full_context)
    for decoder, states in sides:
        joiner = decoder.joiner
        projected = joiner.project_encoder(states)[valid]
        joiner.project_encoder.weight *= 2.0 / projected.std(0)[:, None]
        joiner.project_encoder.bias.zero_()
        joiner.project_encoder.bias -= joiner.project_encoder(states)[valid].mean(0)
        joiner.output.weight *= 8
        joiner.output.bias.zero_()
        joiner.output.bias[0] = 2.0
        joiner.output.bias[UNKNOWN] = -30.0
    save_file(model.state_dict(), str(context.exp / "model.safetensors"), {"symbols": digest_symbols(context.data)})
    write_atomically(context.exp / "config.yaml", to_yaml(context.config))


def exported(context: Context, **sections: dict[str, Any]) -> Path:
    """The packed folder of a toy model of changed settings, its graphs for features as ours unless told otherwise.

    Each is made once; what a test does to its copy is not seen by the others.
    """
    export = {"onnx": "yes", "shift": 0.0, "labels_per_position": 3, **sections.pop("export", {})}
    context = changed(context, export=export, **sections)
    packed, key = context.exp / "packed", repr(context.config)
    if key in _MADE and _MADE[key].is_dir():
        shutil.copytree(_MADE[key], packed)
        return packed
    write_model(context)
    made = pack.run(context).where
    _MADE[key] = (context.exp / "untouched").absolute()
    shutil.copytree(made, _MADE[key])
    return made


def recordings(seconds: tuple[float, ...] = (0.9, 2.3, 0.31, 1.28)) -> list[Samples]:
    """Noise that changes its colour and level every tenth of a second."""
    generator = np.random.default_rng(0)
    found = []
    for length in seconds:
        pieces = []
        for _ in range(int(length * 10) + 1):
            noise = generator.standard_normal(RATE // 10)
            colour = np.convolve(noise, generator.standard_normal(6), mode="same")
            pieces.append(colour * 10 ** generator.uniform(-3, -1))
        found.append(np.concatenate(pieces)[: round(length * RATE)].clip(-1, 1).astype(np.float32))
    return found
