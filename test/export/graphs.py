"""Toy models in any form of the settings, and recordings that make them write something."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from safetensors.torch import save_file

from jointst.common.files import write_atomically
from jointst.config import Decoder
from jointst.config.context import Context
from jointst.config.load import to_yaml
from jointst.decoding.greedy import greedy_search
from jointst.export import pack
from jointst.kaldi.audio import Samples
from jointst.models.build import Trained, build_model, digest_symbols, keep_form, load_pretrained, read_symbols
from jointst.ops.masks import length_mask
from jointst.pretrained.front_end import front_end
from jointst.text.tokenizer import UNKNOWN

RATE = 16000
AS_APPS = {"mel_bins": 40, "edges": "reflect", "high_frequency": -400.0, "floor": 128.0}
"""Features as sherpa-onnx's apps compute them."""
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
    encoder, pretrained = context.config.model.audio_encoder, None
    if encoder.pretrained is not None:
        pretrained = encoder, Path(encoder.source or "")
        load_pretrained(model, context.config)
        keep_form(context.exp, model)
    else:
        model.normalisation.mean += 8.0
        model.normalisation.inverse_std *= 0.4
    if context.config.features.sampling_rate == RATE:
        waveforms = [torch.from_numpy(samples) for samples in recordings()]
        features = front_end(context.config.features, pretrained)(waveforms)
    else:
        features = [8 + 3 * torch.randn(90, context.config.features.mel_bins)]
    lengths = torch.tensor([len(matrix) for matrix in features])
    encoded = model.encode_speech(torch.nn.utils.rnn.pad_sequence(features, batch_first=True), lengths)
    valid = length_mask(encoded.lengths, encoded.streaming.shape[1])
    for kind in context.config.model.decoders:
        joiner, states = model.decoder(kind).joiner, encoded.states_of(kind)
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


def give_audio(directory: Path) -> None:
    """Let each utterance of a set have a recording."""
    names = [line.split(" ")[0] for line in (directory / "text").read_text().splitlines()]
    lines = []
    for name, samples in zip(names, recordings(tuple(0.4 + 0.1 * i for i in range(len(names)))), strict=True):
        path = directory.absolute() / f"{name}.flac"
        soundfile.write(path, samples, RATE)
        lines.append(f"{name} {path}\n")
    (directory / "wav.scp").write_text("".join(lines))


@torch.inference_mode()
def ours(trained: Trained, kind: Decoder, samples: Samples, labels: int) -> str:
    """The text of our greedy search with so many labels a position, over the frames that sherpa-onnx takes."""
    model, streams = trained.model, kind == "streaming"
    if streams:
        chunk = model.chunk * trained.config.model.subsampling
        samples = np.pad(samples, (0, -len(samples) % (chunk * RATE // 100) + RATE // 40))
    features = trained.front_end([torch.from_numpy(samples)])[0]
    if streams:
        features = features[: (len(features) - 1) // chunk * chunk]
    encoded = model.encode_speech(features[None], torch.tensor([len(features)]))
    hypothesis = greedy_search(model.decoder(kind), encoded.states_of(kind), encoded.lengths, labels)[0]
    return trained.symbols.tokenizer.decode(hypothesis.labels).strip()
