"""A packed model loads, wherever it lies, and is the model that was packed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from jointst.common.errors import DataError
from jointst.config.context import Context
from jointst.models.build import load_trained
from jointst.models.packed import load_packed


@torch.inference_mode()
def test_the_packed_model_encodes_as_the_trained_one(toy: Context, packed: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    packed.rename(moved)
    trained, loaded = load_trained(toy), load_packed(moved)
    features, lengths = torch.randn(2, 50, 8), torch.tensor([50, 31])
    one, other = (model.encode_speech(features, lengths) for model in (trained.model, loaded.model))
    assert torch.equal(one.streaming, other.streaming)
    assert torch.equal(one.full_context, other.full_context)
    assert not hasattr(loaded.model, "text_encoder")
    assert trained.model.streaming_decoder.additive is not None, "nothing to leave out"
    assert loaded.model.streaming_decoder.additive is None
    assert loaded.config.model.decoder.band == 0
    assert loaded.symbols.tokenizer.encode("door") == trained.symbols.tokenizer.encode("door")
    assert not loaded.model.training


def test_a_model_of_the_time_before_the_band_loads(toy: Context) -> None:
    path = toy.exp / "model.safetensors"
    with safe_open(path, framework="pt") as stored:
        about = stored.metadata()
    weights = {name: part for name, part in load_file(path).items() if ".additive." not in name}
    save_file(weights, path, about)
    settings = (toy.exp / "config.yaml").read_text()
    (toy.exp / "config.yaml").write_text("".join(line for line in settings.splitlines(True) if "band: 6" not in line))
    trained = load_trained(toy)
    assert trained.config.model.decoder.band == 0
    assert trained.model.state_dict().keys() == weights.keys()


def test_the_text_branch_lies_beside_the_recogniser(toy: Context, packed: Path) -> None:
    """Together they are the whole model; a recogniser does without; and the words of training are known."""
    parts = [load_file(packed / name) for name in ("model.safetensors", "text_branch.safetensors")]
    whole = load_file(toy.exp / "model.safetensors")
    assert not parts[0].keys() & parts[1].keys()
    both = parts[0] | parts[1]
    assert both.keys() == whole.keys()
    assert all(torch.equal(both[name], whole[name]) for name in whole)
    assert {name.split(".")[0] for name in parts[1] if ".additive." not in name} == {"text_encoder", "ctc"}
    assert (packed / "lang/words_en.txt").read_text().split() == ["close", "door", "open", "the", "window"]
    (packed / "text_branch.safetensors").unlink()
    load_packed(packed)


@pytest.mark.parametrize("name", ["config.yaml", "model.safetensors", "tokenizer.model", "lang/phones.txt"])
def test_a_missing_part_is_named(packed: Path, name: str) -> None:
    (packed / name).unlink()
    with pytest.raises(DataError, match=name):
        load_packed(packed)


def test_damaged_weights_and_missing_folders_are_named(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: there is no such folder .*stage 10"):
        load_packed(tmp_path / "nowhere")
    weights = packed / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"model.safetensors: does not fit"):
        load_packed(packed)
    shutil.copyfile(packed / "config.yaml", packed / "config.old")
    weights.write_bytes(content)
    settings = (packed / "config.yaml").read_text().replace("streaming_layers: 2", "streaming_layers: 3")
    (packed / "config.yaml").write_text(settings)
    with pytest.raises(DataError, match=r"model.safetensors: does not fit"):
        load_packed(packed)
