"""A folder of a model as hubs hold it: ``config.json`` and ``*.safetensors``; no pickle is ever read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from jointst.common.errors import DataError

CONFIG = "config.json"
ADAPTERS = "adapter.*.safetensors"
"""Files that are no weights of the model but may take the place of some, as those of a language of MMS."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
"""Ends of the names of files of weights that run code when they are read, or are of other frameworks."""


def read_config(folder: Path, fix: str) -> dict[str, Any]:
    """The settings in ``config.json``.

    Raises:
        DataError: there is no such folder or file, or it is no JSON.
    """
    if not folder.is_dir():
        raise DataError("there is no such folder of a pretrained encoder", path=folder, fix=fix)
    path = folder / CONFIG
    if not path.is_file():
        raise DataError("is missing", path=path, fix=fix)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"is no JSON: {error}", path=path, fix="copy or download it again") from None
    if not isinstance(config, dict):
        raise DataError("holds no settings of a model", path=path, fix=fix)
    return config


def check_kind(config: dict[str, Any], kinds: Sequence[str], folder: Path, fix: str) -> None:
    """See whether ``model_type`` is one of those a reader understands.

    Raises:
        DataError: it is another.
    """
    found = config.get("model_type")
    if found not in kinds:
        said = f"is a model of the kind {found!r}" if found else "does not say what kind of model it is (model_type)"
        raise DataError(f"{said}, not {' or '.join(kinds)}", path=folder / CONFIG, fix=fix)


def read_weights(folder: Path, prefixes: Sequence[str], fix: str) -> dict[str, Tensor]:
    """The weights under the first of some prefixes under which there are any, without it.

    Args:
        folder: of the model; its weights may be in several files of safetensors.
        prefixes: ``model.encoder.``, say; an empty one takes all.
        fix: what to do where there are none.

    Raises:
        DataError: no weights, pickled ones, or a damaged file.
    """
    files = sorted(path for path in folder.glob("*.safetensors") if not path.match(ADAPTERS))
    if not files:
        pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
        if pickled:
            problem = f"has no safetensors but {pickled[0]}, a pickle, which may run any code when it is read"
            convert = "where you trust it, convert it: transformers' from_pretrained, then save_pretrained, writes them"
            raise DataError(problem, path=folder, fix=convert)
        raise DataError("holds no weights: there is no *.safetensors", path=folder, fix=fix)
    names: dict[str, Path] = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as stored:
                names |= dict.fromkeys(stored.keys(), path)
        except (SafetensorError, OSError) as error:
            raise _damaged(path, error) from None
    prefix = next((own for own in prefixes if any(name.startswith(own) for name in names)), None)
    if prefix is None:
        raise DataError(f"holds no weights of an encoder but {' '.join(sorted(names)[:3])} ...", path=folder, fix=fix)
    found: dict[str, Tensor] = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as stored:
                for name in stored.keys():  # noqa: SIM118, it is no mapping
                    if name.startswith(prefix):
                        found[name.removeprefix(prefix)] = stored.get_tensor(name)
        except SafetensorError as error:
            raise _damaged(path, error) from None
    return found


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"is no whole file of safetensors: {error}", path=path, fix="copy or download it again")


def fill(encoder: nn.Module, state: dict[str, Tensor], path: Path, fix: str) -> None:
    """Give a module without weights those of a file, as 32-bit numbers; others there are left.

    Args:
        encoder: on the meta device.
        state: weights by name.
        path: where they are from.
        fix: what to do where they do not fit.

    Raises:
        DataError: a weight is missing, has another shape, or is not finite.
    """
    wanted = encoder.state_dict()
    chosen = {}
    for name, own in wanted.items():
        if name not in state:
            raise DataError(f"lacks the weight {name} {tuple(own.shape)}", path=path, fix=fix)
        if state[name].shape != own.shape:
            problem = f"{name} has the shape {tuple(state[name].shape)}, by the sizes of the model it is"
            raise DataError(f"{problem} {tuple(own.shape)}", path=path, fix=fix)
        chosen[name] = state[name].to(torch.float32)
        if not bool(torch.isfinite(chosen[name]).all()):
            raise DataError(f"{name} has values that are not finite", path=path, fix="copy or download it again")
    encoder.load_state_dict(chosen, assign=True)
