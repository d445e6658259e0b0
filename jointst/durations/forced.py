"""Forced alignment of speech with its phones by the states of a trained recogniser, without any labelled time.

Embedded Viterbi training: speech is cut evenly among its phones, a linear classifier of phones is fitted to the frozen
states, speech is aligned anew by what the classifier says, and so on. The recogniser has never seen a phone; it needs
no text branch. Silence has a class of its own at both ends of an utterance.

B batch, N speech positions, P phones, D features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from jointst.common.errors import ConfigError
from jointst.data.batch import PairedBatch
from jointst.models.build import Trained
from jointst.ops.alignment import align, durations_of, framewise_alignment
from jointst.probing.linear import LinearProbe
from jointst.text.lexicon import PAD

SILENT = PAD
"""Class of silence: the id of padding, which no phone has."""
AUDIO = "audio encoder"
EXAMPLES = 30_000
"""Positions at most that a classifier is fitted to."""


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """An utterance to align.

    Attributes:
        utterance: its id.
        states: (N, D).
        phones: (P + 2,) int64, silence at both ends.
    """

    utterance: str
    states: Tensor
    phones: Tensor


def spoken(trained: Trained, batch: PairedBatch, layer: str) -> list[Spoken]:
    """The utterances of a batch with their states at a layer.

    Raises:
        ConfigError: the model has no such layer.
    """
    names = trained.model.layer_names
    if layer not in (AUDIO, *names):
        raise ConfigError("durations.layer", f"is {layer!r}", f"one of: {', '.join((AUDIO, *names))}")
    moved = batch.to(trained.device)
    front, lengths = trained.model.encode_audio(moved.features, moved.feature_lengths)
    if layer != AUDIO:
        front = trained.model.encode_shared(front, lengths, moved.languages).states[names.index(layer)]
    edge = torch.tensor([SILENT])
    rows = zip(batch.utterances, front.cpu(), lengths.tolist(), batch.phones, batch.phone_lengths.tolist(), strict=True)
    return [
        Spoken(utterance=utterance, states=states[:n], phones=torch.cat([edge, phones[:p], edge]))
        for utterance, states, n, phones, p in rows
    ]


def even(items: Sequence[Spoken]) -> list[Tensor]:
    """Durations (P + 2,) of each utterance when its phones share it evenly."""
    found = []
    for item in items:
        lengths = torch.tensor([len(item.states)]), torch.tensor([len(item.phones)])
        index = framewise_alignment(*lengths, len(item.states))
        found.append(durations_of(index, lengths[0], len(item.phones))[0])
    return found


def fit(items: Sequence[Spoken], durations: Sequence[Tensor], classes: int, iterations: int) -> LinearProbe:
    """A classifier of phones from an alignment.

    Args:
        items: utterances.
        durations: of each, (P + 2,).
        classes: size of the phone table.
        iterations: of the fit.
    """
    states = torch.cat([item.states for item in items])
    labels = torch.cat([item.phones.repeat_interleave(d) for item, d in zip(items, durations, strict=True)])
    if len(labels) > EXAMPLES:
        kept = torch.linspace(0, len(labels) - 1, EXAMPLES).long()
        states, labels = states[kept], labels[kept]
    return LinearProbe.fit(states.float(), labels, classes, iterations=iterations, decay=1e-4)


def aligned(items: Sequence[Spoken], probe: LinearProbe) -> list[Tensor]:
    """Durations (P + 2,) of each utterance on the most likely path through its phones, in order.

    The kind is ``mas``: every phone has a position, unless there are fewer positions than phones.
    """
    found: list[Tensor] = []
    for part in _parts(items, 64):
        states = pad_sequence([item.states.float() for item in part], batch_first=True)
        phones = pad_sequence([item.phones for item in part], batch_first=True)
        lengths = torch.tensor([len(item.states) for item in part])
        counts = torch.tensor([len(item.phones) for item in part])
        scores = probe(states).log_softmax(-1)  # (B, N, C)
        cost = -scores.gather(2, phones[:, None, :].expand(-1, scores.shape[1], -1))  # (B, N, P + 2)
        index = align("mas", cost, lengths, counts, max_step=0).index
        assert index is not None
        rows = zip(durations_of(index, lengths, phones.shape[1]), counts.tolist(), strict=True)
        found += [row[:count] for row, count in rows]
    return found


def without_silence(durations: Tensor) -> Tensor:
    """(P + 2,) to (P,): silence goes to the first and the last phone, since text has none."""
    phones = durations[1:-1].clone()
    phones[0] += durations[0]
    phones[-1] += durations[-1]
    return phones


def _parts(items: Sequence[Spoken], size: int) -> Iterator[Sequence[Spoken]]:
    return (items[first : first + size] for first in range(0, len(items), size))
