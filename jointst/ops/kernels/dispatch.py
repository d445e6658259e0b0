"""From torch tensors to the kernels of their device.

P problems, B utterances, N speech positions, M text positions.

CPU tensors are read in place, by as many threads as numba has. CUDA tensors are read in place on torch's current
stream: no copy to the host, no synchronisation, one launch for all P problems. With ``NUMBA_ENABLE_CUDASIM=1`` CPU
tensors go through the CUDA kernels in numba's simulator, so that the same tests hold for both.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jointst.common.errors import EnvironmentFault, JointstError

ONE_AT_A_TIME = threading.Lock()
"""Held by whoever runs a parallel kernel on the CPU: numba's simplest threading layer ends the process when two threads
do so at the same time."""


def simulated() -> bool:
    """Whether numba simulates CUDA in this process."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1"


def _on_gpu(cost: Tensor) -> bool:
    if cost.device.type not in ("cpu", "cuda"):
        raise JointstError(f"alignments run on cpu and cuda, not on {cost.device.type}: move the cost to one of them")
    if cost.is_cuda and importlib.util.find_spec("numba_cuda") is None:
        raise EnvironmentFault(
            "alignments of CUDA tensors need numba-cuda, which is not installed: "
            "run tools/install.sh --extra cuda (or pip install 'jointst[cuda]')"
        )
    return cost.is_cuda or simulated()


def load_cuda(module: str) -> Any:
    """Import numba.cuda, or a module of ours that does.

    Raises:
        EnvironmentFault: it does not load, as numba-cuda does not beside a NumPy that it was not made for.
    """
    try:
        if not simulated():
            importlib.import_module("numba.cuda.cudaimpl")  # which numba-cuda itself imports at its first kernel
        return importlib.import_module(module)
    except (ImportError, AttributeError) as error:
        raise EnvironmentFault(
            f"numba-cuda does not load beside NumPy {np.__version__}: {error}; "
            "run tools/install.sh --extra cuda (or pip install 'numpy<2.5')"
        ) from error


