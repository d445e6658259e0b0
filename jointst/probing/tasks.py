"""What probes are asked for, each as examples with labels: speaker, language and phone, split by utterance; age, gender
and emotion, split by speaker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from jointst.config import ProbeConfig
from jointst.probing.linear import LinearProbe, interval, macro_accuracy
from jointst.probing.states import Side

HELD_OUT = 0.25
"""Share of the utterances (of speakers) of each class that probes are tested on, one at least."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a probe found in one layer.

    Attributes:
        layer: its name.
        accuracy: macro accuracy, the mean over splits.
        interval: half the width of its 95 % interval over splits.
        values: of each split.
    """

    layer: str
    accuracy: float
    interval: float
    values: list[float]


def split(labels: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
    """Examples to fit on and to test on, each class in the same shares; classes of one example are left out.

    Args:
        labels: a class for each example.
        seed: of the draw.
    """
    generator = np.random.default_rng(seed)
    members: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        members.setdefault(label, []).append(i)
    fit: list[int] = []
    test: list[int] = []
    for label in sorted(members):
        drawn = generator.permutation(members[label]).tolist()
        held = max(1, round(HELD_OUT * len(drawn))) if len(drawn) > 1 else 0
        test += drawn[:held]
        fit += drawn[held:] if held else []
    return sorted(fit), sorted(test)


def split_speakers(labels: Sequence[str], speakers: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
    """Examples to fit on and to test on that share no speaker; classes that are not on both sides are left out.

    Args:
        labels: a class for each example; one without any, an empty string, is left out.
        speakers: of each example.
        seed: of the draw.
    """
    of_speaker: dict[str, Counter[str]] = {}
    for label, speaker in zip(labels, speakers, strict=True):
        if label:
            of_speaker.setdefault(speaker, Counter())[label] += 1
    names = sorted(of_speaker)
    # A speaker counts for the class that is most frequent with them, so that classes keep their shares.
    _, drawn = split([of_speaker[name].most_common(1)[0][0] for name in names], seed)
    held_out = {names[i] for i in drawn}
    halves: tuple[list[int], list[int]] = ([], [])
    for i, (label, speaker) in enumerate(zip(labels, speakers, strict=True)):
        if label:
            halves[speaker in held_out].append(i)
    both = {labels[i] for i in halves[0]} & {labels[i] for i in halves[1]}
    fit, test = ([i for i in half if labels[i] in both] for half in halves)
    return fit, test


def age_class(age: str, bounds: Sequence[int]) -> str:
    """The class of an age: its years between two bounds; ages in words (``twenties``) are classes as they are.

    Args:
        age: as a corpus writes it.
        bounds: where classes begin, ascending.
    """
    if not (age.isascii() and age.isdigit()):
        return age
    begun = [bound for bound in bounds if bound <= int(age)]
    ended = [bound for bound in bounds if bound > int(age)]
    if not begun:
        return f"under {ended[0]}" if ended else "any age"
    return f"{begun[-1]} to {ended[0] - 1}" if ended else f"from {begun[-1]} on"


def _ids(labels: Sequence[str], classes: Sequence[str]) -> Tensor:
    known = {label: i for i, label in enumerate(classes)}
    return torch.tensor([known[label] for label in labels], dtype=torch.int64)


class TooFewExamples(ValueError):
    """A probe would have fewer than two classes to tell apart."""


def _measure(
    examples: dict[str, tuple[Tensor, Tensor]], fit: Tensor, test: Tensor, classes: int, config: ProbeConfig
) -> dict[str, float]:
    """Macro accuracy in each layer, of examples (fit, test) by layer."""
    found = {}
    for layer, (inputs, held) in examples.items():
        probe = LinearProbe.fit(inputs.float(), fit, classes, iterations=config.iterations, decay=config.decay)
        found[layer] = macro_accuracy(probe(held.float()).argmax(-1), test)
    return found


def _summary(layers: Sequence[str], runs: Sequence[dict[str, float]]) -> list[Score]:
    scores = []
    for layer in layers:
        values = [run[layer] for run in runs]
        mean, half = interval(values)
        scores.append(Score(layer=layer, accuracy=mean, interval=half, values=values))
    return scores


def probe_utterances(side: Side, labels: Sequence[str], config: ProbeConfig) -> tuple[int, list[Score]]:
    """Probes of utterances, by the mean of their states.

    Args:
        side: states.
        labels: a class for each utterance.
        config: splits and fit.

    Returns:
        The number of classes, and a score for each layer.
    """
    counts = Counter(labels)
    classes = sorted(label for label, count in counts.items() if count > 1)
    pooled = {layer: torch.stack([x.float().mean(0) for x in side.frames[layer]]) for layer in side.layers}
    runs = []
    for seed in range(config.splits):
        fit, test = split(labels, seed)
        ids = (_ids([labels[i] for i in fit], classes), _ids([labels[i] for i in test], classes))
        runs.append(_measure({k: (x[fit], x[test]) for k, x in pooled.items()}, *ids, len(classes), config))
    return len(classes), _summary(side.layers, runs)


def probe_labels(
    side: Side, labels: Sequence[str], speakers: Sequence[str], config: ProbeConfig
) -> tuple[int, list[Score]]:
    """Probes of utterances for what is known of who speaks or how, fitted and tested on different speakers.

    Args:
        side: states.
        labels: a class for each utterance, or an empty string where it is not known.
        speakers: of each utterance.
        config: splits and fit.

    Returns:
        The number of classes in the first split, and a score for each layer.

    Raises:
        TooFewExamples: fewer than two classes have two speakers each.
    """
    pooled = {layer: torch.stack([x.float().mean(0) for x in side.frames[layer]]) for layer in side.layers}
    runs, first = [], 0
    for seed in range(config.splits):
        fit, test = split_speakers(labels, speakers, seed)
        classes = sorted({labels[i] for i in fit})
        if len(classes) < 2:
            raise TooFewExamples("fewer than two classes with two speakers each")
        first = first or len(classes)
        ids = (_ids([labels[i] for i in fit], classes), _ids([labels[i] for i in test], classes))
        runs.append(_measure({k: (x[fit], x[test]) for k, x in pooled.items()}, *ids, len(classes), config))
    return first, _summary(side.layers, runs)


def probe_frames(side: Side, utterance_classes: Sequence[str], config: ProbeConfig) -> tuple[int, list[Score]]:
    """Probes of single positions for their phones, fitted and tested on different utterances.

    Args:
        side: states with phones; utterances without them are left out.
        utterance_classes: what the split of utterances keeps in equal shares, their languages.
        config: splits and fit.

    Returns:
        The number of classes in the first split (phones that are rare in it are left out), and a score for each layer.

    Raises:
        TooFewExamples: fewer than two phones are frequent enough.
    """
    known = [i for i, phones in enumerate(side.phones) if phones is not None]
    runs, first = [], 0
    for seed in range(config.splits):
        halves = split([utterance_classes[i] for i in known], seed)
        fit, test = ([known[i] for i in half] for half in halves)
        spoken = [[phone for i in half for phone in side.phones[i] or ()] for half in (fit, test)]
        counts = [Counter(phones) for phones in spoken]
        classes = sorted(p for p, n in counts[0].items() if n >= config.least_examples and counts[1][p])
        if len(classes) < 2:
            least = config.least_examples
            raise TooFewExamples(f"fewer than two phones occur probe.least_examples = {least} times in half of the set")
        first = first or len(classes)
        rows = [_rows(phones, set(classes), config.frames, seed) for phones in spoken]
        ids = [_ids([phones[i] for i in kept], classes) for phones, kept in zip(spoken, rows, strict=True)]
        examples = {}
        for layer in side.layers:
            states = [torch.cat([side.frames[layer][i] for i in half]) for half in (fit, test)]
            examples[layer] = (states[0][rows[0]], states[1][rows[1]])
        runs.append(_measure(examples, ids[0], ids[1], len(classes), config))
    return first, _summary(side.layers, runs)


def _rows(phones: Sequence[str], classes: set[str], limit: int, seed: int) -> list[int]:
    """At most ``limit`` examples of the classes."""
    kept = [i for i, phone in enumerate(phones) if phone in classes]
    if len(kept) > limit:
        drawn = np.random.default_rng(seed).choice(len(kept), limit, replace=False)
        kept = [kept[i] for i in sorted(drawn.tolist())]
    return kept
