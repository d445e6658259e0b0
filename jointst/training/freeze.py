"""Parts of the model that are not trained, for some updates or for ever.

Their weights take part in no gradient, and the optimiser passes over what has none: no step, no decay, no moments.
Which are frozen follows from the update alone, so that a continued training needs to remember nothing.
"""

from __future__ import annotations

import dataclasses

import torch

from jointst.common.errors import ConfigError
from jointst.config import Config, TrainingConfig
from jointst.data.symbols import Symbols
from jointst.models.build import build_model
from jointst.models.joint import JointModel

CTC_PARTS = ("pretrained", "subsampling", "audio_encoder", "ctc")
"""What is trained while CTC is trained alone."""


def check_frozen(config: Config, symbols: Symbols) -> None:
    """Look at ``training.freeze`` before anything is written.

    Raises:
        ConfigError: it names what is no part of the model, or leaves nothing to train.
    """
    training = config.training
    if not training.freeze:
        return
    with torch.device("meta"):
        model = build_model(config, symbols)
    parts = {name: sum(weight.numel() for weight in part.parameters()) for name, part in model.named_children()}
    for name in training.freeze:
        if name not in parts:
            raise ConfigError(
                "training.freeze", f"names {name!r}, no part of the model", f"its parts: {' '.join(parts)}"
            )
    left = {name for name, count in parts.items() if count and name not in training.freeze}
    if not left:
        raise ConfigError("training.freeze", "names all parts of the model", "leave out what is to be trained")
    alone = min(config.loss.ctc_only_updates, training.freeze_updates or training.max_updates)
    if alone > 0 and not left.intersection(CTC_PARTS):
        problem = f"leaves nothing to train in the first {alone} updates, of CTC alone"
        raise ConfigError("training.freeze", problem, "--loss.ctc_only_updates 0")


def hold(model: JointModel, config: TrainingConfig, update: int) -> None:
    """Let gradients reach the parts of the model that are trained at an update, and no others.

    It is called at each update, after the model was shared out to several GPUs: these look for weights without a
    gradient each time.

    Args:
        model: the model.
        config: which parts are frozen, and until when.
        update: counted from 0.
    """
    trained = 0 < config.freeze_updates <= update
    for name in config.freeze:
        for weight in model.get_submodule(name).parameters():
            weight.requires_grad_(trained)


def as_in_the_end(config: Config) -> Config:
    """The settings of the last updates: nothing is frozen that will be trained."""
    if config.training.freeze_updates == 0:
        return config
    return dataclasses.replace(config, training=dataclasses.replace(config.training, freeze=(), freeze_updates=0))
