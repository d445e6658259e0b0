"""An untrained model of toy size, packed, and a set of synthetic speech, for benchmarks that want a trained one."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from jointst.common.files import write_atomically
from jointst.config import Config, CorpusConfig, DataConfig, FeatureConfig, ModelConfig, SyntheticConfig
from jointst.config.context import Context
from jointst.config.load import to_yaml
from jointst.data import corpora
from jointst.export import pack
from jointst.models.build import build_model, digest_symbols, read_symbols
from jointst.text import lexicon, tokenizer


def make_toy_model(folder: Path) -> tuple[Path, Path]:
    """The packed model and the data directory, made in an empty folder."""
    sets = {name: (f"synthetic_{name}",) for name in ("train", "dev", "test")}
    spoken = SyntheticConfig(train_hours=0.01, dev_utterances=2, test_utterances=4)
    config = Config(
        corpus=CorpusConfig(sources=("synthetic",), languages=("en",), synthetic=spoken),
        data=DataConfig(root=str(folder / "data"), unpaired=(), **sets),
        features=FeatureConfig(cmvn="none"),
        model=ModelConfig(dim=16, full_context_dim=16, audio_layers=1, streaming_layers=1, full_context_layers=1),
    )
    context = Context(config=config, name=str((folder / "exp").resolve()), nj=1)  # an absolute name: not under exp/
    for run in (corpora.run, lexicon.run, tokenizer.run):
        run(context)
    torch.manual_seed(0)
    model = build_model(config, read_symbols(config, context.data))
    context.exp.mkdir()
    save_file(model.state_dict(), str(context.exp / "model.safetensors"), {"symbols": digest_symbols(context.data)})
    write_atomically(context.exp / "config.yaml", to_yaml(config))
    write_atomically(context.exp / "versions.json", json.dumps({}))
    return pack.run(context).where, context.data / "synthetic_test"
