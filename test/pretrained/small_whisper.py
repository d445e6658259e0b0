"""Folders of a small Whisper with random weights, as the hub and as CTranslate2 hold it."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from jointst.pretrained.whisper import WhisperEncoder

SIZES = {"mel_bins": 80, "dim": 16, "layers": 2, "heads": 2, "inner": 24, "positions": 60}


def sinusoids(positions: Tensor, dim: int) -> Tensor:
    """Position encodings (N, D) of positions (N,), as Whisper's are."""
    steps = torch.arange(dim // 2) * (-math.log(10000.0) / (dim // 2 - 1))
    angles = positions[:, None] * steps.exp()[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def small_whisper(**sizes: int) -> WhisperEncoder:
    """A small encoder with random weights."""
    torch.manual_seed(0)
    encoder = WhisperEncoder(**{**SIZES, **sizes})
    encoder.embed_positions.weight.data.copy_(sinusoids(torch.arange(len(encoder.embed_positions.weight)), encoder.dim))
    return encoder.eval()


def write_hub(folder: Path, encoder: WhisperEncoder, prefix: str = "model.encoder.", files: int = 1) -> Path:
    """As the hub holds it: with a weight of the decoder, in so many files."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**encoder.settings, "decoder_layers": 2, "architectures": ["WhisperForConditionalGeneration"]}
    (folder / "config.json").write_text(json.dumps(config))
    state = {f"{prefix}{name}": weight.clone() for name, weight in encoder.state_dict().items()}
    state["model.decoder.layer_norm.weight"] = torch.ones(16)
    names = sorted(state)
    for number in range(files):
        part = {name: state[name] for name in names[number::files]}
        name = "model.safetensors" if files == 1 else f"model-{number + 1:05d}-of-{files:05d}.safetensors"
        save_file(part, str(folder / name))
    return folder


def variables(encoder: WhisperEncoder) -> dict[str, Tensor]:
    """The encoder's weights under the names of CTranslate2."""
    own = encoder.state_dict()
    found = {
        "encoder/position_encodings/encodings": own["embed_positions.weight"],
        "encoder/num_heads": torch.tensor(encoder.heads, dtype=torch.int16),
        "encoder/layer_norm/gamma": own["layer_norm.weight"],
        "encoder/layer_norm/beta": own["layer_norm.bias"],
    }
    for name in ("conv1", "conv2"):
        found |= {f"encoder/{name}/{part}": own[f"{name}.{part}"] for part in ("weight", "bias")}
    for i in range(len(encoder.layers)):
        layer, there = f"layers.{i}", f"encoder/layer_{i}"
        for part, norm in (("self_attention", "self_attn_layer_norm"), ("ffn", "final_layer_norm")):
            found[f"{there}/{part}/layer_norm/gamma"] = own[f"{layer}.{norm}.weight"]
            found[f"{there}/{part}/layer_norm/beta"] = own[f"{layer}.{norm}.bias"]
        sides = [f"{layer}.self_attn.{side}_proj" for side in "qkv"]
        biases = [own.get(f"{side}.bias", torch.zeros(encoder.dim)) for side in sides]
        found[f"{there}/self_attention/linear_0/weight"] = torch.cat([own[f"{side}.weight"] for side in sides])
        found[f"{there}/self_attention/linear_0/bias"] = torch.cat(biases)
        for part in ("weight", "bias"):
            found[f"{there}/self_attention/linear_1/{part}"] = own[f"{layer}.self_attn.out_proj.{part}"]
            found[f"{there}/ffn/linear_0/{part}"] = own[f"{layer}.fc1.{part}"]
            found[f"{there}/ffn/linear_1/{part}"] = own[f"{layer}.fc2.{part}"]
    return {**found, "decoder/layer_norm/gamma": torch.ones(encoder.dim)}


def string(text: str) -> bytes:
    """A string as CTranslate2 writes it."""
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


TYPES = {torch.float32: 0, torch.int8: 1, torch.int16: 2, torch.float16: 4, torch.bfloat16: 5}


def write_ctranslate2(
    folder: Path, stored: dict[str, Tensor], dtype: torch.dtype = torch.float32, specification: str = "WhisperSpec"
) -> Path:
    """A ``model.bin`` with these variables."""
    folder.mkdir(parents=True, exist_ok=True)
    content = struct.pack("<I", 6) + string(specification) + struct.pack("<II", 3, len(stored))
    for name, value in stored.items():
        value = value.to(dtype) if value.is_floating_point() else value
        raw = value.view(torch.int16) if value.dtype == torch.bfloat16 else value
        data = np.ascontiguousarray(raw.numpy()).tobytes()
        content += string(name) + struct.pack(f"<B{value.dim()}I", value.dim(), *value.shape)
        content += struct.pack("<BI", TYPES[value.dtype], len(data)) + data
    (folder / "model.bin").write_bytes(content + struct.pack("<I", 0))
    (folder / "config.json").write_text("{}")
    return folder
