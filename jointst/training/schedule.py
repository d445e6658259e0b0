"""The learning rate over training."""

from __future__ import annotations

import math

from jointst.config import TrainingConfig

FLOOR = 0.01
"""The rate at the end, as a share of the peak."""


def rate_factor(update: int, config: TrainingConfig) -> float:
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
