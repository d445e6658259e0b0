#!/usr/bin/env python3
"""The same training by 1, 2 and 4 processes of the CPU: time, CPU time and memory of an update, and waiting.

    python tools/bench_processes.py --out exp/bench_processes

Speech and text of egs/mini in one language are made anew. An update sees the same ``--batches`` batches however many
processes share them, the rest by ``training.accumulate``; each process has one thread. Numbers of processes take turns,
``--rounds`` times, and all losses are on from the first update.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_options import add_toy, parse

ROOT = Path(__file__).resolve().parents[1]
CONF = """
corpus: {languages: [en], mini: {train_utterances: 200, dev_utterances: 4, test_utterances: 4}}
loss: {ctc_only_updates: 0, consistency: {start_update: 0, ramp_updates: 0}}
training: {warmup_updates: 2}
"""
TOY = """
--corpus.mini.train_utterances 8 --corpus.mini.unpaired_sentences 8 --model.dim 16 --model.full_context_dim 16
--model.heads 2 --model.audio_layers 1 --model.streaming_layers 1 --model.full_context_layers 1
""".split()
SKIPPED = 2
"""Updates that begin a training and are left out of times."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--batches", type=int, default=4, help="of an update, a multiple of each number of processes")
    parser.add_argument("--utterances", type=int, default=8, help="of a batch, and as many sentences")
    parser.add_argument("--updates", type=int, default=20, help="of each training")
    parser.add_argument("--rounds", type=int, default=3)
    add_toy(parser, processes=[2], batches=2, utterances=2, updates=3, rounds=1)
    options = parse(parser)
    if any(options.batches % count for count in options.processes):
        parser.error(f"--batches {options.batches} is no multiple of each of --processes")
    return options


def settings(options: argparse.Namespace) -> list[str]:
    """Settings that all trainings share."""
    return [
        *("--conf", "conf.yaml", *(TOY if options.toy else [])),
        f"--training.max_updates={options.updates}",
        f"--training.validate_every={options.updates}",
        f"--training.speech_batch.max_utterances={options.utterances}",
        f"--training.text_batch.max_utterances={options.utterances}",
    ]


def make_data(options: argparse.Namespace) -> None:
    """Stages 1 to 5, in the working directory."""
    from jointst.recipe.cli import main

    Path("conf.yaml").write_text(CONF, encoding="utf-8")
    for stage in ("corpus", "lexicon", "features", "tokenizer"):
        if main([stage, *settings(options), "--nj", "1"]) != 0:
            raise SystemExit(f"bench_processes: {stage} failed")


def train(begun: float, found: Path, words: Sequence[str]) -> int:
    """One of the processes of a training, which says what it saw in a file; all it prints goes into another one.

    Args:
        begun: when the processes were started, by the machine's clock.
        found: the file, without the rank.
        words: of ``jointst``.
    """
    rank = os.environ["RANK"]
    log = os.open(found.with_suffix(f".{rank}.log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    import lightning
    from torch.nn.parallel import DistributedDataParallel

    from jointst.recipe.cli import main

    ends: list[tuple[float, float]] = []

    class Clock(lightning.Callback):
        """Times updates."""

        def on_train_start(self, trainer: Any, module: Any) -> None:
            """Let torch time all of them."""
            if isinstance(trainer.strategy.model, DistributedDataParallel):
                trainer.strategy.model._set_ddp_runtime_logging_sample_rate(1)

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            """Note the end of an update."""
            if trainer.global_step > len(ends):
                ends.append((time.monotonic(), time.process_time()))

        def on_train_end(self, trainer: Any, module: Any) -> None:
            """Write all that is known."""
            waited = 0.0
            if isinstance(trainer.strategy.model, DistributedDataParallel):
                told = trainer.strategy.model._get_ddp_logging_data()
                waited = told["avg_backward_comm_time"] - told["avg_backward_compute_comm_overlap_time"]
            status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            peak = int(status["VmHWM"].split()[0]) / 1024
            record = {"ends": ends, "start": ends[0][0] - begun, "waited": waited / 1e9, "peak": peak}
            found.with_suffix(f".{rank}.json").write_text(json.dumps(record))

    plain = lightning.Trainer

    def clocked(**settings: Any) -> lightning.Trainer:
        return plain(**{**settings, "callbacks": [*settings["callbacks"], Clock()]})

    lightning.Trainer = clocked  # type: ignore[misc, assignment]
    return main(words)


def measured(options: argparse.Namespace, count: int) -> dict[str, float]:
    """One training by so many processes, as ``jointst train --nproc`` starts them."""
    from jointst.ranks.spawn import run_processes

    name = f"by_{count}"
    words = ["train", *settings(options), "--name", name, "--force"]
    words += [f"--training.accumulate={options.batches // count}"]
    found = Path(name).resolve()
    status = run_processes([sys.executable, __file__, "train", str(time.monotonic()), str(found), *words], count)
    if status != 0:
        raise SystemExit(
            f"bench_processes: {count} processes failed: {found.with_suffix('.0.log').read_text()[-2000:]}"
        )
    ranks = [json.loads(found.with_suffix(f".{rank}.json").read_text()) for rank in range(count)]
    timed = options.updates - SKIPPED
    spans = [[last - first for first, last in zip(own["ends"][SKIPPED - 1], own["ends"][-1])] for own in ranks]
    seconds = max(wall for wall, _ in spans) / timed
    log = Path("exp", name, "log.jsonl").read_text().splitlines()
    return {
        "seconds": seconds,
        "cpu": sum(cpu for _, cpu in spans) / timed,
        "waited": sum(own["waited"] for own in ranks) / count / seconds,
        "peak": max(own["peak"] for own in ranks),
        "start": max(own["start"] for own in ranks),
        "loss": json.loads(log[-1])["dev_loss"],
    }


def main() -> None:
    """Measure and report."""
    options = arguments()
    options.out = options.out.resolve()
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["PYTHONPATH"] = str(ROOT)
    from bench_report import Report, machine

    report = Report(options.out, "Processes benchmark", machine("cpu", 1), toy=options.toy)
    found: dict[int, list[dict[str, float]]] = {count: [] for count in options.processes}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            make_data(options)
            for number in range(options.rounds):
                for count in options.processes:
                    print(f"round {number + 1}: {count} processes ...", file=sys.stderr, flush=True)
                    found[count].append(measured(options, count))
        finally:
            os.chdir(before)
    middle = {count: {key: median(own[key] for own in runs) for key in runs[0]} for count, runs in found.items()}
    first = middle[options.processes[0]]["seconds"]
    rows = []
    for count, own in middle.items():
        cells = [f"{own['seconds']:.3f}", f"{first / own['seconds']:.2f}", f"{own['cpu']:.3f}", f"{own['peak']:.0f}"]
        rows.append([count, *cells, f"{100 * own['waited']:.0f}", f"{own['start']:.1f}"])
    columns = [
        "processes",
        "s an update",
        "times as fast",
        "CPU s an update",
        "peak MiB a process",
        "waiting %",
        "start s",
    ]
    note = f"{len(os.sched_getaffinity(0))} cores; medians of {options.rounds} rounds of {options.updates} updates."
    report.table(f"{options.batches} batches of {options.utterances} an update", columns, rows, note)
    losses = [own["loss"] for runs in found.values() for own in runs]
    report.hold("dev losses at the end, largest over least", max(losses) / min(losses), most=1.001)
    report.write()
    print(report.text())


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        sys.exit(train(float(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]))
    main()
