"""Conversions that must be exact though floating-point numbers are not."""

from __future__ import annotations

import pytest

from jointst.common.units import frames_to_seconds, frames_within


@pytest.mark.parametrize("hop", [10.0, 12.5, 8.0])
def test_as_many_frames_are_within_a_duration_as_make_it(hop: float) -> None:
    for frames in range(5000):
        duration = frames_to_seconds(frames, hop)
        assert frames_within(duration, hop) == frames
        assert frames_within(duration + 0.9 * hop / 1000, hop) == frames
