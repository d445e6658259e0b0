"""Processes of one node that train together, started by ``jointst train --nproc N`` or ``--ngpu N``.

What torchrun does, in its words, without its report: the rank that failed has said what there is to say.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from types import FrameType

from jointst.common.units import Seconds
from jointst.ranks.times import patience

LOOK_EVERY: Seconds = 0.1
PASSED_ON = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
"""Signals that every process is to have; Ctrl-C reaches them from the terminal."""


def free_port() -> int:
    """A port of this machine that nobody uses at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def run_processes(command: Sequence[str], count: int) -> int:
    """Run a command in several processes, which are told of each other, until all have ended.

    Args:
        command: of each.
        count: processes.

    Returns:
        0, or else the exit status of the first that ended with another; 128 and the signal's number where one ended it.
    """
    shared = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "GROUP_RANK": 0, "MASTER_PORT": free_port()}
    common = {**os.environ, **{key: str(value) for key, value in shared.items()}, "MASTER_ADDR": "127.0.0.1"}
    processes: list[subprocess.Popen[bytes]] = []
    with _passing_on(processes):
        for rank in range(count):
            own = {**common, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            processes.append(subprocess.Popen(command, env=own))
        return _wait(processes)


@contextlib.contextmanager
def _passing_on(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Hand signals on to processes; Ctrl-C is theirs alone."""

    def hand_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            process.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in PASSED_ON}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """See :func:`run_processes`; those that do not end soon after another has failed are killed."""
    status, until = 0, float("inf")
    while any(process.poll() is None for process in processes):
        if status == 0:
            status = next((process.returncode for process in processes if process.returncode), 0)
            until = time.monotonic() + 1.5 * patience() if status else until
        if time.monotonic() > until:
            for process in processes:
                process.kill()
        time.sleep(LOOK_EVERY)
    status = status or next((process.returncode for process in processes if process.returncode), 0)
    return 128 - status if status < 0 else status
