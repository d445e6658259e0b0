"""A permutation that is not kept, against one computed place by place."""

from __future__ import annotations

import numpy as np
import pytest
from reference.windows import permuted

from jointst.data.permutation import Permutation


@pytest.mark.parametrize("count", [*range(1, 18), 63, 64, 65, 255, 256, 257, 1000])
def test_everything_stands_at_one_place(count: int) -> None:
    for key in ((0, 0), (0, 1), (7, 3)):
        order = Permutation(count, key)(np.arange(count)).tolist()
        assert sorted(order) == list(range(count))
        assert order == [permuted(place, count, key) for place in range(count)]


def test_keys_give_other_orders_and_things_move() -> None:
    orders = [Permutation(1000, (seed, epoch))(np.arange(1000)) for seed in range(4) for epoch in range(4)]
    assert len({tuple(order) for order in orders}) == 16
    for order in orders:
        assert (order == np.arange(1000)).sum() < 10
        assert abs(np.corrcoef(order, np.arange(1000))[0, 1]) < 0.15
        assert (np.diff(order) == 1).sum() < 10, "neighbours are torn apart"


def test_any_part_of_a_range_that_no_memory_holds() -> None:
    places = np.array([0, 1, 10**12 - 1, 123_456_789_012])
    found = Permutation(10**12, (5,))(places)
    assert found.tolist() == [permuted(place, 10**12, (5,)) for place in places.tolist()]
    assert found.max() < 10**12
