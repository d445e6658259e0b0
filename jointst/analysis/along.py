"""The models of a training in order: its fresh weights, every checkpoint that is kept, the trained model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file

from jointst.common.errors import DataError
from jointst.config.context import Context
from jointst.models.build import Trained, build_model, load_pretrained, load_statistics

BEFORE = "before training"


def checkpoint_files(folder: Path) -> list[tuple[int, Path]]:
    """Weights kept in ``checkpoints`` with their updates, in order."""
    return sorted((int(path.stem.partition("_")[2]), path) for path in folder.glob("update_*.safetensors"))


def fresh(context: Context, trained: Trained) -> Trained:
    """The model as its training began: the same seed draws the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(trained.config.training.seed)
        model = build_model(trained.config, trained.symbols, trained.audio_encoder)
    load_pretrained(model, trained.config)
    load_statistics(model, trained.config, context.data)
    return dataclasses.replace(trained, model=model.to(trained.device).eval())


def models_along(context: Context, trained: Trained) -> Iterator[tuple[str, int, Trained]]:
    """Name, updates and model of each point of the training before its end, one at a time.

    Raises:
        DataError: a checkpoint does not fit the settings.
    """
    yield BEFORE, 0, fresh(context, trained)
    for update, path in checkpoint_files(context.exp / "checkpoints"):
        model = build_model(trained.config, trained.symbols, trained.audio_encoder)
        try:
            model.load_state_dict(load_file(path))
        except RuntimeError as error:
            raise DataError(f"does not fit the settings: {error}", path=path, fix="remove it") from None
        yield f"update {update}", update, dataclasses.replace(trained, model=model.to(trained.device).eval())
