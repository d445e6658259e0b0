#!/usr/bin/env python
"""Time and memory of the alignments and of the consistency loss, in one run: Markdown tables, plots, JSON.

    python tools/bench_alignment.py --out exp/bench             (rivals: tools/install.sh --extra bench)
    python tools/bench_alignment.py --out exp/bench --device cuda            (tools/install.sh --extra cuda)
    python tools/bench_alignment.py --out exp/bench --parts rivals,step --sizes tiny

Ratios are of medians of rounds in which every method had its turn, so that a busy machine slows all alike; the load
is in the table's head. Numbers to hold are marked held or MISSED. B batch, N speech positions, M text positions.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_options import add_toy
from bench_options import parse as parse_options

PARTS = ("rivals", "kinds", "growth", "durations", "memory", "step")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md, bench.json and plots")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=2, help="threads of torch and numba")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--sizes", default="tiny,joist", help="models of the whole training step, by model.size")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each comparison")
    add_toy(parser, threads=1, rounds=1)
    arguments = parse_options(parser)
    unknown = set(arguments.parts.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"unknown parts: {' '.join(sorted(unknown))}; known: {' '.join(PARTS)}")
    return arguments


def main() -> None:
    """Run the chosen parts, one section of the report each."""
    arguments = parse()
    from jointst.common.threads import set_threads

    set_threads(arguments.threads)  # before torch and numba are loaded

    from alignment_bench import memory, operators, rivals, step
    from bench_report import Report, machine

    device, rounds, toy = arguments.device, arguments.rounds, arguments.toy
    report = Report(arguments.out, "Alignment benchmark", machine(device, arguments.threads), toy=toy)
    sizes = ["toy"] if toy else arguments.sizes.split(",")
    sections = {
        "rivals": lambda: rivals.run(report, device, rounds, toy=toy),
        "kinds": lambda: operators.kinds(report, device, rounds, toy=toy),
        "growth": lambda: operators.growth(report, device, rounds, toy=toy),
        "durations": lambda: operators.durations(report, device, rounds, toy=toy),
        "memory": lambda: memory.run(report, device, toy=toy),
        "step": lambda: [step.run(report, device, size, rounds) for size in sizes],
    }
    for part in PARTS:
        if part in arguments.parts.split(","):
            print(f"{part} ... (load {os.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)
            sections[part]()
    report.write()
    print(report.text())


if __name__ == "__main__":
    main()
