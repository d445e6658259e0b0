#!/usr/bin/env python
"""Speed of encoder and greedy search on 10 minutes of audio, ours against ESPnet's: Markdown tables and JSON.

    tools/install.sh --extra bench
    .venv/bin/python -m pip install --no-deps --target exp/espnet espnet==202511
    .venv/bin/python tools/bench_decode.py --out exp/bench_decode --espnet exp/espnet

Without ESPnet only ours is measured, and the report says so. What is compared, in turns in one process:

- encoders of the same size (2.3 M, 7 conformer layers of width 128, subsampling 4): ours is the whole cascade, both
  passes, ESPnet's the offline conformer of ``espnet2.asr_transducer``; fresh weights, the same features;
- the search: ours in batches, as ``jointst decode`` does, and one utterance at a time; ESPnet's
  ``BeamSearchTransducer`` with beam size 1, an utterance at a time, as its inference does.

The labels are forced, the same in both at the same positions: encoder states say which label is due, and the weights
of predictor and joiner are set by hand so that the joiner answers with it once, and with blank everywhere else. So
each system runs its own unchanged search, predictor and joiner. What it found is checked against what was forced.
One utterance of the whole length shows the search where there is nothing to batch.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_options import add_toy
from bench_options import parse as parse_options

if TYPE_CHECKING:
    from decode_bench.task import Task


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--espnet", type=Path, help="folder that ESPnet was installed to, if not beside jointst")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each comparison")
    parser.add_argument("--seconds", type=float, default=600.0, help="of audio in all")
    parser.add_argument("--utterance-seconds", type=float, default=15.0, help="of audio in each utterance")
    parser.add_argument("--rate", type=float, default=10.0, help="forced labels a second")
    add_toy(parser, threads=1, rounds=1, seconds=4.0, utterance_seconds=2.0)
    return parse_options(parser)


class Comparison:
    """The systems that are there, and the tables about them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from bench_report import Report, machine
        from decode_bench import espnet, ours

        self.arguments = arguments
        self.report = Report(arguments.out, "Decoding benchmark", machine("cpu", arguments.threads), toy=arguments.toy)
        self.systems: dict[str, Any] = {"jointst": ours.System()}
        self.rival = espnet.available()
        if self.rival:
            self.systems["ESPnet"] = espnet.System()
        sizes = ", ".join(f"{name} {system.parameters / 1e6:.2f} M" for name, system in self.systems.items())
        known = f"ESPnet {espnet.version()}" if self.rival else "**ESPnet is not installed: only ours is measured**"
        self.head = f"Parameters of the encoders: {sizes}. {known}. "

    def time(self, task: Task, encoders: bool) -> dict[str, list[float]]:
        """Seconds of everything on one task, once all searches are seen to find what was forced."""
        from bench_report import time_rounds

        print(f"{task.name} ... (load {os.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)
        methods: dict[str, Callable[[], object]] = {}
        for name, system in self.systems.items():
            if encoders:
                methods |= {f"{name} encoder, {how}": work for how, work in system.encoders(task).items()}
            for how, work in system.searches(task).items():
                methods[f"{name} search, {how}"] = work
                task.check(name, work())
        times = time_rounds(methods, self.arguments.rounds, "cpu")
        seconds = self.arguments.seconds
        rows = [[m, f"{median(t):.3f}", f"{min(t):.3f}", f"{seconds / median(t):.0f}"] for m, t in times.items()]
        columns = ["part", "median s", "least s", "times faster than real time"]
        self.report.table(f"{seconds:g} s of audio, {task.name}", columns, rows, self.head + task.description)
        return times

    def hold(self, times: dict[str, list[float]], name: str) -> None:
        """The numbers to hold: each system as its own inference works, ours in batches, ESPnet one by one."""
        own, rival = (
            [median(times[f"{system} {part}, {how}"]) for part in ("encoder", "search")]
            for system, how in (("jointst", "in batches"), ("ESPnet", "one by one"))
        )
        self.report.hold(f"search, times faster, {name}", rival[1] / own[1], least=5)
        self.report.hold(f"encoder and search together, times faster, {name}", sum(rival) / sum(own), least=1.5)

    def run(self) -> None:
        """All tables."""
        from decode_bench.task import Task

        seconds, short = self.arguments.seconds, self.arguments.utterance_seconds
        for name, rate in ((f"{self.arguments.rate:g} labels a second", self.arguments.rate), ("blank only", 0.0)):
            many = f"utterances of {short:g} s, {name}"
            times = self.time(Task(name=many, seconds=seconds, utterance_seconds=short, rate=rate), encoders=True)
            if self.rival:
                self.hold(times, name)
            one = f"one utterance, {name}"
            self.time(Task(name=one, seconds=seconds, utterance_seconds=seconds, rate=rate), encoders=False)
        self.report.write()
        print(self.report.text())


def main() -> None:
    """Set up and compare."""
    arguments = parse()
    if arguments.espnet is not None:
        if not (arguments.espnet / "espnet2").is_dir():
            sys.exit(f"no espnet2 in {arguments.espnet}; see --help for how to install it")
        sys.path.append(str(arguments.espnet.resolve()))
    from jointst.common.threads import set_threads

    set_threads(arguments.threads)  # before torch is loaded
    Comparison(arguments).run()


if __name__ == "__main__":
    main()
