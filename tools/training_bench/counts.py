"""Launches, waits and bytes of a piece of work on a GPU."""

from __future__ import annotations

from collections.abc import Callable

WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")
LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernelEx")


def counted(work: Callable[[], object], device: str) -> tuple[str, str, str]:
    """Kernels launched, times that the host waited, and MiB at the peak over those before; empty on a CPU."""
    if device != "cuda":
        return "", "", ""
    import torch
    from bench_memory import peak_of
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile, record_function

    peak = peak_of(work, device) / 2**20
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found, record_function("the work"):
        work()
    host = [event for event in found.events() if event.device_type == DeviceType.CPU]
    end = max(event.time_range.end for event in host if event.name == "the work")
    events = [event.name for event in host if event.time_range.start < end]  # the profiler itself waits at its end
    launches = sum(name in LAUNCHES for name in events)
    torch.cuda.synchronize()
    return str(launches), str(sum(name in WAITS for name in events)), f"{peak:.0f}"
