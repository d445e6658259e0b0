#!/usr/bin/env python
"""Time and memory of the fused joiner and the lattice on a GPU: a Markdown table and JSON.

    python tools/bench_fused.py --out exp/bench_fused

Random utterances of full length in bfloat16, as under autocast; the weight of the output layer is float32. "whole" is
scores, losses and the gradients of encoder, predictor, weight and bias. B utterances, T frames, U labels, V labels of
the output layer, J joint features, S places kept for each frame (all U+1, or a band's).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
SIZES = [(8, 400, 60, 4096, 640), (32, 300, 50, 2000, 320), (16, 500, 120, 500, 320)]
BAND = 8
MEBI = 2**20


def calls(size: tuple[int, ...], band: bool, hat: bool, budget: int) -> tuple[dict[str, Callable[[], object]], int]:
    """What is timed, by name, and the number of places R."""
    import torch

    from jointst.ops.fused_joiner import fused_joint_lattice
    from jointst.ops.kernels.triton.hidden import hidden, next_labels
    from jointst.ops.kernels.triton.joiner import ROWS_OF_BLOCK, joiner_gradient, joiner_scores
    from jointst.ops.kernels.triton.lattice import lattice_losses

    batch, frames, labels, vocabulary, joint = size
    torch.manual_seed(0)
    here: dict[str, Any] = {"device": "cuda"}
    encoder, predictor = (torch.randn(batch, n, joint, **here).bfloat16() for n in (frames, labels + 1))
    weight, bias = torch.randn(vocabulary, joint, **here) * 0.1, torch.zeros(vocabulary, **here)
    leaves = [leaf.requires_grad_() for leaf in (encoder, predictor, weight, bias)]
    targets = torch.randint(1, vocabulary, (batch, labels), **here)
    lengths = torch.full((batch,), frames, **here), torch.full((batch,), labels, **here)
    width, starts = labels + 1, None
    if band:  # along the diagonal
        width, middle = BAND, torch.arange(frames, **here) * (labels + 1) // frames - BAND // 2
        starts = middle.clamp(0, labels + 1 - BAND).expand(batch, -1).contiguous()
    states = labels + 1 if band else None
    kept = {"starts": starts, "width": width} if band else {}
    chunk = 0, max(1, min(frames, budget // (2 * batch * width * (vocabulary + 2 * joint))))
    codes = next_labels(targets, *lengths, frames, width, starts)
    with torch.no_grad():
        rows, cast = hidden(encoder, predictor, codes, starts, chunk), weight.bfloat16()
    scores = [torch.zeros(batch, frames, places, **here) for places in (width, width - 1, width)]
    upstream = *(-torch.rand_like(part) for part in scores[:2]), torch.zeros(batch, **here)
    out = rows.new_empty(len(rows), vocabulary)
    grad_bias = torch.zeros(-(-len(rows) // ROWS_OF_BLOCK), vocabulary, **here)

    def whole() -> None:
        got = fused_joint_lattice(
            *leaves, targets, hat=hat, logit_lengths=lengths[0], target_lengths=lengths[1], budget_bytes=budget, **kept
        )
        _, *gradients = lattice_losses(*(part.detach() for part in got), *lengths, starts, states)
        torch.autograd.grad(got, leaves, gradients)

    some = {"hat": hat, "frames": chunk}
    flat = torch.full_like(scores[0], -2.0), torch.full_like(scores[1], -2.0)
    return {
        "scores of a chunk": lambda: joiner_scores(rows, cast, bias.detach(), codes, tuple(scores), **some),
        "gradient of a chunk": lambda: joiner_gradient(
            rows, cast, bias.detach(), codes, scores[2], upstream, out, grad_bias, **some
        ),
        "lattice": lambda: lattice_losses(*flat, *lengths, starts, states),
        "lattice, losses only": lambda: lattice_losses(*flat, *lengths, starts, states, wanted=False),
        "whole": whole,
    }, len(rows)


def measure(size: tuple[int, ...], band: bool, hat: bool, budget: int, rounds: int) -> list[object]:
    """A row of the table."""
    import torch
    from bench_report import milliseconds, time_rounds

    methods, rows = calls(size, band, hat, budget)
    times = time_rounds(methods, rounds, "cuda")  # the first call of each also chooses configurations
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    methods["whole"]()
    peak = (torch.cuda.max_memory_allocated() - before) / MEBI
    flops = 2 * rows * size[3] * size[4]
    rates = [f"{flops / median(times[name]) / 1e12:.0f}" for name in ("scores of a chunk", "gradient of a chunk")]
    name = " x ".join(map(str, size)) + (f", band of {BAND}" if band else "") + (", HAT" if hat else "")
    return [name, rows, *(milliseconds(part) for part in times.values()), *rates, f"{peak:.0f}"]


def main() -> None:
    """Time all, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=64, help="of a chunk, MiB")
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="how many of the sizes, the first ones")
    arguments = parser.parse_args()
    import torch
    from bench_report import Report, machine

    if not torch.cuda.is_available():
        parser.error("there is no GPU")
    report = Report(arguments.out, "Fused joiner benchmark", machine("cuda", torch.get_num_threads()))
    kinds = [(band, hat) for band in (False, True) for hat in (True, False)]
    budget = arguments.budget * MEBI
    rows = [measure(size, *kind, budget, arguments.rounds) for size in SIZES[: arguments.sizes] for kind in kinds]
    columns = ["B x T x U x V x J", "rows of a chunk", "scores of a chunk ms", "gradient of a chunk ms", "lattice ms"]
    columns += ["losses only ms", "whole ms", "scores TFLOP/s", "gradient TFLOP/s", "peak of the whole, MiB above"]
    report.table(f"Medians, chunks of {arguments.budget} MiB", columns, rows)
    report.hold("whole lattice of the first size, HAT, ms", float(str(rows[0][6])), most=20)
    report.hold("its peak, MiB above what was there", float(str(rows[0][-1])), most=300)
    report.write()
    print(report.text())


if __name__ == "__main__":
    main()
