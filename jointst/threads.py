"""Thread counts of the numeric libraries, and how their threads wait, set in this one place."""

from __future__ import annotations

import os
import sys
import time

from jointst.units import Seconds

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_STATED = os.environ.get("OMP_NUM_THREADS", "")  # what the user says: set_threads writes there as well
_by_load = False  # whether set_threads was left to choose


def available_cpus() -> int:
    """CPUs that this process may use: not more than its affinity mask or its control group allows."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max") as stream:
            quota, period = stream.read().split()
    except (OSError, ValueError):  # no control group of version 2
        return cpus
    return cpus if quota == "max" else max(1, min(cpus, round(int(quota) / int(period))))


def sleep_while_waiting() -> None:
    """Let OpenMP's threads that wait go to sleep, if their libraries are not loaded yet.

    By default a thread that waits for others spins for milliseconds, in two pools: torch and numba each load a libgomp.
    A training update has thousands of such waits. On shared cores the thread that spins keeps the one that it waits for
    from running; on idle ones sleeping costs 1 %. What the user says by ``OMP_WAIT_POLICY``, ``GOMP_SPINCOUNT`` or
    ``KMP_BLOCKTIME`` stays.
    """
    if not any(variable in os.environ for variable in _WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def set_threads(count: int | None) -> int:
    """Let OpenMP, MKL, OpenBLAS, torch and numba use ``count`` threads, also in processes started from here.

    Libraries read their variables when they are loaded, so this is best called before they are imported;
    torch and numba are told directly where they are imported already.

    Args:
        count: threads, at least 1; None for ``OMP_NUM_THREADS`` if the user has set it, else all available CPUs, of
            which :class:`FreeCores` then uses those that are free.

    Returns:
        The number of threads.
    """
    global _by_load
    stated = int(_STATED) if _STATED.isdigit() else 0
    _by_load = count is None and stated == 0
    if count is None:
        count = stated or available_cpus()
    assert count >= 1, f"{count} threads"
    for variable in _VARIABLES:
        os.environ[variable] = str(count)
    sleep_while_waiting()
    if "numba" not in sys.modules:
        os.environ["NUMBA_NUM_THREADS"] = str(count)
    _tell(count)
    return count


def _tell(count: int) -> None:
    """Tell torch and numba, where they are imported."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
    if "numba" in sys.modules:
        numba = sys.modules["numba"]
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))


class FreeCores:
    """Threads for as many cores as other processes leave free, looked at every so often in a long piece of work.

    An operation ends when the last of its threads has had its turn on a core, however the others wait: beside busy
    processes fewer threads are faster. Nothing changes where a number of threads was stated, or without Linux's
    ``/proc/stat``. To be used in one thread, that of the work.

    Args:
        every: between looks.
    """

    def __init__(self, every: Seconds = 3.0) -> None:
        self._every = every
        self._before = _core_seconds() if _by_load else None

    def look(self) -> int | None:
        """Adapt the number of threads if it is time for it.

        Returns:
            The number, or None if this was no look.
        """
        if self._before is None or time.monotonic() - self._before[0] < self._every:
            return None
        before, self._before = self._before, _core_seconds()
        assert self._before is not None, "/proc/stat has gone"
        count = threads_for(self._before[1] - before[1], self._before[0] - before[0])
        _tell(count)
        return count


def threads_for(free: Seconds, elapsed: Seconds) -> int:
    """Threads where ``free`` core seconds of the last ``elapsed`` seconds were idle or our own; at least 1."""
    return max(1, min(available_cpus(), round(free / elapsed)))


def _core_seconds() -> tuple[Seconds, Seconds] | None:
    """Now, and the core seconds in which this process's CPUs were idle or worked for it; None if nobody can say."""
    try:
        with open("/proc/stat") as stream:
            lines = [line.split() for line in stream if line.startswith("cpu")]
    except OSError:
        return None
    mine = {f"cpu{cpu}" for cpu in os.sched_getaffinity(0)}
    ticks = sum(int(idle) + int(waiting) for name, _, _, _, idle, waiting, *_ in lines if name in mine)
    return time.monotonic(), ticks / os.sysconf("SC_CLK_TCK") + time.process_time()
