"""Numbers of the alignment report: how close speech and text states are, layer by layer.

B batch, N speech positions, M text positions, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from jointst.analysis.times import TIMED, BatchTimes, summarise
from jointst.losses.consistency import pair_distance
from jointst.ops.alignment import best_alignment, framewise_alignment, random_alignment
from jointst.ops.distance import normalise, pairwise_l2
from jointst.ops.masks import length_mask

PAIRINGS = ("best", "framewise", "random", "mismatched")
"""How frames are paired with text positions. ``mismatched`` is the control: best, with another utterance's text."""

MEASURES = ("raw", "relative", "normalised")
"""Distances: L2; L2 over the mean norm of the speech states; L2 of layer-normalised states over sqrt(D)."""


def text_coverage(index: Tensor, speech_lengths: Tensor, text_lengths: Tensor) -> Tensor:
    """Share of the text positions that an alignment uses.

    Args:
        index: (B, N) int64.
        speech_lengths: (B,).
        text_lengths: (B,).

    Returns:
        (B,) float, above 0 to 1.
    """
    used = torch.zeros(len(index), int(text_lengths.max()), device=index.device)
    used.scatter_reduce_(1, index, length_mask(speech_lengths, index.shape[1]).float(), reduce="amax")
    return used.sum(1) / text_lengths


def choose_partners(
    languages: Sequence[str], texts: Sequence[Sequence[int]], generator: torch.Generator
) -> tuple[list[int], int]:
    """Whose text each utterance of a batch is compared with in the mismatched pairs.

    Another utterance with other phones, of the same language if there is one, drawn at random.

    Args:
        languages: of the batch.
        texts: phone ids of the batch.
        generator: decides the draws.

    Returns:
        An index for each utterance, -1 if no other has other phones; and how many are of the same language.
    """
    partners, same_language = [], 0
    for i, (lang, text) in enumerate(zip(languages, texts, strict=True)):
        others = [j for j, other in enumerate(texts) if list(other) != list(text)]
        near = [j for j in others if languages[j] == lang]
        candidates = near or others
        same_language += bool(near)
        draw = int(torch.randint(len(candidates), (), generator=generator)) if candidates else 0
        partners.append(candidates[draw] if candidates else -1)
        assert partners[-1] != i
    return partners, same_language


