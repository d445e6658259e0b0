"""Time of the synthetic corpus: hours of speech in eleven languages, data directories and phonemes included.

    .venv/bin/python tools/bench_corpus.py --hours 10 --nj 2

Wall-clock seconds and, since those depend on what else the machine does, CPU seconds of all processes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from jointst.config import Config, CorpusConfig, DataConfig, SyntheticConfig
from jointst.data import corpora
from jointst.data.directory import DataDirectory
from jointst.languages import LANGUAGES
from jointst.stage import Context, Made
from jointst.text import lexicon
from jointst.threads import set_threads


def main() -> None:
    """Make the corpus in a temporary folder, print a table and, if asked, a JSON record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=10.0, help="of training speech, in all languages together")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    parser.add_argument("--engines", nargs="+", default=["espeak"])
    parser.add_argument("--sentences", nargs="+", default=["grammar"], help="as corpus.synthetic.sentences")
    parser.add_argument("--downloads", default="downloads", help="folder of downloaded archives")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    set_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        record = measure(options, options.folder or Path(temporary))
    for name, (seconds, cpu) in record["stages"].items():
        print(f"{name:<8} {seconds:7.1f} s   {cpu:7.1f} CPU s")
    print(f"{record['hours']:.2f} h of speech, {record['utterances']} utterances, {record['megabytes']:.0f} MB")
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Hours, utterances, megabytes, and seconds of each stage: by the clock, and of processors."""
    synthetic = SyntheticConfig(
        train_hours=options.hours / len(LANGUAGES),
        engines=tuple(options.engines),
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
