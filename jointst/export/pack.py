"""Stage 10: everything a recogniser needs in one folder, the text encoder left out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save

from jointst.build import ENCODER, form_of_encoder
from jointst.errors import DataError
from jointst.load_config import from_yaml
from jointst.pretrained.registry import encoder_class, open_encoder
from jointst.pretrained.source import encoder_folder
from jointst.stage import Context, Made, write_atomically

TRAINING_ONLY = ("text_encoder.", "ctc.")
"""Parts of the model that no recogniser uses, beside the additive joiners of the decoders."""


def run(context: Context) -> Made:
    """Pack the model: weights, settings, tokenizer, phone set and lexicons, and a pretrained audio encoder.

    Raises:
        DataError: there is no trained model, or its audio encoder is damaged.
        EnvironmentFault: its audio encoder cannot be had.
    """
    weights = context.exp / "model.safetensors"
    if not weights.is_file():
        raise DataError("is missing", path=weights, fix="run stage 6, train")
    packed, writing = context.exp / "packed", context.exp / "packed.writing"
    shutil.rmtree(writing, ignore_errors=True)
    try:
        parameters = _write(context, weights, writing)
    except OSError:
        shutil.rmtree(writing, ignore_errors=True)  # as on a full disk, where its space is needed
        raise
    shutil.rmtree(packed, ignore_errors=True)
    writing.rename(packed)
    size = sum(path.stat().st_size for path in packed.rglob("*") if path.is_file()) / 1e6
    return Made(what=f"recogniser of {parameters / 1e6:.2f} M parameters, {size:.1f} MB", where=packed)


def _write_audio_encoder(context: Context, folder: Path) -> int:
    """Put a frozen pretrained audio encoder beside the model, or the form of the one that is a part of it; the number
    of parameters beside the model's own."""
    config = from_yaml(context.exp / "config.yaml")
    settings = config.model.audio_encoder
    form = form_of_encoder(context.exp)
    if form is not None:
        _copy(form / "config.json", folder, "run stage 6, train")
    if not settings.frozen:
        return 0
    encoder_class(settings.kind).pack(encoder_folder(settings, Path(config.corpus.downloads)), folder)
    return sum(weight.numel() for weight in open_encoder(settings.kind, folder).parameters())


def _copy(source: Path, folder: Path, fix: str) -> None:
    if not source.is_file():
        raise DataError("is missing", path=source, fix=fix)
    write_atomically(folder / source.name, source.read_bytes())


def _write(context: Context, weights: Path, folder: Path) -> int:
    """Write all parts into a new folder; the number of parameters."""
    (folder / "lang").mkdir(parents=True)
    with safe_open(weights, framework="pt") as opened:
        about = opened.metadata()
    stored = load_file(weights).items()
    state = {name: part for name, part in stored if not name.startswith(TRAINING_ONLY) and ".additive." not in name}
    write_atomically(folder / "model.safetensors", save(state, about))
    for name in ("config.yaml", "versions.json"):
        _copy(context.exp / name, folder, "run stage 6, train")
    for name in ("tokenizer.model", "tokens.txt"):
        _copy(context.data / "tokenizer" / name, folder, "run stage 5, tokenizer")
    for source in sorted((context.data / "lang").glob("lexicon_*.txt")) + [context.data / "lang" / "phones.txt"]:
        _copy(source, folder / "lang", "run stage 3, lexicon")
    parameters = sum(tensor.numel() for tensor in state.values()) + _write_audio_encoder(context, folder / ENCODER)
    write_atomically(folder / "parameters.json", json.dumps({"parameters": parameters}) + "\n")
    return parameters
