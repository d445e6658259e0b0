"""Bytes that the consistency loss adds, forward and backward."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from alignment_bench.report import Report, exponent
from jointst.losses.consistency import ConsistencyLoss


class PeakBytes(TorchDispatchMode):
    """Peak of the bytes in tensors that are made under it, by storage; for the CPU, where torch keeps no count."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {id_of(leaf) for leaf in tree_leaves((args, kwargs or {})) if isinstance(leaf, torch.Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and id_of(leaf) not in before | self._known:
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        place, size = storage._cdata, storage.nbytes()
        self._known.add(place)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, place, size)

    def _free(self, place: int, size: int) -> None:
        self._known.discard(place)
        self.now -= size


def id_of(tensor: torch.Tensor) -> int:
    """A number that tensors of the same storage share."""
    return tensor.untyped_storage()._cdata


def peak_of(work: Callable[[], object], device: str) -> int:
    """Bytes at the peak over those before."""
    if device == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with PeakBytes() as meter:
        work()
    return meter.peak


def measure(device: str, kind: str, frames: int, positions: int, batch: int = 32, dim: int = 512) -> dict[str, float]:
    """MiB of the states, and that forward and backward add at their peaks; the gradients are a part of backward's."""
    torch.manual_seed(0)
    speech = torch.randn(batch, frames, dim, device=device, requires_grad=True)
    text = torch.randn(batch, positions, dim, device=device, requires_grad=True)
    lengths = torch.full((batch,), frames, device=device), torch.full((batch,), positions, device=device)
    compare, kept = ConsistencyLoss(alignment=kind), []
    forward = peak_of(lambda: kept.append(compare([speech], [text], *lengths).total), device)
    backward = peak_of(lambda: kept[0].backward(), device)
    states = 4 * (speech.numel() + text.numel())
    return {name: size / 2**20 for name, size in (("states", states), ("forward", forward), ("backward", backward))}


def run(report: Report, device: str) -> None:
    """The table, and the number to hold."""
    rows = []
    for kind in ("best", "dtw", "framewise", "soft_dtw"):
        found = measure(device, kind, 400, 256)
        ratio = found["backward"] / found["states"]
        rows.append([kind, *(f"{found[key]:.1f}" for key in ("states", "forward", "backward")), f"{ratio:.2f}"])
        if kind == "best":
            report.hold("bytes that the backward of the loss adds over those of the states", ratio, most=3.0)
    columns = ["kind", "states MiB", "forward adds MiB", "backward adds MiB", "backward over states"]
    title = "Memory of the loss, one layer, 32 utterances of 400 x 256, width 512"
    note = "On the CPU, tensors alone: each thread of the kernel holds N M bytes of decisions and M sums besides."
    report.table(title, columns, rows, note)
    sizes = (128, 256, 512, 1024, 2048)
    adds = [measure(device, "best", 400, size, batch=4, dim=256)["backward"] for size in sizes]
    both = [measure(device, "best", size, size, batch=4, dim=256)["backward"] for size in sizes]
    report.hold("growth exponent of the backward's bytes in N and M together", exponent(sizes, both), most=1.15)
    curves = {"M, N = 400": (sizes, adds), "N = M": (sizes, both)}
    report.plot("memory", curves, "positions", "MiB that backward adds, 4 utterances, width 256")
