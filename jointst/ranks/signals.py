"""Signals that a cluster sends to every process of a job, also to those that only read ahead."""

from __future__ import annotations

import os
import signal
from types import FrameType

_told: list[int] = []


def bear_signals() -> None:
    """In a loader process: leave signals that stop a training to the one that trains.

    The first SIGTERM may be the cluster's, which is meant for all; the second is for this process.
    """
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _once)


def _once(number: int, frame: FrameType | None) -> None:
    if _told or os.getppid() == 1:
        os._exit(128 + number)
    _told.append(number)
