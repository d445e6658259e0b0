"""Time of the synthetic corpus: hours of speech in eleven languages, data directories and phonemes included.

    .venv/bin/python tools/bench_corpus.py --out exp/bench_corpus --hours 10 --nj 2

Wall-clock seconds and, since those depend on what else the machine does, CPU seconds of all processes.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench_options import add_toy, parse

from jointst.common.languages import LANGUAGES
from jointst.common.threads import set_threads
from jointst.config import Config, CorpusConfig, DataConfig, SyntheticConfig
from jointst.config.context import Context, Made
from jointst.data import corpora
from jointst.kaldi.directory import DataDirectory
from jointst.text import lexicon


def main() -> None:
    """Make the corpus in a temporary folder, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--hours", type=float, default=10.0, help="of training speech, in all languages together")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    parser.add_argument("--engines", nargs="+", default=["espeak"])
    parser.add_argument("--sentences", nargs="+", default=["grammar"], help="as corpus.synthetic.sentences")
    parser.add_argument("--downloads", default="downloads", help="folder of downloaded archives")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    add_toy(parser, hours=0.01, nj=1)
    options = parse(parser)
    set_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        record = measure(options, options.folder or Path(temporary))
    from bench_report import Report, machine

    report = Report(options.out, "Corpus benchmark", machine("cpu", 1), toy=options.toy)
    rows = [[name, f"{seconds:.1f}", f"{cpu:.1f}"] for name, (seconds, cpu) in record["stages"].items()]
    title = f"{record['hours']:.2f} h of speech, {record['utterances']} utterances, {record['megabytes']:.0f} MB"
    report.table(title, ["stage", "seconds", "CPU seconds"], rows, f"{options.nj} processes.")
    report.write()
    print(report.text())


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Hours, utterances, megabytes, and seconds of each stage: by the clock, and of processors."""
    synthetic = SyntheticConfig(
        train_hours=options.hours / len(LANGUAGES),
        engines=tuple(options.engines),
        **({"dev_utterances": 2, "test_utterances": 2} if options.toy else {}),
        sentences=tuple(str(Path(name).absolute()) if "/" in name else name for name in options.sentences),
    )
    downloads = str(Path(options.downloads).absolute())
    sets = {name: (f"synthetic_{name}",) for name in ("train", "dev", "test")}
    config = Config(
        corpus=CorpusConfig(sources=("synthetic",), synthetic=synthetic, downloads=downloads),
        data=DataConfig(root=str(folder / "data"), unpaired=(), **sets),
    )
    context = Context(config=config, name="bench", nj=options.nj)
    stages = {"corpus": corpora.run, "lexicon": lexicon.run}
    times = {name: _time(lambda run=run: run(context)) for name, run in stages.items()}
    times["both"] = tuple(sum(parts) for parts in zip(*times.values()))
    made = [DataDirectory.read(context.data / name) for name in context.all_sets]
    seconds = sum(segment.end - segment.start for item in made for segment in item.segments.values())
    audio = sum(path.stat().st_size for path in context.data.rglob("*.flac"))
    utterances = sum(len(item.text) for item in made)
    return {"hours": seconds / 3600, "utterances": utterances, "megabytes": audio / 1e6, "stages": times}


def _time(run: Callable[[], Made]) -> tuple[float, float]:
    """Seconds by the clock and of processors, those of child processes included."""
    started, before = time.monotonic(), _cpu_seconds()
    run()
    return time.monotonic() - started, _cpu_seconds() - before


def _cpu_seconds() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
