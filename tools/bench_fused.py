#!/usr/bin/env python
"""Time and memory of the fused joiner and the lattice on a GPU: a Markdown table and JSON.

    python tools/bench_fused.py --out exp/bench_fused
    TRITON_INTERPRET=1 python tools/bench_fused.py --out exp/look --size 1 6 3 20 16 --rounds 1     (without a GPU)

Random utterances of full length in bfloat16, as under autocast; the weight of the output layer is float32. "whole" is
scores, losses and the gradients of encoder, predictor, weight and bias. CTC is timed against torch's, on as many frames
and labels. B utterances, T frames, U labels, V labels of the output layer, J joint features, S places kept for each
frame (all U+1, or a band's).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_options import add_toy, parse

SIZES = [(8, 400, 60, 4096, 640), (32, 300, 50, 2000, 320), (16, 500, 120, 500, 320)]
BAND = 8
MEBI = 2**20
if "--toy" in sys.argv:
    os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported
DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"


def inputs(size: tuple[int, ...]) -> tuple[list[Any], Any, tuple[Any, Any]]:
    """Leaves, labels and lengths."""
    import torch

    batch, frames, labels, vocabulary, joint = size
    torch.manual_seed(0)
    encoder, predictor = (torch.randn(batch, n, joint, device=DEVICE).bfloat16() for n in (frames, labels + 1))
    weight, bias = torch.randn(vocabulary, joint, device=DEVICE) * 0.1, torch.zeros(vocabulary, device=DEVICE)
    targets = torch.randint(1, vocabulary, (batch, labels), device=DEVICE)
    lengths = torch.full((batch,), frames, device=DEVICE), torch.full((batch,), labels, device=DEVICE)
    return [leaf.requires_grad_() for leaf in (encoder, predictor, weight, bias)], targets, lengths


def diagonal(size: tuple[int, ...]) -> tuple[int, Any]:
    """Width and starts of a band along the diagonal."""
    import torch

    batch, frames, labels, *_ = size
    width = min(BAND, labels + 1)
    middle = torch.arange(frames, device=DEVICE) * (labels + 1) // frames - width // 2
    return width, middle.clamp(0, labels + 1 - width).expand(batch, -1).contiguous()


def calls(
    size: tuple[int, ...], band: bool, hat: bool, budget: int
) -> tuple[dict[str, Callable[[], object]], tuple[int, int]]:
    """What is timed, by name, and the number of places, all and those of a chunk of backward."""
    import torch

    from jointst.ops.fused_joiner import fused_joint_lattice
    from jointst.ops.kernels.triton.hidden import hidden, next_labels
    from jointst.ops.kernels.triton.joiner import ROWS_OF_BLOCK, joiner_gradient, joiner_scores
    from jointst.ops.kernels.triton.lattice import lattice_losses

    batch, frames, labels, vocabulary, joint = size
    here: dict[str, Any] = {"device": DEVICE}
    leaves, targets, lengths = inputs(size)
    encoder, predictor, weight, bias = leaves
    width, starts = diagonal(size) if band else (labels + 1, None)
    states = labels + 1 if band else None
    kept = {"starts": starts, "width": width} if band else {}
    chunk = 0, max(1, min(frames, budget // (2 * batch * width * (vocabulary + 2 * joint))))
    codes = next_labels(targets, *lengths, frames, width, starts)
    with torch.no_grad():
        everything, rows = (hidden(encoder, predictor, codes, starts, part) for part in (None, chunk))
        cast, offset = weight.bfloat16(), bias.detach()
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

    flat = torch.full_like(scores[0], -2.0), torch.full_like(scores[1], -2.0)
    return {
        "scores": lambda: joiner_scores(everything, cast, offset, codes, tuple(scores), hat=hat),
        "gradient of a chunk": lambda: joiner_gradient(
            rows, cast, offset, codes, scores[2], upstream, out, grad_bias, hat=hat, frames=chunk
        ),
        "lattice": lambda: lattice_losses(*flat, *lengths, starts, states),
        "lattice, losses only": lambda: lattice_losses(*flat, *lengths, starts, states, wanted=False),
        "whole": whole,
    }, (len(everything), len(rows))


def ctc_calls(size: tuple[int, ...]) -> dict[str, Callable[[], object]]:
    """Losses and gradients of the logits, both ways."""
    import torch

    from jointst.ops.fused_ctc import fused_ctc_loss

    batch, frames, labels, vocabulary, _ = size
    torch.manual_seed(0)
    logits = torch.randn(batch, frames, vocabulary, device=DEVICE, requires_grad=True)
    targets = torch.randint(1, vocabulary, (batch, labels), device=DEVICE)
    lengths = torch.full((batch,), frames, device=DEVICE), torch.full((batch,), labels, device=DEVICE)

    def ours() -> None:
        torch.autograd.grad(fused_ctc_loss(logits.log_softmax(-1), targets, *lengths).sum(), logits)

    def theirs() -> None:
        log_probs = logits.log_softmax(-1).transpose(0, 1)
        loss = torch.nn.functional.ctc_loss(log_probs, targets, *lengths, reduction="sum")
        torch.autograd.grad(loss, logits)

    return {"jointst": ours, "torch": theirs}


def peak(call: Callable[[], object]) -> float:
    """MiB that a call takes at most, above what was there; NaN without a GPU."""
    import torch

    if DEVICE == "cpu":
        return math.nan
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    call()
    return (torch.cuda.max_memory_allocated() - before) / MEBI


def measure(size: tuple[int, ...], band: bool, hat: bool, budget: int, rounds: int) -> list[object]:
    """A row of the table."""
    from bench_report import milliseconds, time_rounds

    methods, rows = calls(size, band, hat, budget)
    times = time_rounds(methods, rounds, DEVICE)  # the first call of each also chooses configurations
    products = zip(rows, ("scores", "gradient of a chunk"))
    rates = [f"{2 * part * size[3] * size[4] / median(times[name]) / 1e12:.0f}" for part, name in products]
    name = " x ".join(map(str, size)) + (f", band of {BAND}" if band else "") + (", HAT" if hat else "")
    return [name, *rows, *(milliseconds(part) for part in times.values()), *rates, f"{peak(methods['whole']):.0f}"]


def main() -> None:
    """Time all, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=64, help="of a chunk, MiB")
    parser.add_argument("--size", type=int, nargs=5, action="append", metavar=tuple("BTUVJ"), help="instead of ours")
    add_toy(parser, size=[[1, 5, 3, 20, 16]], rounds=1)
    arguments = parse(parser)
    import torch
    from bench_report import Report, machine, milliseconds, time_rounds

    if DEVICE == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU")
    report = Report(
        arguments.out, "Fused joiner benchmark", machine(DEVICE, torch.get_num_threads()), toy=arguments.toy
    )
    kinds = [(band, hat) for band in (False, True) for hat in (True, False)]
    budget = arguments.budget * MEBI
    sizes = [tuple(size) for size in arguments.size or SIZES]
    rows = [measure(size, *kind, budget, arguments.rounds) for size in sizes for kind in kinds]
    columns = ["B x T x U x V x J", "rows", "of a chunk", "scores ms", "gradient of a chunk ms", "lattice ms"]
    columns += ["losses only ms", "whole ms", "scores TFLOP/s", "gradient TFLOP/s", "peak of the whole, MiB above"]
    report.table(f"Medians, chunks of {arguments.budget} MiB", columns, rows)
    if not arguments.size:
        report.hold("whole lattice of the first size, HAT, ms", float(str(rows[0][7])), most=20)
        report.hold("its peak, MiB above what was there", float(str(rows[0][-1])), most=300)
    timed = [(size, time_rounds(ctc_calls(size), arguments.rounds, DEVICE)) for size in sizes]
    rows = [[" x ".join(map(str, size[:4])), *map(milliseconds, times.values())] for size, times in timed]
    report.table("CTC, losses and gradients of logits", ["B x T x U x V", "jointst ms", "torch ms"], rows)
    report.write()
    print(report.text())


if __name__ == "__main__":
    main()
