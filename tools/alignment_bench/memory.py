"""Bytes that the consistency loss adds, forward and backward."""

from __future__ import annotations

import torch
from bench_memory import peak_of
from bench_report import Report, exponent

from jointst.losses.consistency import ConsistencyLoss


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


def run(report: Report, device: str, *, toy: bool) -> None:
    """The table, and the number to hold."""
    rows, shape = [], (2, 8, 6) if toy else (32, 400, 256)
    batch, frames, positions = shape
    for kind in ("best", "dtw", "framewise", "soft_dtw"):
        found = measure(device, kind, frames, positions, batch)
        ratio = found["backward"] / found["states"]
        rows.append([kind, *(f"{found[key]:.1f}" for key in ("states", "forward", "backward")), f"{ratio:.2f}"])
        if kind == "best":
            report.hold("bytes that the backward of the loss adds over those of the states", ratio, most=3.0)
    columns = ["kind", "states MiB", "forward adds MiB", "backward adds MiB", "backward over states"]
    title = f"Memory of the loss, one layer, {batch} utterances of {frames} x {positions}, width 512"
    note = "On the CPU, tensors alone: each thread of the kernel holds N M bytes of decisions and M sums besides."
    report.table(title, columns, rows, note)
    sizes = (8, 16) if toy else (128, 256, 512, 1024, 2048)
    adds = [measure(device, "best", frames, size, batch=4, dim=256)["backward"] for size in sizes]
    both = [measure(device, "best", size, size, batch=4, dim=256)["backward"] for size in sizes]
    report.hold("growth exponent of the backward's bytes in N and M together", exponent(sizes, both), most=1.15)
    curves = {f"M, N = {frames}": (sizes, adds), "N = M": (sizes, both)}
    report.plot("memory", curves, "positions", "MiB that backward adds, 4 utterances, width 256")
