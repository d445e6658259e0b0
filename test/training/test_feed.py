"""What the log says of padding and speed."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from jointst.config import SpeechBatchConfig
from jointst.training.feed import Feed


def batch(frames: tuple[int, ...], *phones: tuple[int, ...]) -> Any:
    texts = [SimpleNamespace(phone_counts=counts) for counts in phones]
    return SimpleNamespace(paired=SimpleNamespace(frame_counts=frames), texts=texts)


def test_padding_and_speed_are_those_since_the_last_line() -> None:
    feed = Feed(10.0)
    feed.add(batch((100, 50), (10, 10), (30, 10)))
    feed.add(batch((300,)))
    # 450 of 500 frames, 60 of 80 phones; 4.5 s of audio in 2 s
    expected = {"padding": 0.1, "padding_text": 0.25, "audio_per_hour": 2.25}
    assert feed.take(2.0, 1) == pytest.approx(expected)
    feed.add(batch((100, 100)))
    assert feed.take(3.0, 4) == pytest.approx({"padding": 0.0, "audio_per_hour": 8.0})


def test_a_continued_training_goes_on_counting() -> None:
    feed = Feed(10.0)
    feed.add(batch((100, 100)))
    feed.take(1.0, 1)
    feed.add(batch((100, 50), (10, 5)))
    other = Feed(10.0)
    other.load_state_dict(json.loads(json.dumps(feed.state_dict())))
    for each in (feed, other):
        each.add(batch((100, 20)))
    assert other.take(4.0, 1) == feed.take(4.0, 1)


def test_a_bound_is_logged_where_there_is_one() -> None:
    for seconds, logged in ((None, None), (0.0, None), (600.0, 600.0)):
        feed = Feed(10.0)
        feed.bound(SpeechBatchConfig(max_seconds=seconds))
        feed.add(batch((100,)))
        assert feed.take(1.0, 1).get("max_seconds") == logged
