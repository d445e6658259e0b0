#!/usr/bin/env python
"""Time of all paths of a transducer lattice on the CPU, ours against torchaudio's: a Markdown table and JSON.

    python tools/bench_lattice.py --out exp/bench_lattice

Both are given log P(blank) and log P(next label) of random utterances of full length, and find losses and gradients.
torchaudio's sums are float32; for gradients as exact as ours it would have to go through the lattice twice, as
:mod:`jointst.ops.transducer` lets it on a GPU. B utterances, T frames, U labels.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_options import add_toy, parse

SIZES = {"eight short utterances": (8, 40, 20), "three of ten seconds": (3, 250, 100), "thirty-two": (32, 400, 60)}
TOY_SIZES = {"two utterances": (2, 6, 3)}


def calls(batch: int, frames: int, labels: int) -> dict[str, Callable[[], None]]:
    """Loss and gradients of one random batch, both ways."""
    import torch
    from torch.nn.functional import pad
    from torchaudio.functional import rnnt_loss

    from jointst.ops.transducer import lattice_loss

    torch.manual_seed(0)
    scores = torch.randn(batch, frames, labels + 1, 3).log_softmax(-1)
    blank, label = scores[..., 0].contiguous().requires_grad_(), scores[:, :, :-1, 1].contiguous().requires_grad_()
    lengths = torch.full((batch,), frames), torch.full((batch,), labels)

    def ours() -> None:
        lattice_loss(blank, label, *lengths, reduction="sum").backward()

    def theirs() -> None:
        both = torch.stack([blank, pad(label, (0, 1))], dim=-1)
        targets = torch.ones(batch, labels, dtype=torch.int32)
        sizes = (part.int() for part in lengths)
        rnnt_loss(both, targets, *sizes, blank=0, reduction="sum", fused_log_softmax=False).backward()

    return {"jointst": ours, "torchaudio": theirs}


def main() -> None:
    """Time both, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    add_toy(parser, threads=1, rounds=1)
    arguments = parse(parser)
    from jointst.common.threads import set_threads

    set_threads(arguments.threads)  # before torch is loaded
    from bench_report import Report, machine, milliseconds, time_rounds

    report = Report(arguments.out, "Lattice benchmark", machine("cpu", arguments.threads), toy=arguments.toy)
    rows = []
    for name, size in (TOY_SIZES if arguments.toy else SIZES).items():
        times = time_rounds(calls(*size), arguments.rounds, "cpu")
        ratio = median(times["torchaudio"]) / median(times["jointst"])
        rows.append([f"{name} ({' x '.join(map(str, size))})", *map(milliseconds, times.values()), f"{ratio:.1f}"])
    columns = ["utterances (B x T x U)", "jointst ms", "torchaudio ms", "ratio"]
    report.table("Losses and gradients, medians", columns, rows)
    report.hold("least of the ratios", min(float(row[-1]) for row in rows), least=4)
    report.write()
    print(report.text())


if __name__ == "__main__":
    main()
