"""What all CUDA kernels share: the size of a block, and small functions that are those of the CPU kernels."""

from __future__ import annotations

from numba import cuda

from jointst.ops.kernels import monotone, soft_dtw

THREADS = 256
"""Threads of a block at most; wider problems are gone through in strips of this many positions."""

band_limits = cuda.jit(device=True)(monotone.band_limits.py_func)
least_step = cuda.jit(device=True)(monotone.least_step.py_func)
soft_minimum = cuda.jit(device=True)(soft_dtw.soft_minimum.py_func)
step_weight = cuda.jit(device=True)(soft_dtw.step_weight.py_func)


@cuda.jit(device=True)
def fits(frames, positions, cost):  # type: ignore[no-untyped-def]
    """Whether lengths are within the cost: on a GPU the host has not looked at them."""
    return 1 <= frames <= cost.shape[1] and 1 <= positions <= cost.shape[2]
