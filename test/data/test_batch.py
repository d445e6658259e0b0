"""Batches: their lengths on the host, and their ways to other memory."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from jointst.data.batch import JointBatch, PairedBatch, TextBatch


@pytest.fixture
def batch() -> JointBatch:
    text = TextBatch(
        utterances=["a", "b"],
        phones=torch.zeros(2, 6, dtype=torch.int64),
        phone_lengths=torch.tensor([6, 4]),
        labels=torch.ones(2, 5, dtype=torch.int64),
        label_lengths=torch.tensor([3, 5]),
        durations=torch.ones(2, 6, dtype=torch.int64),
    )
    paired = PairedBatch(**vars(text), features=torch.zeros(2, 40, 8), feature_lengths=torch.tensor([25, 40]))
    return JointBatch(paired=paired, transcripts=text, unpaired=None)


def test_lengths_are_counted_on_the_host(batch: JointBatch) -> None:
    assert batch.paired.frame_counts == (25, 40)
    for part in (batch.paired, batch.texts[0]):
        assert part.phone_counts == (6, 4)
        assert part.label_counts == (3, 5)


def test_other_lengths_are_counted_anew(batch: JointBatch) -> None:
    changed = dataclasses.replace(batch.paired, label_lengths=torch.tensor([1, 0]))
    assert changed.label_counts == (1, 0)
    assert changed.frame_counts == (25, 40)


def test_counts_go_along_where_nothing_may_be_asked(batch: JointBatch) -> None:
    """No value of a tensor on the meta device can be read: a copy that asked for its lengths would fail."""
    moved = batch.to("meta")
    assert moved.paired.features.device.type == "meta"
    assert moved.paired.frame_counts == (25, 40)
    assert moved.transcripts is not None
    assert moved.transcripts.label_counts == (3, 5)
    assert moved.unpaired is None
    assert dataclasses.replace(moved.paired, features=moved.paired.features * 2).label_counts == (3, 5)


def test_every_tensor_is_pinned(batch: JointBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[torch.Tensor] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor)
        return tensor.clone()

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    copy = batch.pin_memory()
    assert isinstance(copy, JointBatch)
    assert copy.transcripts is not None
    for new, old in ((copy.paired, batch.paired), (copy.transcripts, batch.texts[0])):
        tensors = {name: value for name, value in vars(old).items() if isinstance(value, torch.Tensor)}
        assert len(tensors) in (5, 7)
        for name, value in tensors.items():
            assert any(value is one for one in pinned), name
            assert getattr(new, name) is not value, name
            assert torch.equal(getattr(new, name), value)
        assert new.utterances == ["a", "b"]
        assert new.label_counts == (3, 5)