def _prepare(cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As kernels take them: detached, contiguous, half precision widened to float32, int64 lengths on one device."""
    cost = cost.detach()
    cost = (cost if cost.dtype in (torch.float32, torch.float64) else cost.float()).contiguous()
    speech_lengths, text_lengths = (
        lengths.to(cost.device, torch.int64, non_blocking=True).contiguous()
        for lengths in (speech_lengths, text_lengths)
    )
    return cost, speech_lengths, text_lengths


def _zeros(cost: Tensor, dtype: torch.dtype, *shape: int) -> Tensor:
    return torch.zeros(shape, dtype=dtype, device=cost.device)


def _run(
    module: str,
    name: str,
    width: int,
    arguments: Sequence[Tensor | int | float],
    scratch: Sequence[tuple[torch.dtype, tuple[int, ...]]] = (),
) -> None:
    """Run a kernel; arrays that only the GPU's needs, for it cannot allocate, come after the arguments.

    Args:
        module: of the CPU kernel, under jointst.ops.kernels; the GPU's is in the module with ``_cuda`` added.
        name: of the kernel in both.
        width: positions that a block's threads share.
        arguments: of the kernel, the cost first.
        scratch: types and shapes.
    """
    cost = arguments[0]
    assert isinstance(cost, Tensor)
    package = "jointst.ops.kernels"
    if _on_gpu(cost):
        kernel = getattr(load_cuda(f"{package}.{module}_cuda"), name)
        extra = [torch.empty(shape, dtype=dtype, device=cost.device) for dtype, shape in scratch]
        _launch(kernel, cost, width, [*arguments, *extra])
        return
    kernel = getattr(importlib.import_module(f"{package}.{module}"), name)
    with ONE_AT_A_TIME:
        kernel(*(item.numpy() if isinstance(item, Tensor) else item for item in arguments))


def _launch(kernel: Any, cost: Tensor, width: int, arguments: Sequence[Tensor | int | float]) -> None:
    """One block for each problem, of as many threads as its width can use, on torch's current stream."""
    cuda = load_cuda("numba.cuda")
    most = importlib.import_module("jointst.ops.kernels.cuda_common").THREADS
    if simulated():
        plain = [item.numpy() if isinstance(item, Tensor) else item for item in arguments]
        kernel[len(cost), min(most, width)](*plain)
        return
    threads = min(most, -(-width // 32) * 32)
    with torch.cuda.device(cost.device), cuda.gpus[cost.device.index]:
        stream = cuda.external_stream(torch.cuda.current_stream().cuda_stream)
        shared = [cuda.as_cuda_array(item) if isinstance(item, Tensor) else item for item in arguments]
        kernel[len(cost), threads, stream](*shared)


def best_paths(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, pinned: bool, band: int
) -> tuple[Tensor, Tensor]:
    """Index (P, N) int64 and total (P,) float64 of :func:`jointst.ops.kernels.monotone.best_paths`."""
    cost, speech_lengths, text_lengths = _prepare(cost, speech_lengths, text_lengths)
    problems, frames, positions = cost.shape
    index, total = _zeros(cost, torch.int64, problems, frames), _zeros(cost, torch.float64, problems)
    arguments = (cost, speech_lengths, text_lengths, index, total, pinned, band)
    scratch = [(torch.uint8, (problems, frames, positions)), (torch.float64, (problems, positions))]
    _run("monotone", "best_paths", frames, arguments, scratch)
    return index, total


def mas_paths(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, max_step: int, band: int
) -> tuple[Tensor, Tensor]:
    """Index (P, N) int64 and total (P,) float64 of :func:`jointst.ops.kernels.monotone.mas_paths`."""
    cost, speech_lengths, text_lengths = _prepare(cost, speech_lengths, text_lengths)
    problems, frames, positions = cost.shape
    index, total = _zeros(cost, torch.int64, problems, frames), _zeros(cost, torch.float64, problems)
    arguments = (cost, speech_lengths, text_lengths, index, total, max_step, band)
    scratch = [(torch.int32, (problems, frames, positions)), (torch.float64, (problems, 2, positions))]
    _run("monotone", "mas_paths", positions, arguments, scratch)
    return index, total


def dtw_paths(cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, band: int) -> tuple[Tensor, Tensor, Tensor]:
    """First and last index (P, N) int64, total (P,) float64 of :func:`jointst.ops.kernels.monotone.dtw_paths`."""
    cost, speech_lengths, text_lengths = _prepare(cost, speech_lengths, text_lengths)
    problems, frames, positions = cost.shape
    first, index = _zeros(cost, torch.int64, problems, frames), _zeros(cost, torch.int64, problems, frames)
    total = _zeros(cost, torch.float64, problems)
    arguments = (cost, speech_lengths, text_lengths, first, index, total, band)
    scratch = [(torch.uint8, (problems, frames, positions)), (torch.float64, (problems, positions))]
    _run("monotone", "dtw_paths", frames, arguments, scratch)
    return first, index, total


def soft_dtw_forward(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, gamma: float, band: int
) -> tuple[Tensor, Tensor]:
    """Value (P, N, M) and total (P,), float64, of :func:`jointst.ops.kernels.soft_dtw.soft_dtw_forward`."""
    cost, speech_lengths, text_lengths = _prepare(cost, speech_lengths, text_lengths)
    value = torch.empty(cost.shape, dtype=torch.float64, device=cost.device)
    total = _zeros(cost, torch.float64, len(cost))
    arguments = (cost, speech_lengths, text_lengths, value, total, gamma, band)
    _run("soft_dtw", "soft_dtw_forward", cost.shape[1], arguments)
    return value, total


def soft_dtw_backward(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, value: Tensor, upstream: Tensor, gamma: float
) -> Tensor:
    """Weight (P, N, M) float64, 0 outside the lengths, of :func:`jointst.ops.kernels.soft_dtw.soft_dtw_backward`."""
    cost, speech_lengths, text_lengths = _prepare(cost, speech_lengths, text_lengths)
    upstream = upstream.detach().to(torch.float64).contiguous()
    weight = _zeros(cost, torch.float64, *cost.shape)
    arguments = (cost, speech_lengths, text_lengths, value, upstream, weight, gamma)
    _run("soft_dtw", "soft_dtw_backward", cost.shape[1], arguments)
    return weight
