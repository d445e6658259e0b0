"""Forced alignment by phone classifiers: durations that were built in are found."""

from __future__ import annotations

import torch

from jointst.durations.forced import SILENT, Spoken, aligned, even, fit, without_silence


def _spoken(count: int) -> tuple[list[Spoken], list[torch.Tensor]]:
    """Utterances whose states say which phone is spoken, in noise; phones 1 to 5, silence at the ends."""
    generator = torch.Generator().manual_seed(0)
    means = 3.0 * torch.randn(6, 12, generator=generator)
    items, truth = [], []
    for i in range(count):
        phones = 1 + torch.randint(5, (6,), generator=generator)
        phones[1:] = torch.where(phones[1:] == phones[:-1], phones[1:] % 5 + 1, phones[1:])
        sequence = torch.cat([torch.tensor([SILENT]), phones, torch.tensor([SILENT])])
        durations = torch.randint(1, 6, (8,), generator=generator)
        labels = sequence.repeat_interleave(durations)
        states = means[labels] + torch.randn(len(labels), 12, generator=generator)
        items.append(Spoken(utterance=f"u{i}", states=states, phones=sequence))
        truth.append(durations)
    return items, truth


def test_durations_are_found_from_an_even_start() -> None:
    items, truth = _spoken(60)
    durations = even(items)
    assert [int(d.sum()) for d in durations] == [len(item.states) for item in items]
    before = sum(int((d - t).abs().sum()) for d, t in zip(durations, truth, strict=True))
    for _ in range(4):
        durations = aligned(items, fit(items, durations, 6, 30))
    after = sum(int((d - t).abs().sum()) for d, t in zip(durations, truth, strict=True))
    assert after < 0.25 * before
    assert [int(d.sum()) for d in durations] == [len(item.states) for item in items]


def test_silence_goes_to_the_ends() -> None:
    assert without_silence(torch.tensor([2, 1, 3, 0, 4])).tolist() == [3, 3, 4]
    assert without_silence(torch.tensor([2, 1, 4])).tolist() == [7]


def test_more_phones_than_positions() -> None:
    items, _ = _spoken(3)
    probe = fit(items, even(items), 6, 5)
    short = [Spoken(utterance="u", states=items[0].states[:3], phones=items[0].phones)]
    assert int(aligned(short, probe)[0].sum()) == 3
