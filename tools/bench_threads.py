#!/usr/bin/env python
"""What threads that wait for each other cost, on idle cores and beside busy processes: a Markdown table and JSON.

    python tools/bench_threads.py --out exp/bench_threads
    python tools/bench_threads.py --out exp/bench_threads --toy            (seconds; its figures say nothing)

Work: an update of the `tiny` model (16 utterances of 5 s, 70 labels, 16 texts of 60 phones, all losses) and the
alignment `best` (32 utterances, 400 x 256). Each setting has a process of its own, since libraries read their variables
once; settings take turns. Other work on the machine adds to the busy processes: the load is in the table's head.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SPINNING = {"GOMP_SPINCOUNT": "300000"}
"""libgomp's default, stated so that ours leaves it alone."""
SETTINGS: dict[str, tuple[int | None, dict[str, str]]] = {
    "1 thread": (1, {}),
    "all, spinning": (None, SPINNING),
    "all, spinning briefly": (None, {"GOMP_SPINCOUNT": "1000"}),
    "all, asleep (the default)": (None, {}),
}
"""Threads (None for all CPUs) and variables."""
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: sum(i * i for i in range(10000))"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(), help="folder for bench.md and bench.json")
    parser.add_argument("--busy", type=int, default=2, help="busy processes")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each turn of a setting")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each setting")
    parser.add_argument("--parts", default="update,alignment", help="of update,alignment")
    parser.add_argument("--toy", action="store_true", help="tiny batches, one short turn, first and last setting")
    parser.add_argument("--worker", choices=SETTINGS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.toy:
        arguments.seconds, arguments.rounds = 0.0, 1
        for name in list(SETTINGS)[1:-1]:
            del SETTINGS[name]
    return arguments


def update(toy: bool) -> Callable[[], object]:
    """A whole training update of the tiny model on one random batch."""
    import torch

    from jointst.config import PRESETS, ConsistencyConfig, DecoderConfig, LossConfig, ModelConfig, TextEncoderConfig
    from jointst.data.batch import JointBatch, PairedBatch, TextBatch
    from jointst.models.joint import JointModel
    from jointst.models.objective import joint_loss

    utterances, frames, labels, phones, vocabulary = (2, 40, 5, 5, 60) if toy else (16, 500, 70, 60, 60)
    torch.manual_seed(0)
    settings = dict(PRESETS["tiny"])
    for name, cls in (("text_encoder", TextEncoderConfig), ("decoder", DecoderConfig)):
        if name in settings:
            settings[name] = cls(**settings[name])
    model = JointModel(ModelConfig(size="tiny", **settings), mel_bins=80, vocabulary=vocabulary, symbols=100).train()
    text = TextBatch(
        utterances=[str(i) for i in range(utterances)],
        languages=["en"] * utterances,
        phones=torch.randint(3, 100, (utterances, phones)),
        phone_lengths=torch.full((utterances,), phones),
        labels=torch.randint(1, vocabulary, (utterances, labels)),
        label_lengths=torch.full((utterances,), labels),
    )
    features, lengths = torch.randn(utterances, frames, 80), torch.full((utterances,), frames)
    paired = PairedBatch(**vars(text), features=features, feature_lengths=lengths)
    batch = JointBatch(paired=paired, transcripts=text, unpaired=None)
    consistency = ConsistencyConfig(weight=0.3, start_update=0, ramp_updates=0)
    config = LossConfig(ctc_only_updates=0, consistency=consistency)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def work() -> None:
        torch.manual_seed(1)
        joint_loss(model, batch, config, update=10).total.backward()
        optimiser.step()
        optimiser.zero_grad()

    return work


def alignment(toy: bool) -> Callable[[], object]:
    """The kernel of the alignment on one random batch."""
    import torch

    from jointst.ops.alignment import align

    utterances, frames, positions = (2, 8, 8) if toy else (32, 400, 256)
    cost = torch.rand(utterances, frames, positions)
    lengths = torch.full((utterances,), frames), torch.full((utterances,), positions)
    return lambda: align("best", cost, *lengths, check=False)


def work(arguments: argparse.Namespace) -> None:
    """One setting's process: for each part that stdin names, time it for so many seconds and print wall and CPU
    seconds of each call."""
    from jointst.common.threads import set_threads

    set_threads(SETTINGS[arguments.worker][0])  # before torch and numba are loaded
    makers = {"update": update, "alignment": alignment}
    calls = {part: makers[part](arguments.toy) for part in arguments.parts.split(",")}
    for call in calls.values():
        call()
    print("ready", flush=True)
    for line in sys.stdin:
        times: list[tuple[float, float]] = []
        end = time.perf_counter() + arguments.seconds
        while not times or time.perf_counter() < end:
            start, used = time.perf_counter(), time.process_time()
            calls[line.strip()]()
            times.append((time.perf_counter() - start, time.process_time() - used))
        print(json.dumps(times), flush=True)


@contextmanager
def workers(arguments: argparse.Namespace) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """The process of each setting, ready."""
    own = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    options = ["--seconds", str(arguments.seconds), "--parts", arguments.parts, *(["--toy"] if arguments.toy else [])]
    running = {}
    try:
        for name, (_, variables) in SETTINGS.items():
            command = [sys.executable, __file__, "--worker", name, *options]
            running[name] = subprocess.Popen(
                command, env={**own, **variables}, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            assert running[name].stdout.readline() == "ready\n", f"{name}: did not start"
        yield running
    finally:
        for process in running.values():
            process.kill()
            process.wait()


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that never wait."""
    running = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def measure(arguments: argparse.Namespace) -> dict[tuple[str, str, int], list[list[float]]]:
    """Wall and CPU seconds of all calls by part, setting and number of busy processes."""
    times: dict[tuple[str, str, int], list[list[float]]] = {}
    with workers(arguments) as running:
        for round_ in range(arguments.rounds):
            for part in arguments.parts.split(","):
                for count in (0, arguments.busy):
                    for name, process in running.items():
                        with busy(count):
                            process.stdin.write(f"{part}\n")
                            process.stdin.flush()
                            times.setdefault((part, name, count), []).extend(json.loads(process.stdout.readline()))
                        load = os.getloadavg()[0]
                        last = 1e3 * times[part, name, count][-1][0]
                        print(f"{round_} {part} {name}, {count} busy: {last:.3g} ms (load {load:.1f})", file=sys.stderr)
    return times


def main() -> None:
    """Measure, and report."""
    arguments = parse()
    if arguments.worker:
        work(arguments)
        return
    times = measure(arguments)
    from bench_report import Report, machine, milliseconds

    report = Report(arguments.out, "Threads benchmark", machine("cpu", os.cpu_count() or 1), toy=arguments.toy)
    columns = ["threads", "idle ms", "least", "CPU ms", f"beside {arguments.busy} ms", "least", "CPU ms", "ratio"]
    for part in arguments.parts.split(","):
        rows = []
        for name in SETTINGS:
            cells: list[object] = [name]
            walls = {count: [wall for wall, _ in times[part, name, count]] for count in (0, arguments.busy)}
            for count, wall in walls.items():
                cells += [milliseconds(wall), f"{1e3 * min(wall):.3g}"]
                cells.append(milliseconds([cpu for _, cpu in times[part, name, count]]))
            rows.append([*cells, f"{median(walls[arguments.busy]) / median(walls[0]):.2f}"])
        report.table(f"{part}: medians and least", columns, rows)
    report.write()
    print(report.text())


if __name__ == "__main__":
    main()
