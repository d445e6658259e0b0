"""Reading what stage 10 packed: a recogniser without its text encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from jointst.common.devices import choose_device
from jointst.common.errors import DataError
from jointst.config import Config
from jointst.config.load import from_yaml
from jointst.data.symbols import Symbols
from jointst.models.build import (
    ENCODER,
    Trained,
    as_trained,
    build_model,
    form_of_encoder,
    read_languages,
)
from jointst.models.joint import JointModel
from jointst.text.lexicon import PhoneTable
from jointst.text.tokenizer import Tokenizer

WEIGHTS, PARAMETERS = "model.safetensors", "parameters.json"
TEXT_BRANCH = "text_branch.safetensors"
"""What only training uses, so that a packed model can be adapted and trained on; no recogniser reads it."""
RECOGNISER = "recogniser"
"""Under what name the text branch holds the sha256 of the recogniser that it belongs to."""
TRAINING_ONLY = ("text_encoder.", "ctc.")
"""Parts of the model that no recogniser uses, beside the additive joiners of the decoders."""
_FIX = "run stage 10, export, and name its folder, exp/<name>/packed"


def load_packed(folder: Path, ngpu: int = 0) -> Trained:
    """The recogniser in a packed folder; its model lacks the parts that only training uses.

    Args:
        folder: ``exp/<name>/packed``, wherever it was copied to.
        ngpu: 1 for the GPU, 0 for the CPU.

    Raises:
        DataError: the folder or a part of it is missing or damaged, or its parts do not belong together.
        EnvironmentFault: a GPU is asked for and there is none.
    """
    config, symbols, languages = read_packed(folder)
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise DataError("is missing", path=weights, fix=_FIX)
    try:
        state = load_file(weights)
        config = as_trained(config, state)
        audio_encoder = _audio_encoder(config, folder)
        model = _frame(config, symbols, len(state), audio_encoder)
        model.load_state_dict(state, assign=True)
    except (RuntimeError, SafetensorError) as error:
        raise DataError(f"does not fit the settings beside it: {error}", path=weights, fix=_FIX) from None
    device = choose_device(ngpu)
    return Trained(
        model=model.to(device).eval(),
        symbols=symbols,
        config=config,
        device=device,
        languages=languages,
        audio_encoder=audio_encoder,
    )


def read_packed(folder: Path) -> tuple[Config, Symbols, tuple[str, ...]]:
    """All of a packed recogniser but its weights: settings, symbol tables and languages.

    Raises:
        DataError: the folder or a part of it is missing or damaged.
    """
    if not folder.is_dir():
        raise DataError("there is no such folder of a packed model", path=folder, fix=_FIX)
    if not (folder / "config.yaml").is_file():
        raise DataError("is missing", path=folder / "config.yaml", fix=_FIX)
    config = from_yaml(folder / "config.yaml")
    symbols = Symbols(
        tokenizer=Tokenizer.read(folder / "tokenizer.model"),
        phones=PhoneTable.read(folder / "lang" / "phones.txt"),
        text_input=config.tokenizer.text_input,
    )
    return config, symbols, read_languages(config, folder)


def _audio_encoder(config: Config, folder: Path) -> Path | None:
    """Where a frozen pretrained audio encoder is, which is read when it is first used, or the form of one that is a
    part of the model."""
    found = form_of_encoder(folder)
    if found is None and config.model.audio_encoder.pretrained is not None:
        raise DataError("is missing", path=folder / ENCODER, fix=_FIX)
    return found


def _frame(config: Config, symbols: Symbols, weights: int, audio_encoder: Path | None) -> JointModel:
    """A model without weights, so that damaged settings cannot ask for more memory than the file of weights has.

    Raises:
        RuntimeError: it has more layers than there are weights.
    """
    sizes = config.model
    layers = sizes.audio_layers + sizes.streaming_layers + sizes.full_context_layers + sizes.text_encoder.layers
    if layers > weights:
        raise RuntimeError(f"{layers} layers, and only {weights} weights")
    with torch.device("meta"):
        model = build_model(config, symbols, audio_encoder)
    for name in TRAINING_ONLY:
        delattr(model, name.rstrip("."))
    return model
