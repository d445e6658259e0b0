"""The optimiser and its learning rate over training."""

from __future__ import annotations

import math
from typing import Any

import torch

from jointst.config import LmConfig, TrainingConfig

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
    """AdamW under :func:`rate_factor`, as lightning wants it; norms, biases and mask embeddings are not decayed."""
    decayed = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    plain = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.peak_rate, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: rate_factor(update, config))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
