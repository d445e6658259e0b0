"""The optimiser and its learning rate over training."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import Parameter

from jointst.config import LmConfig, TrainingConfig
from jointst.models.joint import JointModel
from jointst.pretrained.fine_tuning import rate_shares

FLOOR = 0.01
"""The rate at the end, as a share of the peak."""


def rate_factor(update: int, config: TrainingConfig | LmConfig) -> float:
    """The learning rate at an update as a share of the peak: linear warm-up, constant, cosine to :data:`FLOOR`.

    Args:
        update: counted from 0.
        config: warm-up, hold and number of updates.
    """
    if update < config.warmup_updates:
        return (update + 1) / config.warmup_updates
    hold = max(config.warmup_updates, round(config.hold_share * config.max_updates))
    if update < hold:
        return 1.0
    done = min(1.0, (update - hold) / max(1, config.max_updates - hold))
    return FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + math.cos(math.pi * done))


def optimisation(model: torch.nn.Module, config: TrainingConfig | LmConfig) -> dict[str, Any]:
    """AdamW under :func:`rate_factor`, as lightning wants it; norms, biases and mask embeddings are not decayed.

    A pretrained encoder in the model has rates of its own; those of the first groups are the model's.
    """
    shares: dict[Parameter, float] = {}
    if isinstance(model, JointModel) and model.pretrained is not None:
        shares = dict(rate_shares(model.pretrained, model.config.audio_encoder))
    groups = []
    for share in (1.0, *sorted(set(shares.values()) - {1.0})):
        own = [parameter for parameter in model.parameters() if shares.get(parameter, 1.0) == share]
        rate = share * config.peak_rate
        decayed, plain = ([weight for weight in own if (weight.dim() >= 2) == many] for many in (True, False))
        groups.append({"params": decayed, "lr": rate, "weight_decay": config.weight_decay})
        groups.append({"params": plain, "lr": rate, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, lr=config.peak_rate, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: rate_factor(update, config))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
