"""Numbers of updates on their way from the device to the host, which does not wait for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What an update showed.

    Attributes:
        update: its number.
        values: named numbers.
        utterances: which it was trained on, in words.
    """

    update: int
    values: dict[str, float]
    utterances: str


class Readings:
    """Numbers of the latest updates: on a CPU they are there at once, on a GPU an update or two later."""

    def __init__(self) -> None:
        self._coming: deque[tuple[int, list[str], Tensor, torch.cuda.Event | None, str]] = deque()

    def add(self, update: int, values: Mapping[str, Tensor], utterances: str) -> None:
        """Send for the numbers of an update.

        Args:
            update: its number.
            values: named scalars of one device.
            utterances: which it was trained on, in words.
        """
        sent = torch.stack([value.detach().float() for value in values.values()])
        arrived = None
        if sent.is_cuda:
            there = torch.empty(sent.shape, pin_memory=True)
            sent = there.copy_(sent, non_blocking=True)
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record()
        self._coming.append((update, list(values), sent, arrived, utterances))

    def take(self, *, wait: bool = False) -> list[Reading]:
        """The readings that have arrived since the last call, in order.

        Args:
            wait: for those that have not.
        """
        found = []
        while self._coming:
            update, names, values, arrived, utterances = self._coming[0]
            if arrived is not None:
                if wait:
                    arrived.synchronize()
                elif not arrived.query():  # type: ignore[no-untyped-call]
                    break
            self._coming.popleft()
            numbers = dict(zip(names, values.tolist(), strict=True))
            found.append(Reading(update=update, values=numbers, utterances=utterances))
        return found
