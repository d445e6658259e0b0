"""The collapse alarm: states of a shared layer that have become alike carry no speech.

Layer norm pins the norm of states, so a collapse shows in their spread, not in their norm (the design's section 7).

B batch, N positions, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from jointst.errors import CollapseError
from jointst.models.joint import Encoded
from jointst.ops.masks import length_mask


def spread(states: Tensor, lengths: Tensor) -> float:
    """Standard deviation of states around their mean over the root mean square of states, 0 (all alike) to 1.

    Args:
        states: (B, N, D).
        lengths: (B,) valid positions.
    """
    with torch.no_grad():
        valid = states[length_mask(lengths, states.shape[1])].float()
        centred = valid - valid.mean(0)
        return float((centred.square().sum() / valid.square().sum().clamp_min(1e-20)).sqrt())


def spreads(encoded: Encoded) -> list[float]:
    """The spread of each shared layer."""
    return [spread(states, encoded.lengths) for states in encoded.states]


def check_spreads(values: list[float], names: list[str], lowest: float, update: int) -> None:
    """Raise the alarm.

    Raises:
        CollapseError: a layer's spread is under ``lowest``.
    """
    for name, value in zip(names, values, strict=True):
        if value < lowest:
            raise CollapseError(
                f"update {update}: the states of layer {name!r} have collapsed: spread {value:.4f} of their norm, "
                f"under training.collapse_spread {lowest}; what to do: start the consistency loss later "
                "(loss.consistency.start_update), ramp it longer, or lower its weight; a peak_rate that is too high "
                "does the same"
            )
