"""Bands of the lattice: every band has a path and holds what it can, alone as in a padded batch."""

import pytest
import torch
from reference.transducer import best_band

from jointst.ops.band import band_width, find_band, mass_outside

SIZES = [(7, 12, 5), (12, 4, 3), (5, 9, 4), (1, 3, 4), (30, 30, 2), (6, 0, 2), (4, 12, 4)]
"""T, U and S, each with a path: T (S - 1) >= U."""


def test_width_is_as_asked_unless_a_path_needs_more_or_there_are_fewer_labels() -> None:
    assert band_width(5, [40, 30], [20, 18]) == 5
    assert band_width(5, [4, 30], [20, 18]) == 6  # 20 labels in 4 frames: 5 in each, and one place more
    assert band_width(5, [4], [21]) == 7
    assert band_width(5, [40], [3]) == 4
    assert band_width(5, [40], [0]) == 1


@pytest.mark.parametrize(("frames", "labels", "width"), SIZES)
def test_a_path_leads_through_any_band(frames: int, labels: int, width: int) -> None:
    generator = torch.Generator().manual_seed(frames)
    for _ in range(20):
        occupation = torch.rand(1, frames, labels + 1, generator=generator) ** 8
        starts = find_band(occupation, torch.tensor([frames]), torch.tensor([labels]), width).starts[0]
        rise = starts.diff()
        assert starts[0] == 0
        assert starts[-1] == max(0, labels + 1 - width)
        assert rise.numel() == 0 or (rise.min() >= 0 and rise.max() <= width - 1)


def test_a_band_follows_the_paths_as_well_as_the_best_one() -> None:
    generator = torch.Generator().manual_seed(3)
    for _ in range(10):
        frames, labels, width = 6, 6, 3
        path = torch.randint(0, labels + 1, (frames,), generator=generator).sort().values
        path = path.clamp(max=2 * torch.arange(frames))  # no faster than a band may rise
        occupation = torch.zeros(1, frames, labels + 1).scatter(2, path[None, :, None], 1.0)
        starts = find_band(occupation, torch.tensor([frames]), torch.tensor([labels]), width).starts[0]
        best = best_band(occupation[0], width)
        held, most = (
            sum(float(occupation[0, t, start : start + width].sum()) for t, start in enumerate(found.tolist()))
            for found in (starts, best)
        )
        assert held == most


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    lengths, labels = torch.tensor([9, 4, 6]), torch.tensor([8, 2, 6])
    occupation = torch.zeros(3, 9, 9)
    for b, (t, u) in enumerate(zip(lengths.tolist(), labels.tolist(), strict=True)):
        occupation[b, :t, : u + 1] = torch.rand(t, u + 1)
    together = find_band(occupation, lengths, labels, 4)
    outside = mass_outside(occupation / occupation.sum(2, keepdim=True).clamp_min(1e-9), together, lengths)
    for b, (t, u) in enumerate(zip(lengths.tolist(), labels.tolist(), strict=True)):
        own = occupation[b : b + 1, :t, : u + 1]
        alone = find_band(own, lengths[b : b + 1], labels[b : b + 1], 4).starts
        assert torch.equal(alone[0], together.starts[b, :t])
        share = own / own.sum(2, keepdim=True)
        inside = sum(float(share[0, i, start : start + 4].sum()) for i, start in enumerate(alone[0].tolist()))
        assert outside[b].item() == pytest.approx(1 - inside / t, abs=1e-6)


def test_a_band_that_covers_everything_starts_at_no_label() -> None:
    starts = find_band(torch.rand(2, 5, 4), torch.tensor([5, 3]), torch.tensor([3, 1]), 4).starts
    assert not starts.any()
