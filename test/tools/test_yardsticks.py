"""The yardsticks: Whisper's weights in transformers' model, and what becomes of hypotheses."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pretrained.small_whisper import variables, write_ctranslate2

from jointst.pretrained.whisper import WhisperEncoder

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))
transformers = pytest.importorskip("transformers", reason="the extra pretrained is not installed")
whisper = pytest.importorskip("yardstick.whisper")
END = 19


def small() -> transformers.WhisperForConditionalGeneration:
    """A whole Whisper with random weights."""
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=20, num_mel_bins=80, d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=24,
        max_source_positions=1500, decoder_layers=2, decoder_attention_heads=4, decoder_ffn_dim=20,
        max_target_positions=30, **whisper.NO_LABELS,
    )  # fmt: skip
    return transformers.WhisperForConditionalGeneration(config).eval()


def stored(model: transformers.WhisperForConditionalGeneration) -> dict[str, torch.Tensor]:
    """Its weights under the names of CTranslate2."""
    own = model.state_dict()
    encoder = WhisperEncoder(mel_bins=80, dim=16, layers=2, heads=2, inner=24, positions=1500)
    encoder.load_state_dict({name: own[f"model.encoder.{name}"] for name in encoder.state_dict()})
    found = variables(encoder)
    found |= {
        "decoder/embeddings/weight": own["model.decoder.embed_tokens.weight"],
        "decoder/position_encodings/encodings": own["model.decoder.embed_positions.weight"],
        "decoder/num_heads": torch.tensor(4, dtype=torch.int16),
    }
    norms = {"layer_norm": "layer_norm"}
    for i in range(2):
        layer, there = f"model.decoder.layers.{i}", f"decoder/layer_{i}"
        norms |= {
            f"layer_{i}/self_attention/layer_norm": f"layers.{i}.self_attn_layer_norm",
            f"layer_{i}/attention/layer_norm": f"layers.{i}.encoder_attn_layer_norm",
            f"layer_{i}/ffn/layer_norm": f"layers.{i}.final_layer_norm",
        }
        for kind in ("weight", "bias"):

            def fused(part: str, sides: str, kind: str = kind, layer: str = layer) -> torch.Tensor:
                names = [f"{layer}.{part}.{side}_proj.{kind}" for side in sides]
                return torch.cat([own.get(name, torch.zeros(16)) for name in names])

            found[f"{there}/self_attention/linear_0/{kind}"] = fused("self_attn", "qkv")
            found[f"{there}/self_attention/linear_1/{kind}"] = own[f"{layer}.self_attn.out_proj.{kind}"]
            found[f"{there}/attention/linear_0/{kind}"] = fused("encoder_attn", "q")
            found[f"{there}/attention/linear_1/{kind}"] = fused("encoder_attn", "kv")
            found[f"{there}/attention/linear_2/{kind}"] = own[f"{layer}.encoder_attn.out_proj.{kind}"]
            found[f"{there}/ffn/linear_0/{kind}"] = own[f"{layer}.fc1.{kind}"]
            found[f"{there}/ffn/linear_1/{kind}"] = own[f"{layer}.fc2.{kind}"]
    for there, name in norms.items():
        found[f"decoder/{there}/gamma"] = own[f"model.decoder.{name}.weight"]
        found[f"decoder/{there}/beta"] = own[f"model.decoder.{name}.bias"]
    return found


def test_all_weights_find_their_place(tmp_path: Path) -> None:
    model = small()
    loaded = whisper.load(write_ctranslate2(tmp_path, stored(model)) / "model.bin")
    wanted, found = model.state_dict(), loaded.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_greedy_is_the_likeliest_label_of_the_model_each_time() -> None:
    model = small()
    features = torch.randn(3, 80, 3000)
    found = whisper.greedy(model, features, [1, 2], END, never=[5], never_first=[END])
    for row, labels in zip(features, found):
        assert labels
        assert not {5, END} & set(labels)
        with torch.no_grad():
            given = torch.tensor([[1, 2, *labels]])
            logits = model(input_features=row[None], decoder_input_ids=given).logits[0].clone()
        logits[:, 5] = -torch.inf
        logits[1, END] = -torch.inf
        assert logits.argmax(-1)[1 : 1 + len(labels)].tolist() == labels


@pytest.mark.parametrize("seconds", [0.5, 30, 31, 70])
def test_windows_hold_every_sample_once_and_cut_where_it_is_quiet(seconds: float) -> None:
    samples = np.sin(np.arange(int(seconds * 16000)) * 0.1).astype(np.float32)
    quiet = slice(20 * 16000, 21 * 16000)
    samples[quiet] *= 0.01
    parts = list(whisper.windows(samples))
    assert np.array_equal(np.concatenate(parts), samples)
    assert all(len(part) <= 30 * 16000 for part in parts)
    if seconds > 30:
        assert quiet.start < len(parts[0]) < quiet.stop
