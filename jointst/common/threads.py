"""Thread counts of the numeric libraries, and how their threads wait, set in this one place."""

from __future__ import annotations

import os
import sys
from typing import Any

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


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


def chosen_threads() -> int:
    """Threads that were set last, or by the user in ``OMP_NUM_THREADS``; else all available CPUs.

    For libraries that are told when they begin, as onnxruntime and sherpa-onnx are.
    """
    stated = os.environ.get("OMP_NUM_THREADS", "")
    return int(stated) if stated.isdigit() and int(stated) > 0 else available_cpus()


def onnxruntime_options() -> Any:
    """Options of a session of onnxruntime: so many threads, which sleep while they wait."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = chosen_threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong is raised, and said once
    return options


def set_threads(count: int | None) -> int:
    """Let OpenMP, MKL, OpenBLAS, torch and numba use ``count`` threads, also in processes started from here.

    Libraries read their variables when they are loaded, so this is best called before they are imported;
    torch and numba are told directly where they are imported already.

    Args:
        count: threads, at least 1; None for ``OMP_NUM_THREADS`` if the user has set it, else all available CPUs.

    Returns:
        The number of threads.
    """
    count = chosen_threads() if count is None else count
    assert count >= 1, f"{count} threads"
    for variable in _VARIABLES:
        os.environ[variable] = str(count)
    sleep_while_waiting()
    if "numba" in sys.modules:
        numba = sys.modules["numba"]
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    else:
        os.environ["NUMBA_NUM_THREADS"] = str(count)
    if "torch" in sys.modules:  # last: numba's pool, when it starts, makes torch's as large as its own
        sys.modules["torch"].set_num_threads(count)
    return count
