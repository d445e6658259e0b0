#!/usr/bin/env python
"""One update taken apart, on speech of real length: Markdown tables and JSON.

    python tools/bench_training.py --out exp/bench_training
    python tools/bench_training.py --out exp/bench_training --device cuda --compile
    python tools/bench_training.py --out exp/bench_training --models tiny --seconds 5 --rounds 3

An update is compared with its encoders: speech through all encoders, forward and backward, as often as one update does
it. ``tiny`` spells characters (14 a second), the larger models word pieces (4 a second); 12 phones a second. Ratios are
medians over rounds in which everything had its turn. On a CPU bytes are not counted.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_options import add_toy, parse

UTTERANCES = {"cpu": {1.3: 8, 5.0: 16, 12.0: 8}, "cuda": {1.3: 64, 5.0: 64, 12.0: 32}}
"""Utterances of a batch, by seconds; others have as many as the nearest."""
TEXTS = {1.3: 1.3, 5.0: 8.0, 12.0: 12.0}
"""Seconds that a text would take to read, by those of speech."""
MOST = {"cpu": {"paired": 1.35, "joist": 2.6}, "cuda": {"best": 3.0}}
"""Bounds of an update over its encoders."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=1, help="of torch and numba")
    parser.add_argument("--models", nargs="+", default=["tiny"], choices=("tiny", "small", "joist"))
    parser.add_argument("--seconds", nargs="+", type=float, default=list(TEXTS), help="of an utterance")
    parser.add_argument("--bands", nargs="+", type=int, help="labels of a frame; 0 is exact (default: the setting's)")
    parser.add_argument("--compile", action="store_true", help="training.compile")
    parser.add_argument("--graphs", action="store_true", help="training.graphs")
    parser.add_argument("--rounds", type=int, default=5)
    add_toy(parser, models=["tiny"], seconds=[0.5], rounds=1)
    return parse(parser)


def measure(report, options, size: str, seconds: float, band: int | None) -> None:  # type: ignore[no-untyped-def]
    """One section."""
    import torch
    from bench_report import milliseconds, time_rounds
    from training_bench.counts import counted
    from training_bench.parts import encoders, full_lattice, parts
    from training_bench.subject import SYSTEMS, Shape, model_of, update

    from jointst.training.compiling import compile_layers
    from jointst.training.graphs import graph_stacks

    device = options.device
    near = min(TEXTS, key=lambda known: abs(known - seconds))
    utterances = 2 if options.toy else UTTERANCES[device][near]
    shape = Shape(utterances, seconds, max(1, utterances // 2), seconds * TEXTS[near] / near)
    labels = "characters" if size == "tiny" else "pieces"
    batch, model = shape.batch(labels, device), model_of(size, labels, band, device)
    if options.compile:
        compile_layers(model)
    if options.graphs and device == "cuda":
        graph_stacks(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def autocast() -> AbstractContextManager[object]:
        return torch.autocast("cuda", torch.bfloat16) if device == "cuda" else nullcontext()

    works = {"encoders": encoders(model, batch, autocast)}
    works |= {system: update(model, batch, system, optimizer, autocast) for system in SYSTEMS}
    single = parts(model, batch, optimizer, autocast)
    times = time_rounds({**works, **single}, options.rounds, device)
    ratios = {name: median(a / b for a, b in zip(own, times["encoders"])) for name, own in times.items()}
    audio = utterances * seconds
    rows = []
    for name, own in times.items():
        work = {**works, **single}[name]
        found = counted(work, device) if name in works else None
        hours = f"{audio / median(own):.0f}" if name in SYSTEMS else ""
        rows.append([name, milliseconds(own), f"{ratios[name]:.2f}", hours, *(found or ("", "", ""))])
    if not options.toy or device == "cpu":
        whole = time_rounds({"torchaudio": full_lattice(model, batch, autocast)}, min(2, options.rounds), device)
        own = whole["torchaudio"]
        ratio = median(own) / median(times["encoders"])
        rows.append(["transducers, speech, by torchaudio", milliseconds(own), f"{ratio:.2f}", "", "", "", ""])
    width = model.config.decoder.band
    title = f"{size}, {utterances} utterances of {seconds:g} s, {labels}, {f'band {width}' if width else 'exact'}"
    columns = ["what", "median ms", "times its encoders", "hours of audio an hour", "launches", "waits", "peak MiB"]
    title += ", compiled" if options.compile else ", as CUDA graphs" if options.graphs else ""
    report.table(title, columns, rows)
    for system, most in MOST[device].items():
        if width and near >= 5:
            report.hold(f"{system} over its encoders, {size}, {seconds:g} s, band {width}", ratios[system], most=most)
    if width and near >= 5:
        report.hold(
            f"best over joist, {size}, {seconds:g} s, band {width}", ratios["best"] / ratios["joist"], most=1.05
        )


def main() -> None:
    """Measure every model on every length, and report."""
    options = arguments()
    from jointst.common.threads import set_threads

    set_threads(options.threads)  # before torch is loaded
    from bench_report import Report, machine

    report = Report(options.out, "Training benchmark", machine(options.device, options.threads), toy=options.toy)
    for size in options.models:
        for seconds in options.seconds:
            for band in options.bands or [None]:
                print(f"{size}, {seconds:g} s ...", file=sys.stderr, flush=True)
                measure(report, options, size, seconds, band)
                report.write()
    print(report.text())


if __name__ == "__main__":
    main()
