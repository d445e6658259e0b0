"""Folders of pretrained encoders that cannot be taken: each is refused in one sentence that names the file."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pretrained.small_whisper import small_whisper, string, variables, write_ctranslate2, write_hub
from safetensors.torch import load_file, save_file

from jointst.common.errors import ConfigError, DataError
from jointst.pretrained.registry import open_encoder


def config_of(folder: Path, **changed: Any) -> None:
    path = folder / "config.json"
    kept = {**json.loads(path.read_text()), **changed}
    path.write_text(json.dumps({key: value for key, value in kept.items() if value is not None}))


def weights_of(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = str(folder / "model.safetensors")
    state = load_file(path)
    change(state)
    save_file(state, path)


def pickled(folder: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(b"PK\x03\x04 a pickle")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


KEY = "model.encoder.layers.1.fc1.weight"
HUB: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda f: f.rename(f.with_name("moved")), r"no such folder"),
    "no config": (lambda f: (f / "config.json").unlink(), r"config.json: is missing"),
    "config is no JSON": (lambda f: (f / "config.json").write_text("{"), r"config.json: is no JSON"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), r"holds no settings of a model"),
    "another kind": (lambda f: config_of(f, model_type="wav2vec2"), r"of the kind 'wav2vec2', not whisper"),
    "no kind": (lambda f: config_of(f, model_type=None), r"does not say what kind of model"),
    "no size": (lambda f: config_of(f, d_model=None), r"does not tell the sizes .*'d_model'"),
    "size is a word": (lambda f: config_of(f, d_model="wide"), r"does not tell the sizes .*'wide'"),
    "sizes that cannot be": (lambda f: config_of(f, encoder_attention_heads=5), r"sizes that no Whisper .*heads 5"),
    "no layers": (lambda f: config_of(f, encoder_layers=0), r"sizes that no Whisper .*layers 0"),
    "other sizes": (
        lambda f: config_of(f, encoder_ffn_dim=32),
        r"layers\.0\.fc1\.weight has the shape \(24, 16\), by the sizes of the model it is \(32, 16\)",
    ),
    "more layers": (lambda f: config_of(f, encoder_layers=3), r"lacks the weight layers\.2\."),
    "a weight is missing": (lambda f: weights_of(f, lambda s: s.pop(KEY)), r"lacks the weight layers\.1\.fc1\.weight"),
    "a weight is not finite": (
        lambda f: weights_of(f, lambda s: s[KEY].fill_(torch.nan)),
        r"layers\.1\.fc1\.weight has values that are not finite",
    ),
    "no encoder": (
        lambda f: save_file({"model.decoder.norm": torch.ones(2)}, str(f / "model.safetensors")),
        r"lacks the weight conv1\.weight|no weights of an encoder",
    ),
    "cut short": (lambda f: cut(f / "model.safetensors"), r"model.safetensors: is no whole file"),
    "empty": (lambda f: (f / "model.safetensors").write_bytes(b""), r"model.safetensors: is no whole file"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"holds no weights"),
    **{
        f"pickled, {name}": (
            lambda f, name=name: pickled(f, name),
            rf"has no safetensors but {name}, a pickle.*save_pretrained",
        )
        for name in ("pytorch_model.bin", "model.pt", "last.ckpt")
    },
}


@pytest.mark.parametrize(("damage", "said"), HUB.values(), ids=HUB)
def test_a_folder_of_the_hub_is_refused(tmp_path: Path, damage: Callable[[Path], object], said: str) -> None:
    folder = write_hub(tmp_path / "model", small_whisper())
    damage(folder)
    before = sorted((path, path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file())
    with pytest.raises(DataError, match=said):
        open_encoder("whisper", folder)
    assert sorted((path, path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file()) == before


def without(name: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in variables(small_whisper()).items() if key != name}


BEGINNING = struct.pack("<I", 6) + string("WhisperSpec") + struct.pack("<I", 3)
BIN: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut short": (lambda f: cut(f / "model.bin"), r"model.bin: ends after \d+ bytes, amid a variable"),
    "empty": (lambda f: (f / "model.bin").write_bytes(b""), r"model.bin: is empty"),
    "a pickle of torch": (lambda f: (f / "model.bin").write_bytes(b"PK\x03\x04" + bytes(99)), r"pickle of torch"),
    "an old pickle": (lambda f: (f / "model.bin").write_bytes(b"\x80\x02\x8a\x0a" + bytes(99)), r"pickle of torch"),
    "another kind": (
        lambda f: write_ctranslate2(f, variables(small_whisper()), specification="TransformerSpec"),
        r"kind 'TransformerSpec', not Whisper",
    ),
    "quantised": (
        lambda f: write_ctranslate2(f, {**without(""), "encoder/conv1/weight_scale": torch.ones(1)}),
        r"is quantised \(conv1/weight_scale\)",
    ),
    "a variable is missing": (
        lambda f: write_ctranslate2(f, without("encoder/layer_1/ffn/linear_0/bias")),
        r"lacks the variable encoder/layer_1/ffn/linear_0/bias",
    ),
    "no encoder": (lambda f: write_ctranslate2(f, {"decoder/x": torch.ones(1)}), r"lacks the variable encoder/"),
    "a variable of another rank": (
        lambda f: write_ctranslate2(f, {**without(""), "encoder/position_encodings/encodings": torch.ones(3)}),
        r"holds no encoder as Whisper has",
    ),
    "a weight of another shape": (
        lambda f: write_ctranslate2(f, {**without(""), "encoder/layer_0/ffn/linear_1/bias": torch.ones(3)}),
        r"layers\.0\.fc2\.bias has the shape \(3,\), by the sizes of the model it is \(16,\)",
    ),
    "a name without end": (
        lambda f: (f / "model.bin").write_bytes(struct.pack("<IH", 6, 65535) + bytes(70000)),
        r"a name of 65535 bytes",
    ),
    "more variables than there are": (
        lambda f: (f / "model.bin").write_bytes(BEGINNING + struct.pack("<I", 9)),
        r"ends after",
    ),
    "sizes that lie": (
        lambda f: (f / "model.bin").write_bytes(
            BEGINNING
            + struct.pack("<I", 1)
            + string("encoder/x")
            + struct.pack("<B3IBI", 3, 2**31, 2**31, 2**31, 0, 4)
            + bytes(4)
        ),
        r"has 1 numbers, by its sizes",
    ),
}


@pytest.mark.parametrize(("damage", "said"), BIN.values(), ids=BIN)
def test_a_file_of_ctranslate2_is_refused(tmp_path: Path, damage: Callable[[Path], object], said: str) -> None:
    folder = write_ctranslate2(tmp_path, variables(small_whisper()))
    damage(folder)
    with pytest.raises(DataError, match=said):
        open_encoder("whisper", folder)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is 'vosk' .*whisper"):
        open_encoder("vosk", tmp_path)
