#!/usr/bin/env python
"""Memory and time of joiner and transducer loss, ours against torchaudio's full lattice: a Markdown table and JSON.

    python tools/bench_transducer.py --out exp/bench_transducer                       (needs 12 GB of free memory)
    python tools/bench_transducer.py --out exp/bench_transducer --device cuda
    python tools/bench_transducer.py --out exp/bench_transducer --frames 50           (an eighth of it, for a look)

Every method runs in fresh processes, in turns: the same seed, the same joiner (projections of both sides, tanh, an
output layer), forward and backward. The full lattice is what torchaudio offers: logits (B, T, U+1, V) and
``rnnt_loss``. Memory is the peak over what was there before, once counted from the tensors that are made, once as the
growth of the process's peak resident size. B batch, T frames, U labels, V labels with the blank, J joint features.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_options import add_toy
from bench_options import parse as parse_options

METHODS = {"jointst": "rnnt", "jointst, HAT": "hat", "torchaudio, full lattice": "full"}
MIB = 2**20


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--rounds", type=int, default=2, help="timed processes of each method")
    sizes = {"batch": 8, "frames": 400, "labels": 60, "vocabulary": 4096, "joint": 640, "dim": 512}
    for name, size in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--lattice-bytes", type=int, default=64 * MIB, help="budget of ours, model.decoder's default")
    parser.add_argument("--only", choices=tuple(METHODS.values()), help=argparse.SUPPRESS)
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--gradients", type=Path, help=argparse.SUPPRESS)
    small = {"batch": 2, "frames": 8, "labels": 3, "vocabulary": 20, "joint": 8, "dim": 8}
    add_toy(parser, threads=1, rounds=1, **small)
    return parse_options(parser)


def prepare(arguments: argparse.Namespace, frames: int) -> tuple[Callable[[], None], dict[str, Any]]:
    """Forward and backward as one call, and the leaves whose gradients it fills."""
    import torch
    from torchaudio.functional import rnnt_loss

    from jointst.nn.joiner import HatJoiner, RnntJoiner
    from jointst.ops.transducer import lattice_loss

    torch.manual_seed(0)
    batch, labels, device = arguments.batch, arguments.labels, arguments.device
    kind = HatJoiner if arguments.only == "hat" else RnntJoiner
    joiner = kind(arguments.vocabulary, arguments.dim, arguments.dim, arguments.joint)
    # As in training after the first few updates: in T + U steps, about T are blank.
    rivals = 1 if joiner.hat else arguments.vocabulary
    torch.nn.init.constant_(joiner.output.bias[:1], math.log(rivals * arguments.frames / labels))
    joiner = joiner.to(device)
    encoded = torch.randn(batch, frames, arguments.dim).to(device).requires_grad_()
    predicted = torch.randn(batch, labels + 1, arguments.dim).to(device).requires_grad_()
    targets = torch.randint(1, arguments.vocabulary, (batch, labels)).to(device)
    lengths = torch.full((batch,), frames, device=device), torch.full((batch,), labels, device=device)

    def work() -> None:
        sides = joiner.project_encoder(encoded), joiner.project_predictor(predicted)
        if arguments.only == "full":
            logits = joiner.logits(sides[0][:, :, None], sides[1][:, None])
            loss = rnnt_loss(logits, targets.int(), *(part.int() for part in lengths), blank=0, reduction="sum")
        else:
            scores = joiner.lattice(*sides, targets, arguments.lattice_bytes, lengths)
            loss = lattice_loss(*scores, *lengths, reduction="sum")
        loss.backward()
        leaves["loss"] = loss.detach()

    leaves: dict[str, Any] = {"encoder": encoded, "predictor": predicted, **dict(joiner.named_parameters())}
    return work, leaves


def run_one(arguments: argparse.Namespace) -> dict[str, float]:
    """One method in this process, after a small run that loads what there is to load."""
    import torch
    from bench_memory import peak_of

    def synchronise() -> None:
        if arguments.device == "cuda":
            torch.cuda.synchronize()

    prepare(arguments, frames=2)[0]()
    work, leaves = prepare(arguments, arguments.frames)
    synchronise()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found: dict[str, float] = {}
    start = perf_counter()
    if arguments.count:
        found["counted"] = peak_of(work, arguments.device)
    else:
        work()
        synchronise()
        found["seconds"] = perf_counter() - start
    found["resident"] = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident)
    found["loss"] = leaves.pop("loss").item()
    if arguments.gradients is not None:
        torch.save({name: leaf.grad.cpu() for name, leaf in leaves.items()}, arguments.gradients)
    return found


def start_one(arguments: argparse.Namespace, method: str, *options: str) -> dict[str, float]:
    """The same in a fresh process; at toy size in this one."""
    print(f"{method} {' '.join(options)} ... (load {os.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)
    if arguments.toy:
        gradients = Path(options[-1]) if "--gradients" in options else None
        own = {"only": METHODS[method], "count": "--count" in options, "gradients": gradients}
        return run_one(argparse.Namespace(**{**vars(arguments), **own}))
    names = "out device threads batch frames labels vocabulary joint dim lattice_bytes".split()
    same = [f"--{name.replace('_', '-')}={getattr(arguments, name)}" for name in names]
    command = [sys.executable, __file__, *same, "--only", METHODS[method], *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def gradient_error(files: tuple[Path, Path]) -> float:
    """The largest over leaves of |difference| / |gradient|, as Euclidean norms."""
    import torch

    ours, theirs = (torch.load(file) for file in files)
    return max(float((ours[name] - theirs[name]).norm() / theirs[name].norm()) for name in theirs)


def compare(arguments: argparse.Namespace) -> None:
    """Both methods in turns, and the report."""
    from bench_report import Report, machine

    head = machine(arguments.device, arguments.threads)
    report = Report(arguments.out, "Transducer benchmark", head, toy=arguments.toy)
    ours, _, full = METHODS
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{kind}.pt" for name, kind in METHODS.items()}
        counted = {name: start_one(arguments, name, "--count", "--gradients", str(files[name])) for name in METHODS}
        error = gradient_error((files[ours], files[full]))
    timed = {name: [] for name in METHODS}
    for _ in range(arguments.rounds):
        for name in METHODS:
            timed[name].append(start_one(arguments, name))
    seconds = {name: [run["seconds"] for run in runs] for name, runs in timed.items()}
    memory = {name: counted[name]["counted"] for name in METHODS}
    resident = {name: min(run["resident"] for run in runs) for name, runs in timed.items()}
    rows = [
        [
            name,
            f"{memory[name] / MIB:.0f}",
            f"{resident[name] / MIB:.0f}",
            f"{median(seconds[name]):.2f}",
            f"{min(seconds[name]):.2f}",
            f"{counted[name]['loss']:.6g}",
        ]
        for name in METHODS
    ]
    title = (
        f"Joiner and loss, forward and backward, B {arguments.batch}, T {arguments.frames}, U {arguments.labels}, "
        f"V {arguments.vocabulary}, J {arguments.joint}"
    )
    columns = ["method", "tensors MiB", "resident MiB", "median s", "least s", "loss"]
    note = f"Budget of ours: {arguments.lattice_bytes / MIB:g} MiB a chunk. The HAT joiner is another model."
    report.table(title, columns, rows, note)
    report.hold("tensor memory of the full lattice over ours", memory[full] / memory[ours], least=15)
    if arguments.device == "cpu":
        report.hold(
            "resident memory of the full lattice over ours", resident[full] / max(resident[ours], 4096), least=15
        )
    ratio = median(seconds[ours]) / median(seconds[full])
    report.hold("time of ours over the full lattice's", ratio, most=1.3)
    report.hold("largest relative difference of a gradient", error, most=1e-4)
    report.write()
    print(report.text())


def main() -> None:
    """The comparison, or one method for it."""
    arguments = parse()
    from jointst.common.threads import set_threads

    set_threads(arguments.threads)  # before torch is loaded
    if arguments.only is None:
        compare(arguments)
    else:
        print(json.dumps(run_one(arguments)))


if __name__ == "__main__":
    main()
