"""Numbers on their way to the host: at once on a CPU, later and in order on a GPU."""

from __future__ import annotations

import pytest
import torch

from jointst.training import readings
from jointst.training.readings import Readings


def test_on_a_cpu_numbers_are_there_at_once() -> None:
    found = Readings()
    found.add(7, {"loss": torch.tensor(2.5, requires_grad=True), "ctc": torch.tensor(1.0, dtype=torch.float64)}, "a b")
    (reading,) = found.take()
    assert (reading.update, reading.values, reading.utterances) == (7, {"loss": 2.5, "ctc": 1.0}, "a b")
    assert found.take() == []


class Event:
    """A GPU's event that has come when it is asked for the third time."""

    asked = 0

    def query(self) -> bool:
        self.asked += 1
        return self.asked >= 3

    def synchronize(self) -> None:
        self.asked = 3


def test_a_number_that_is_late_holds_those_behind_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Readings()
    for update in range(3):
        found.add(update, {"loss": torch.tensor(float(update))}, "")
    late = [list(entry) for entry in found._coming]
    late[1][3] = Event()
    found._coming = readings.deque(tuple(entry) for entry in late)  # type: ignore[misc]
    assert [reading.update for reading in found.take()] == [0]
    assert found.take() == []
    assert [reading.update for reading in found.take()] == [1, 2]


def test_waiting_brings_all() -> None:
    found = Readings()
    found.add(0, {"loss": torch.tensor(1.0)}, "")
    found._coming[0] = (*found._coming[0][:3], Event(), "")  # type: ignore[assignment]
    assert [reading.values for reading in found.take(wait=True)] == [{"loss": 1.0}]
