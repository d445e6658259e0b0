"""Tiny random models of each kind of pretrained encoders, written as hubs hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

CONVOLUTIONS: dict[str, Any] = {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 8,
}
NEMOTRON: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "subsampling_conv_channels": 4,
    "conv_kernel_size": 5,
    "sliding_window": 9,
    "default_num_lookahead_tokens": 1,
}

# (kind, the library's class whose folder it is, its settings)
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "w2v_bert": ("w2v_bert", "Wav2Vec2BertModel", SMALL),
    "w2v_bert with a head": ("w2v_bert", "Wav2Vec2BertForCTC", {**SMALL, "add_adapter": True}),
    "wav2vec2, group": ("wav2vec2", "Wav2Vec2Model", {**SMALL, **CONVOLUTIONS}),
    "wav2vec2, layer": (
        "wav2vec2",
        "Wav2Vec2ForPreTraining",
        {
            **SMALL,
            **CONVOLUTIONS,
            "feat_extract_norm": "layer",
            "do_stable_layer_norm": True,
            "num_codevectors_per_group": 4,
            "codevector_dim": 8,
        },
    ),
    "mms": (
        "wav2vec2",
        "Wav2Vec2ForCTC",
        {**SMALL, **CONVOLUTIONS, "feat_extract_norm": "layer", "do_stable_layer_norm": True, "adapter_attn_dim": 4},
    ),
    "hubert": ("hubert", "HubertModel", {**SMALL, **CONVOLUTIONS}),
    "hubert with a head": ("hubert", "HubertForCTC", {**SMALL, **CONVOLUTIONS, "feat_extract_norm": "layer"}),
    "wavlm": ("wavlm", "WavLMModel", {**SMALL, **CONVOLUTIONS}),
    "wavlm, stable": (
        "wavlm",
        "WavLMForCTC",
        {**SMALL, **CONVOLUTIONS, "feat_extract_norm": "layer", "do_stable_layer_norm": True},
    ),
    "nemotron": ("nemotron", "NemotronAsrStreamingEncoder", NEMOTRON),
    "nemotron with a decoder": (
        "nemotron",
        "NemotronAsrStreamingForRNNT",
        {"encoder_config": NEMOTRON, "vocab_size": 8, "decoder_hidden_size": 8, "blank_token_id": 7},
    ),
}


def write_model(folder: Path, name: str, **changed: Any) -> Any:
    """Write a model of :data:`MODELS` into a folder; the library's own module, in evaluation mode."""
    import transformers

    _, library_class, settings = MODELS[name]
    model_class = getattr(transformers, library_class)
    torch.manual_seed(1)
    model = model_class(model_class.config_class(**{**settings, **changed})).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.05 * torch.randn_like(weight)
    model.save_pretrained(folder)
    return model
