"""All kinds of alignment, growth in N and in M, and utterances from 0.1 to 60 seconds."""

from __future__ import annotations

from statistics import median

import numpy as np
import torch
from bench_report import Report, exponent, milliseconds, time_rounds

from alignment_bench.rivals import naive
from jointst.losses.consistency import ConsistencyLoss
from jointst.ops.alignment import KINDS, align

SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
TOY_SIZES = (8, 16)
GROWTH_BATCH = 128
"""Utterances: so many that starting the threads takes no visible share at 64 positions either."""
NAIVE_UP_TO = 512
SECONDS = (0.1, 1.0, 10.0, 60.0)
TOY_SECONDS = (0.1, 0.2)
FRAMES_PER_SECOND = 25
"""Encoder positions: 10 ms frames, subsampled by 4."""
POSITIONS_PER_SECOND = 24
"""Text positions: about 12 phonemes, each twice."""


def _problem(
    device: str, frames: int, positions: int, *batch: int
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(frames + positions)
    cost = torch.rand(*batch, frames, positions, generator=generator).to(device)
    lengths = torch.full((batch[-1],), frames), torch.full((batch[-1],), positions)
    return cost, (lengths[0].to(device), lengths[1].to(device))


def _rounds(rounds: int, share: int) -> int:
    """A part of the rounds, but three at least where there are so many."""
    return max(min(3, rounds), rounds // share)


def kinds(report: Report, device: str, rounds: int, *, toy: bool) -> None:
    """Every kind on one batch, and 12 layers of it in one launch."""
    batch, frames, positions = (2, 8, 6) if toy else (32, 400, 256)
    cost, lengths = _problem(device, frames, positions, batch)
    layers, _ = _problem(device, frames, positions, 12, batch)
    check = device == "cpu"
    methods = {kind: (lambda kind=kind: align(kind, cost, *lengths, check=check)) for kind in KINDS if kind != "forced"}
    methods["best, 12 layers"] = lambda: align("best", layers, *lengths, check=check)
    times = time_rounds(methods, _rounds(rounds, 3), device)
    rows = [[kind, milliseconds(t), f"{1e3 * min(t):.3g}"] for kind, t in times.items()]
    report.table(f"Every kind, {batch} utterances of {frames} x {positions}", ["kind", "median ms", "least ms"], rows)
    if device == "cuda":
        report.hold("ms for 12 x 32 problems on the GPU", 1e3 * median(times["best, 12 layers"]), most=2.0)


def growth(report: Report, device: str, rounds: int, *, toy: bool) -> None:
    """Time of best over one side's positions, the other side fixed; and of the naive form on the CPU."""
    curves, rows, sizes = {}, [], TOY_SIZES if toy else SIZES
    batch = 2 if toy else GROWTH_BATCH
    for side in ("N", "M"):
        own, slow = [], []
        for size in sizes:
            frames, positions = (size, 256) if side == "N" else (400, size)
            cost, lengths = _problem(device, frames, positions, batch)
            methods = {"best": lambda c=cost, t=lengths: align("best", c, *t, check=False)}
            if size <= NAIVE_UP_TO:
                array = cost.cpu().numpy()
                methods["naive"] = lambda a=array: naive(a)
            times = time_rounds(methods, _rounds(rounds, 2), device)
            own.append(min(times["best"]))
            if "naive" in times:
                slow.append(min(times["naive"]))
            rows.append([side, size, f"{1e3 * own[-1]:.3g}", f"{1e3 * slow[-1]:.3g}" if "naive" in times else ""])
        curves[f"best in {side}"] = (sizes, own)
        curves[f"naive in {side}"] = (sizes[: len(slow)], slow)
        fitted = exponent(sizes, own)
        if side == "M":
            report.hold(
                f"growth exponent of best in M, {sizes[0]} to {sizes[-1]} positions", fitted, least=0.9, most=1.15
            )
        else:
            report.hold(f"growth exponent of best in N, {sizes[0]} to {sizes[-1]} positions", fitted, most=1.15)
        report.hold(f"growth exponent of the naive form in {side}", exponent(sizes[: len(slow)], slow))
    columns = ["side", "positions", "best ms", "naive ms"]
    report.table(f"Growth, {batch} utterances, the other side 256 text or 400 speech positions", columns, rows)
    report.plot("growth", curves, "positions", "seconds")


def durations(report: Report, device: str, rounds: int, *, toy: bool) -> None:
    """The loss of one layer, forward and backward, for speech of 0.1 to 60 seconds: the paper's first open check."""
    rows, own, alone, spoken = [], [], [], TOY_SECONDS if toy else SECONDS
    for seconds in spoken:
        frames = max(2, round(FRAMES_PER_SECOND * seconds))
        positions = max(2, round(POSITIONS_PER_SECOND * seconds))
        torch.manual_seed(0)
        speech = torch.randn(8, frames, 256, device=device, requires_grad=True)
        text = torch.randn(8, positions, 256, device=device, requires_grad=True)
        cost, lengths = _problem(device, frames, positions, 8)
        compare = ConsistencyLoss()

        def loss() -> None:
            compare([speech], [text], *lengths).total.backward()  # noqa: B023 - called in this turn alone

        times = time_rounds({"loss": loss, "best": lambda: align("best", cost, *lengths)}, _rounds(rounds, 2), device)  # noqa: B023
        own.append(median(times["loss"]))
        alone.append(median(times["best"]))
        memory = 4 * 8 * frames * positions
        rows.append(
            [
                seconds,
                frames,
                positions,
                milliseconds(times["best"]),
                milliseconds(times["loss"]),
                f"{memory / 2**20:.3g}",
            ]
        )
    columns = ["seconds", "N", "M", "best ms", "loss ms, forward and backward", "distances MiB"]
    note = "Both sides grow with the duration, so N M grows with its square. The distances are freed before backward."
    report.table("Durations, 8 utterances, one layer of width 256", columns, rows, note)
    places = np.array(spoken)
    report.plot("durations", {"best": (places, alone), "loss": (places, own)}, "seconds of speech", "seconds")
