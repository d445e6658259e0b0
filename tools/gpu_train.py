#!/usr/bin/env python
"""Some hundred updates of ``jointst train`` on a GPU: updates a second in each phase, and how often the host waits.

    python tools/gpu_train.py --out exp/gpu_train                      (data of egs/mini, made if they are not there)
    python tools/gpu_train.py --out exp/look --cpu --updates 20        (a look without a GPU)

It trains the ``small`` model on mini, 64 utterances of 1.2 s an update: CTC alone, then the transducers and text, then
the consistency loss too. A wait is an operation that torch says makes the host wait for the GPU, forward, backward,
optimiser and log alike; validation comes after the last update and does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
NAME = "gpu_train"
"""Of the experiment, in egs/mini/exp."""


def settings(arguments: argparse.Namespace) -> list[str]:
    """The command line of the training."""
    third = arguments.updates // 3
    return [
        *("train", "--conf", "conf/train.yaml", "--name", NAME, "--force"),
        *("--ngpu", "0" if arguments.cpu else "1", "--model.size", arguments.model),
        *(f"--data.root={arguments.data}", "--features.speed_perturbation=[1.0]"),
        f"--training.max_updates={arguments.updates}",
        f"--training.validate_every={arguments.updates}",
        f"--training.speech_batch.max_utterances={arguments.utterances}",
        f"--training.text_batch.max_utterances={arguments.utterances}",
        f"--training.compile={str(arguments.compile).lower()}",
        f"--training.graphs={str(not arguments.no_graphs and not arguments.compile and not arguments.cpu).lower()}",
        f"--loss.ctc_only_updates={third}",
        f"--loss.consistency.start_update={2 * third}",
        "--loss.consistency.ramp_updates=10",
    ]


def make_data(arguments: argparse.Namespace) -> None:
    """Stages 1 to 5 of a small mini, where they have not run."""
    from jointst.recipe.cli import main

    if (Path(arguments.data) / "tokenizer" / "tokenizer.model").is_file():
        return
    count = arguments.per_language
    small = [f"--data.root={arguments.data}", f"--corpus.mini.train_utterances={count}"]
    small += [f"--corpus.mini.{name}_utterances={min(4, count)}" for name in ("dev", "test")]
    for stage in ("corpus", "lexicon", "features", "tokenizer"):
        main([stage, "--conf", "conf/train.yaml", "--features.speed_perturbation=[1.0]", *small])


def main() -> None:
    """Train, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--data", default="data/gpu_check", help="data folder, seen from egs/mini")
    parser.add_argument("--per-language", type=int, default=40, help="utterances of each language")
    parser.add_argument("--model", default="small")
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--utterances", type=int, default=64)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--no-graphs", action="store_true", help="training.graphs: false")
    parser.add_argument("--cpu", action="store_true")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT / "egs" / "mini")

    from jointst.common.threads import sleep_while_waiting

    sleep_while_waiting()
    import torch

    from jointst.recipe.cli import main as jointst
    from jointst.training import module as training

    make_data(arguments)
    waits: Counter[int] = Counter()
    update = [-1]
    step = training.JointModule.training_step

    def counted(self, batch, batch_idx):  # type: ignore[no-untyped-def]
        update[0] = self.global_step if self._trainer is not None else -1
        return step(self, batch, batch_idx)

    def told(message, *_, **__) -> None:  # type: ignore[no-untyped-def]
        if "synchronizing CUDA operation" in str(message):
            waits[update[0]] += 1

    training.JointModule.training_step = counted  # type: ignore[method-assign]
    if not arguments.cpu:
        warnings.showwarning = told
        warnings.filterwarnings("always", message=".*synchronizing CUDA operation.*")
        torch.cuda.set_sync_debug_mode("warn")
    jointst(settings(arguments))
    report(arguments, out, waits)


def report(arguments: argparse.Namespace, out: Path, waits: Counter[int]) -> None:
    """Updates a second from the log, without the first twenty of a phase."""
    from bench_report import Report, machine

    device = "cpu" if arguments.cpu else "cuda"
    lines = [json.loads(line) for line in Path("exp", NAME, "log.jsonl").read_text().splitlines()]
    seconds = {line["update"]: line["seconds"] for line in lines if "loss" in line}
    third, rows = arguments.updates // 3, []
    for number, phase in enumerate(("CTC alone", "transducers and text", "consistency too")):
        known = sorted(n for n in seconds if number * third + min(20, third // 2) <= n < (number + 1) * third)
        if len(known) < 2:
            continue
        first, last = known[0], known[-1]
        rate = (last - first) / max(seconds[last] - seconds[first], 1e-9)
        waited = sum(waits[n] for n in range(first, last)) / (last - first)
        rows.append([phase, f"{rate:.2f}", f"{waited:.2f}"])
    made = Report(out, "jointst train", machine(device, 1))
    kind = "compiled" if arguments.compile else "not compiled" if arguments.no_graphs else "as CUDA graphs"
    title = f"{arguments.model} on mini, {arguments.utterances} utterances of 1.2 s and as many texts, {kind}"
    made.table(title, ["phase", "updates a second", "waits an update"], rows)
    if device == "cuda" and rows:
        made.hold("updates a second in the last phase", float(rows[-1][1]), least=8)
        made.hold("waits an update in the last phase", float(rows[-1][2]), most=0.1)
    made.write()
    print(made.text())


if __name__ == "__main__":
    main()
