"""Settings that something depends on, as plain values to be hashed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from jointst.config import Config

AUDIO_ENCODER = "model.audio_encoder"
"""The section of the pretrained encoder, on which features depend as well; there is none for a conformer."""


def settings_of(config: Config, sections: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Sections of the settings as plain values, to be hashed.

    A setting that came later is left out where it is as things were before it came, so that what was made then holds.
    """
    settings = {name: dataclasses.asdict(getattr(config, name)) for name in sections if name != AUDIO_ENCODER}
    pretrained = config.model.audio_encoder.pretrained is not None
    if AUDIO_ENCODER in sections and pretrained:
        settings[AUDIO_ENCODER] = dataclasses.asdict(config.model.audio_encoder)
        for key in ("rate", "rate_decay", "recompute"):  # of training alone
            del settings[AUDIO_ENCODER][key]
    if "model" in settings and not pretrained:
        del settings["model"]["audio_encoder"]
    elif "model" in settings:
        alone = ("recompute",)  # it changes time and memory alone
        for key in ("rate", "rate_decay", *alone) if config.model.audio_encoder.frozen else alone:
            del settings["model"]["audio_encoder"][key]
    if "data" in settings:
        del settings["data"]["same_sentences"]  # only what is found fault with depends on it
        if not config.data.paired_minutes:
            del settings["data"]["paired_minutes"]
    if "features" in settings:
        settings["features"] = config.features.stated()
    if "loss" in settings:
        for key in ("end_update", "centre"):
            if not getattr(config.loss.consistency, key):
                del settings["loss"]["consistency"][key]
    if "training" in settings:
        for key in ("graphs", "sharding"):  # of time and memory alone
            del settings["training"][key]
        if not config.training.augmentation.does_something:
            del settings["training"]["augmentation"]
        for key in ("start_from", "freeze", "freeze_updates"):
            if not getattr(config.training, key):
                del settings["training"][key]
        if not config.training.speech_batch.max_seconds:
            del settings["training"]["speech_batch"]["max_seconds"]
    if "decoding" in settings and config.decoding.phrases is None:
        settings["decoding"] = {k: v for k, v in settings["decoding"].items() if not k.startswith("phrase")}
    return settings
