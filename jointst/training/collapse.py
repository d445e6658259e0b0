"""The collapse alarm: states of a shared layer that have become alike carry no speech.

Layer norm pins the norm of states, so a collapse shows in their spread, not in their norm (the design's section 7).

B batch, N positions, D features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from jointst.common.errors import CollapseError
from jointst.data.batch import TextBatch
from jointst.losses.consistency import ConsistencyLoss
from jointst.models.joint import Encoded
from jointst.ops.masks import length_mask, on_device


@torch.no_grad()
def spread(states: Tensor, lengths: Tensor) -> Tensor:
    """Standard deviation of states around their mean over the root mean square of states, 0 (all alike) to 1.

    Args:
        states: (B, N, D).
        lengths: (B,) valid positions.

    Returns:
        A scalar.
    """
    valid = length_mask(lengths, states.shape[1])[:, :, None]
    states = torch.where(valid, states.float(), 0.0)
    centred = torch.where(valid, states - states.sum((0, 1)) / lengths.sum(), 0.0)
    return (centred.square().sum() / states.square().sum().clamp_min(1e-20)).sqrt()


def spreads(encoded: Encoded) -> list[Tensor]:
    """The spread of each shared layer, scalars."""
    return [spread(states, encoded.lengths) for states in encoded.states]


def other_texts(texts: TextBatch) -> list[tuple[int, int]]:
    """Each text of a batch with the next one that says something else; without those that have none.

    A sentence may be read by several speakers and at several speeds, so that a batch holds it more than once.
    """
    said, found = texts.said, []
    for own in range(len(said)):
        others = (*range(own + 1, len(said)), *range(own))
        other = next((place for place in others if said[place] != said[own]), None)
        found += [] if other is None else [(own, other)]
    return found


@torch.no_grad()
def true_to_mismatched(speech: Encoded, transcripts: Encoded, pairs: Sequence[tuple[int, int]]) -> list[Tensor]:
    """How far speech is from its own text over how far it is from another utterance's, for each shared layer.

    Well under 1 when states carry what was said; near 1 when the loss was won by making all texts alike.

    Args:
        speech: states of paired utterances.
        transcripts: states of the transcripts of the first of them.
        pairs: utterances, each with another one whose text is another; at least one.

    Returns:
        Scalars.
    """
    own, other = on_device(torch.tensor(pairs), speech.lengths.device).unbind(1)
    lengths = speech.lengths[own]
    spoken = [states[own] for states in speech.states]
    compare = ConsistencyLoss()
    true, mismatched = (
        compare(spoken, [states[text] for states in transcripts.states], lengths, transcripts.lengths[text]).layers
        for text in (own, other)
    )
    return [true[layer] / mismatched[layer].clamp_min(1e-20) for layer in true]


_MEND = (
    "what to do: start the consistency loss later (loss.consistency.start_update), ramp it longer, or lower its "
    "weight; a peak_rate that is too high does the same"
)


def check_spreads(values: list[float], names: list[str], lowest: float, update: int) -> None:
    """Raise the alarm on states that are all alike.

    Raises:
        CollapseError: a layer's spread is under ``lowest``.
    """
    for name, value in zip(names, values, strict=True):
        if value < lowest:
            raise CollapseError(
                f"update {update}: the states of layer {name!r} have collapsed: spread {value:.4f} of their norm, "
                f"under training.collapse_spread {lowest}; {_MEND}"
            )


def check_ratios(values: list[float], names: list[str], highest: float, update: int) -> None:
    """Raise the alarm on states that no longer tell one text from another.

    Raises:
        CollapseError: in every layer, true pairs are over ``highest`` times as far apart as mismatched ones.
    """
    if min(values) > highest:
        shown = ", ".join(f"{name} {value:.3f}" for name, value in zip(names, values, strict=True))
        raise CollapseError(
            f"update {update}: speech is as far from its own text as from another utterance's (ratios: {shown}; all "
            f"over training.collapse_ratio {highest}): the states carry no speech; {_MEND}"
        )
