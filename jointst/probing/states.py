"""Frozen states of every layer of a model, and the labels that probes are to find in them.

N speech positions, D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from jointst.common.progress import progress
from jointst.common.units import Seconds, frames_to_seconds
from jointst.data.dataset import PairedSet, in_order
from jointst.kaldi.phone_times import SILENCE, PhoneTime
from jointst.models.build import Trained
from jointst.ops.alignment import best_alignment
from jointst.ops.distance import normalise, pairwise_l2
from jointst.ops.masks import length_mask

FEATURES, AUDIO = "features", "audio encoder"
"""Names of the two layers before the shared ones: normalised log-mel frames, and the audio encoder's output."""


@dataclass(kw_only=True)
class Side:
    """States of one side of some utterances.

    Attributes:
        layers: names.
        frames: for each layer, for each utterance (N, D) float16.
        phones: for each utterance (N,) the symbol at each position, or None where it is not known.
    """

    layers: list[str]
    frames: dict[str, list[Tensor]] = field(default_factory=dict)
    phones: list[list[str] | None] = field(default_factory=list)

    def add(self, layer: str, states: Tensor, lengths: Tensor) -> None:
        """Take the states (B, N, D) of a batch with lengths (B,)."""
        rows = [row[:length].half().cpu() for row, length in zip(states, lengths.tolist(), strict=True)]
        self.frames.setdefault(layer, []).extend(rows)


@dataclass(kw_only=True)
class States:
    """Both sides of some utterances.

    Attributes:
        utterances: ids.
        languages: of each.
        speech: speech states, the features and the audio encoder among them.
        text: text states.
        times: whether the phones of speech come from ``phone_times``; else from the best alignment.
    """

    utterances: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    speech: Side
    text: Side
    times: bool


def labels_at(times: Sequence[PhoneTime], positions: int, seconds: Seconds) -> list[str]:
    """The phone spoken in the middle of each speech position; silence before the first and after the last."""
    found, place = [], 0
    for i in range(positions):
        middle = (i + 0.5) * seconds
        while place < len(times) and times[place].end <= middle:
            place += 1
        inside = place < len(times) and times[place].start <= middle
        found.append(times[place].phone if inside else SILENCE)
    return found


@torch.inference_mode()
def collect(
    trained: Trained, paired: PairedSet, times: Mapping[str, Sequence[PhoneTime]], *, batch: int, limit: int
) -> States:
    """The states of at most ``limit`` utterances, evenly spread over the set.

    Args:
        trained: the model.
        paired: the utterances.
        times: their ``phone_times``; where empty, phones come from the best alignment at the last shared layer.
        batch: utterances encoded together.
        limit: most utterances.
    """
    model, names = trained.model, trained.model.layer_names
    states = States(speech=Side(layers=[FEATURES, AUDIO, *names]), text=Side(layers=names), times=bool(times))
    for item in progress(list(in_order(paired, batch, limit)), desc="probe: states", unit="batch"):
        moved = item.to(trained.device)
        front, lengths = model.encode_audio(moved.features, moved.feature_lengths)
        speech = model.encode_shared(front, lengths, moved.languages)
        text = model.encode_text(moved.phones, moved.phone_lengths, moved.durations, moved.languages)
        factor = trained.config.model.rows_per_position
        plain = model.normalisation(moved.features)[:, factor // 2 :: factor]  # (B, T, F) -> about (B, N, F)
        plain = torch.nn.functional.pad(plain, (0, 0, 0, front.shape[1] - plain.shape[1]))
        for layer, value in zip(states.speech.layers, [plain, front, *speech.states], strict=True):
            states.speech.add(layer, value, lengths)
        for layer, value in zip(names, text.states, strict=True):
            states.text.add(layer, value, text.lengths)
        states.utterances += item.utterances
        states.languages += item.languages
        read = _text_symbols(trained, moved.phones, text.lengths, moved.phone_lengths, moved.durations)
        states.text.phones += read
        if times:
            seconds = frames_to_seconds(factor, trained.config.row)
            pairs = zip(item.utterances, lengths.tolist(), strict=True)
            states.speech.phones += [labels_at(times[u], n, seconds) if u in times else None for u, n in pairs]
        else:
            states.speech.phones += _aligned(speech.states[-1], text.states[-1], lengths, text.lengths, read)
    return states


def _text_symbols(
    trained: Trained, phones: Tensor, positions: Tensor, lengths: Tensor, durations: Tensor | None
) -> list[list[str] | None]:
    """What each text position stands for."""
    from jointst.nn.text_encoder import repeats_of

    if trained.symbols.text_input != "phones":
        return [None] * len(phones)
    repeats = repeats_of(trained.config.model.text_encoder, phones.shape, durations, training=False).cpu()
    found: list[list[str] | None] = []
    for row, counts, length, total in zip(phones.cpu(), repeats, lengths.tolist(), positions.tolist(), strict=True):
        ids = row[:length].repeat_interleave(counts[:length]).tolist()
        assert len(ids) == total
        found.append([trained.symbols.phones.symbols[i] for i in ids])
    return found


def _aligned(
    speech: Tensor, text: Tensor, lengths: Tensor, text_lengths: Tensor, read: list[list[str] | None]
) -> list[list[str] | None]:
    """Phones of speech positions by the best alignment with the text's."""
    index, _ = best_alignment(pairwise_l2(normalise(speech), normalise(text)), lengths, text_lengths)
    valid = length_mask(lengths, index.shape[1]).cpu()
    rows = zip(index.cpu(), valid, read, strict=True)
    return [None if symbols is None else [symbols[j] for j in row[mask].tolist()] for row, mask, symbols in rows]
