"""Readers of a packed model: its settings, weights, phones and tokenizer, one of them damaged."""

from __future__ import annotations

import json
import struct
from functools import cache, partial
from pathlib import Path

import torch
from safetensors.torch import save

from fuzz.target import HARD, WORDS32, Target
from jointst.config import Config, CorpusConfig, FeatureConfig, ModelConfig, TokenizerConfig
from jointst.config.load import to_yaml
from jointst.data.symbols import Symbols
from jointst.models.build import build_model
from jointst.models.packed import load_packed
from jointst.text.lexicon import PhoneTable
from jointst.text.tokenizer import Tokenizer, train

PIECES = (
    *HARD, *WORDS32, b"F32", b"F16", b"I64", b"shape", b"data_offsets", b"dtype", b"[0,0]", b"__metadata__",
    b"dim: 9999999",    b"heads: 0", b"kernel: -1", b"\x08\x96\x01", b"\x12\xff\xff\xff\xff\x07", b"<pad> 0\n",
)  # fmt: skip


@cache
def _parts() -> dict[str, bytes]:
    """A packed model of toy size."""
    tokenizer = train(["open the door", "close it now", "the window"], TokenizerConfig(kind="char"))
    phones = PhoneTable.of("abcde")
    config = Config(
        corpus=CorpusConfig(sources=(), languages=("en",)),
        features=FeatureConfig(mel_bins=8, cmvn="none"),
        model=ModelConfig(
            dim=8, full_context_dim=8, heads=2, audio_layers=1, streaming_layers=1, full_context_layers=1
        ),
        tokenizer=TokenizerConfig(kind="char"),
    )
    torch.manual_seed(0)
    read = Tokenizer.from_bytes(tokenizer)
    model = build_model(config, Symbols(tokenizer=read, phones=phones, text_input=config.tokenizer.text_input))
    kept = {
        name: part
        for name, part in model.state_dict().items()
        if not name.startswith(("text_encoder.", "ctc.")) and ".additive." not in name
    }
    return {
        "config.yaml": to_yaml(config).encode(),
        "model.safetensors": save(kept),
        "tokenizer.model": tokenizer,
        "lang/phones.txt": phones.to_text().encode(),
    }


def _write(name: str, content: bytes) -> Path:
    folder = Path("packed")
    (folder / "lang").mkdir(parents=True)
    for part, usual in (_parts() | {name: content}).items():
        (folder / part).write_bytes(usual)
    return folder


def _load(name: str, content: bytes) -> None:
    load_packed(_write(name, content))


def _load_header(content: bytes) -> None:
    """The header of the weights alone is damaged: what follows it is far longer."""
    usual = _parts()["model.safetensors"]
    size = struct.unpack("<Q", usual[:8])[0]
    load_packed(_write("model.safetensors", content + usual[8 + size :]))


def _headers() -> tuple[bytes, ...]:
    usual = _parts()["model.safetensors"]
    size = struct.unpack("<Q", usual[:8])[0]
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return usual[: 8 + size], struct.pack("<Q", len(header)) + header


TARGETS = [
    Target(
        name=f"packed_{Path(name).stem}",
        seeds=partial(lambda name: (_parts()[name],), name),
        read=partial(_load, name),
        names="" if name == "config.yaml" else "packed/",
        pieces=PIECES,
        slow=True,
    )
    for name in ("config.yaml", "tokenizer.model", "lang/phones.txt")
] + [Target(name="packed_weights", seeds=_headers, read=_load_header, names="packed/", pieces=PIECES, slow=True)]
