"""Sequences of ids in one array."""

from __future__ import annotations

import numpy as np
import torch

from jointst.data.sequences import Sequences


def test_each_comes_back_as_it_was() -> None:
    lists = [[3, 1, 4], [], [1 << 30], [5]]
    sequences = Sequences.of(iter(lists))
    assert len(sequences) == 4
    assert [item.tolist() for item in sequences] == lists
    assert sequences[2].dtype == torch.int64
    np.testing.assert_array_equal(sequences.lengths, [3, 0, 1, 1])


def test_none_at_all() -> None:
    assert len(Sequences.of([])) == 0
    assert list(Sequences.of([[]])[0]) == []


def test_what_it_returns_may_be_changed() -> None:
    sequences = Sequences.of([[1, 2]])
    sequences[0][0] = 7
    assert sequences[0].tolist() == [1, 2]