@dataclass(kw_only=True)
class LayerTotals:
    """Sums over utterances and states of one shared layer.

    Attributes:
        name: of the layer.
    """

    name: str
    _values: dict[str, list[float]] = field(default_factory=dict, repr=False)
    _states: dict[str, tuple[Tensor, float, float, int]] = field(default_factory=dict, repr=False)

    def add(
        self,
        speech: Tensor,
        text: Tensor,
        speech_lengths: Tensor,
        text_lengths: Tensor,
        partners: Sequence[int],
        generator: torch.Generator,
        times: BatchTimes | None = None,
    ) -> None:
        """Measure a batch.

        Args:
            speech: (B, N, D).
            text: (B, M, D).
            speech_lengths: (B,).
            text_lengths: (B,).
            partners: whose text the mismatched pairs take; -1 for none.
            generator: of the random alignment.
            times: when its phones are spoken, if that is known.
        """
        for side, states, lengths in (("speech", speech, speech_lengths), ("text", text, text_lengths)):
            self._add_states(side, states[length_mask(lengths, states.shape[1])])
        framewise = framewise_alignment(speech_lengths, text_lengths, speech.shape[1])
        shuffled = random_alignment(speech_lengths, text_lengths, speech.shape[1], generator)
        scale = speech.shape[-1] ** -0.5
        for measure, s, t, factor in (
            ("raw", speech, text, 1.0),
            ("normalised", normalise(speech), normalise(text), scale),
        ):
            best, _ = best_alignment(pairwise_l2(s, t), speech_lengths, text_lengths)
            if times is not None:
                key = "best" if measure == "normalised" else "best_raw"
                self._values.setdefault(f"time {key}", []).extend(times.errors(best, speech_lengths))
            for pairing, index in (("best", best), ("framewise", framewise), ("random", shuffled)):
                self._extend(f"{measure} {pairing}", factor * pair_distance(s, t, index, speech_lengths))
            self._extend(f"{measure} coverage", text_coverage(best, speech_lengths, text_lengths))
            self._add_mismatched(measure, s, t, speech_lengths, text_lengths, partners, factor)
        if times is not None:
            for key, index in (("framewise", framewise), ("random", shuffled)):
                self._values.setdefault(f"time {key}", []).extend(times.errors(index, speech_lengths))
            self._values.setdefault("time grid", []).extend(times.grid_errors())

    def _add_mismatched(
        self,
        measure: str,
        speech: Tensor,
        text: Tensor,
        speech_lengths: Tensor,
        text_lengths: Tensor,
        partners: Sequence[int],
        factor: float,
    ) -> None:
        rows = [i for i, partner in enumerate(partners) if partner >= 0]
        if not rows:
            return
        others = [partners[i] for i in rows]
        speech, text, lengths = speech[rows], text[others], speech_lengths[rows]
        index, _ = best_alignment(pairwise_l2(speech, text), lengths, text_lengths[others])
        self._extend(f"{measure} mismatched", factor * pair_distance(speech, text, index, lengths))

    def _extend(self, key: str, values: Tensor) -> None:
        self._values.setdefault(key, []).extend(values.tolist())

    def _add_states(self, side: str, states: Tensor) -> None:
        """Sum, summed squares, summed norms and number of states (K, D); in float64, as differences of sums follow."""
        states = states.double()
        before = self._states.get(side, (torch.zeros(states.shape[-1], dtype=torch.float64), 0.0, 0.0, 0))
        self._states[side] = (
            before[0] + states.sum(0).cpu(),
            before[1] + float(states.square().sum()),
            before[2] + float(states.norm(dim=-1).sum()),
            before[3] + len(states),
        )

    def _spread(self, side: str) -> float:
        """Standard deviation of states around their mean over their root mean square: 0 all alike, to 1."""
        summed, squares, _, count = self._states[side]
        centred = squares - float(summed.square().sum()) / count
        return float((max(centred, 0.0) / max(squares, 1e-20)) ** 0.5)

    def _mean(self, key: str) -> float | None:
        values = self._values.get(key, [])
        return sum(values) / len(values) if values else None

    def _times(self) -> dict[str, Any] | None:
        """Errors in time of each alignment; None where no phone's time is known."""
        if not self._values.get("time best"):
            return None
        return {key: summarise(self._values[f"time {key}"]) for key in TIMED}

    def summary(self) -> dict[str, Any]:
        """Means over utterances for JSON; a pairing that no utterance had is None."""
        norms = {side: self._states[side][2] / self._states[side][3] for side in ("speech", "text")}
        raw = {pairing: self._mean(f"raw {pairing}") for pairing in PAIRINGS}
        relative = {key: None if value is None else value / max(norms["speech"], 1e-20) for key, value in raw.items()}
        return {
            "layer": self.name,
            "raw": raw,
            "relative": relative,
            "normalised": {pairing: self._mean(f"normalised {pairing}") for pairing in PAIRINGS},
            "coverage": self._mean("raw coverage"),
            "coverage_normalised": self._mean("normalised coverage"),
            "norm": norms,
            "spread": {side: self._spread(side) for side in ("speech", "text")},
            "utterances": len(self._values["raw best"]),
            "times": self._times(),
            "mismatched_pairs": len(self._values.get("raw mismatched", [])),
        }


def alarms(layers: Sequence[dict[str, Any]], lowest_spread: float) -> list[str]:
    """What is wrong with a model's layers: the order best < frame-wise < mismatched is broken, or states are alike.

    Args:
        layers: of :meth:`LayerTotals.summary`.
        lowest_spread: ``training.collapse_spread``.
    """
    found = []
    for layer in layers:
        broken = []
        for measure in ("raw", "normalised"):
            best, framewise, _, mismatched = (layer[measure][pairing] for pairing in PAIRINGS)
            if mismatched is not None and not best < framewise < mismatched:
                broken.append(f"{measure} {best:.4f}, {framewise:.4f}, {mismatched:.4f}")
        if broken:
            found.append(
                f"layer {layer['layer']}: distances are not in the order best < frame-wise < mismatched "
                f"({'; '.join(broken)}): an utterance's own text should be nearer to it than another's"
            )
        for side, value in layer["spread"].items():
            if value < lowest_spread:
                found.append(
                    f"layer {layer['layer']}: {side} states have collapsed: spread {value:.4f} of their norm, "
                    f"under training.collapse_spread {lowest_spread}"
                )
    return found
