#!/usr/bin/env python
"""What exported graphs lose: error rates of a set by sherpa-onnx, over labels a position, features, precision, search.

    cd egs/mini    (once it is trained and packed)
    ../../.venv/bin/python ../../tools/bench_export.py --out exp/bench --model exp/train/packed --data data/mini_test

Each line of the table is the CER of all characters in %, by the streaming graphs (where the model streams) / by the
full-context ones, and in how many utterances the text is that of our greedy search with as many labels a position.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_options import add_toy
from bench_options import parse as parse_options


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--model", type=Path, help="a trained model, packed by stage 10")
    parser.add_argument("--data", type=Path, help="a data directory with audio in its languages")
    parser.add_argument("--labels", type=int, nargs="+", default=[1, 2, 3], help="labels a position")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    add_toy(parser, labels=[2], nj=1)
    arguments = parse_options(parser)
    if not arguments.toy and (arguments.model is None or arguments.data is None):
        parser.error("needs --model and --data")
    return arguments


def measure(arguments: argparse.Namespace, report: Any) -> None:
    """All lines of the table."""
    from jointst.config import ExportConfig
    from jointst.config.context import Context
    from jointst.export.onnx.check import by_torch, rates, texts_by_sherpa
    from jointst.export.onnx.write import write_folder
    from jointst.kaldi.directory import DataDirectory
    from jointst.models.packed import load_packed

    trained, directory = load_packed(arguments.model), DataDirectory.read(arguments.data)
    own, kinds = trained.config.decoding.max_labels_per_position, trained.config.model.decoders
    ours = by_torch(trained, directory, sorted({*arguments.labels, own}))
    rows: list[list[object]] = []

    def add(name: str, labels: int, texts: dict[Any, dict[str, str]]) -> None:
        cers, same = [], []
        for kind in kinds:
            cers.append(f"{100 * (rates(directory, texts[kind])['cer'] or 0):.2f}")
            beside = ours[kind, labels]
            same.append(str(sum(text == beside[key] for key, text in texts[kind].items())))
        rows.append([name, " / ".join(cers), f"{' / '.join(same)} of {len(directory.text)}"])

    for labels in sorted({*arguments.labels, own}):
        add(f"torch, {labels} labels a position", labels, {kind: ours[kind, labels] for kind in kinds})
    for labels in arguments.labels:
        for what, shift in (("features as ours", 0.0), ("features of apps", ExportConfig.shift)):
            with tempfile.TemporaryDirectory() as made:
                settings = ExportConfig(labels_per_position=labels, shift=shift)
                config = dataclasses.replace(trained.config, export=settings)
                write_folder(arguments.model, Path(made), Context(config=config, name="train"))
                given = (Path(made), trained.config.features, directory, arguments.nj)
                found = texts_by_sherpa(*given, kinds=kinds)
                for precision in ("float32", "int8"):
                    texts = {kind: found[kind, precision] for kind in kinds}
                    add(f"sherpa-onnx, {labels} labels a position, {what}, {precision}", labels, texts)
                if labels == max(arguments.labels):
                    found = texts_by_sherpa(*given, kinds=kinds, precisions=("float32",), beam=True)
                    texts = {kind: found[kind, "float32"] for kind in kinds}
                    add(f"sherpa-onnx, {labels} labels a position, {what}, a beam of 4", labels, texts)
    report.table(
        "Export", ["run", f"CER, {' / '.join(kinds).replace('_', '-')}", "text as torch's greedy search"], rows
    )


def main() -> None:
    """The table, and the report."""
    arguments = parse()
    from jointst.common.threads import set_threads

    set_threads(1)  # a process for each core
    from bench_report import Report, machine

    report = Report(arguments.out, "Exported graphs", machine("cpu", 1), toy=arguments.toy)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.toy:
            from toy_model import make_toy_model

            arguments.model, arguments.data = make_toy_model(Path(folder))
        measure(arguments, report)
    report.write()
    print(report.text())


if __name__ == "__main__":
    main()
