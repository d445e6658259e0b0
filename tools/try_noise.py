#!/usr/bin/env python
"""What augmentation is worth in noise: models trained without and with it, on test sets as they are and with noise.

    cd egs/ru; ../../.venv/bin/python ../../tools/try_noise.py --out exp/try_noise --sets festvox_ru_test \\
        --noises pink babble --snr 20 10 5 0 --augment noise=0.6 room=0.3 -- --conf conf/train.yaml --ngpu 1

In a recipe's folder, after its stages 1, 3 and 5. What follows ``--`` are settings of both trainings; ``--augment`` has
those of training.augmentation for the second. The data directories are copied into the folder of ``--out``, so that the
recipe's own features stay. Run it again to go on: finished trainings are not repeated. Babble of the tests is of the
test sets' own speech. Markdown and JSON.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jointst.config import AugmentationConfig

COPIED = ("text", "utt2spk", "utt2lang", "wav.scp", "segments", "phones", "utt2dur")
"""Tables of a data directory that are copied; the others are features."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder in exp for all that is made, bench.md included")
    parser.add_argument("--sets", nargs="+", help="test sets, by default all of data.test")
    parser.add_argument("--noises", nargs="+", default=["pink", "babble"], help="as training.augmentation.noises")
    parser.add_argument("--snr", nargs="+", type=float, default=[20.0, 10.0, 5.0, 0.0], help="decibels")
    parser.add_argument("--augment", nargs="+", default=["noise=0.6", "room=0.3"], metavar="KEY=VALUE")
    parser.add_argument("--decoder", default="full_context", choices=("streaming", "full_context"))
    parser.add_argument("--limit", type=int, help="utterances of a set that are decoded, by default all")
    parser.add_argument("settings", nargs=argparse.REMAINDER, help="-- and the settings of stages 4, 6 and 7")
    options = parser.parse_args()
    if options.out.parts[0] != "exp" or len(options.out.parts) < 2:
        parser.error(f"--out is {options.out}, and experiments lie in exp: --out exp/try_noise")
    return options


def prepare(options: argparse.Namespace) -> list[str]:
    """The settings of both, with copies of the recipe's sets as their data."""
    from jointst.config.load import parse

    given = options.settings[1:]
    context = parse("train", "", given)
    root = options.out / "data"
    for name in context.all_sets:
        (root / name).mkdir(parents=True, exist_ok=True)
        for table in COPIED:
            if (context.data / name / table).exists():
                shutil.copy2(context.data / name / table, root / name / table)
    for folder in ("lang", "tokenizer"):
        shutil.copytree(context.data / folder, root / folder, dirs_exist_ok=True)
    storage = [] if context.config.features.storage == "shards" else ["--features.storage", "on_the_fly"]
    return [*given, "--data.root", str(root), *storage]


def jointst(stage: str, settings: list[str]) -> None:
    """Run a stage in a process of its own; end with it if it fails."""
    done = subprocess.run([sys.executable, "-m", "jointst", stage, *settings], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def main() -> None:
    """Train both, then decode every set with every noise."""
    options = arguments()
    settings = prepare(options)
    augmented = []
    for pair in options.augment:
        key, _, value = pair.partition("=")
        augmented += [f"--training.augmentation.{key}", value]
    runs = {"plain": [], "augmented": augmented}
    jointst("features", settings)
    for name, more in runs.items():
        jointst("train", [*settings, *more, "--name", f"{options.out.relative_to('exp')}/{name}"])

    from bench_report import Report, machine

    from jointst.common.threads import set_threads

    set_threads(None)
    import torch

    report = Report(options.out, "Noise", machine("cpu", torch.get_num_threads()), toy=False)
    errors: dict[tuple[str, str, str], dict[str, str]] = {}
    for name in runs:
        for row, rates in decoded(options, [*settings, "--name", f"{options.out.relative_to('exp')}/{name}"]):
            errors.setdefault(row, {})[name] = "{:.1f} ({:.1f})".format(*rates)
    rows = [[*row, *(found[name] for name in runs)] for row, found in errors.items()]
    title = f"Error rates in %, {options.decoder.replace('_', '-')}, trained without and with augmentation"
    note = f"Of words where the language writes spaces (of characters); augmentation: {' '.join(options.augment)}."
    report.table(title, ["set", "noise", "SNR, dB", "without", "with"], rows, note)
    report.write()
    print(report.text())


def decoded(options: argparse.Namespace, settings: list[str]):  # type: ignore[no-untyped-def]
    """(set, noise, SNR) and the error rates of a model, of its scoring unit and of characters, in turn."""
    import torch

    from jointst.config.load import parse
    from jointst.data.dataset import PairedSet, batches_in_order, read_directories
    from jointst.data.harder import make_harder, some_speech
    from jointst.decoding.search import build_search
    from jointst.models.build import load_trained
    from jointst.scoring.counts import score_utterances, total
    from jointst.scoring.score import segment
    from jointst.text.normalise import for_scoring

    context = parse("decode", "", settings)
    trained = load_trained(context)
    search = build_search(context, trained)
    decoder, rate = trained.model.decoder(options.decoder), context.config.features.sampling_rate
    device = next(trained.model.parameters()).device
    conditions = [("none", None)] + [(noise, snr) for noise in options.noises for snr in options.snr]
    for name in options.sets or context.config.data.test:
        (directory,) = read_directories(context.data, [name])
        paired = PairedSet([directory], trained.symbols, may_lack=context.config.features.max_failures > 0)
        speech = some_speech(len(paired.utterances), lambda i, p=paired: (p.utterances[i], p.place(i)))
        batches = batches_in_order(paired, context.config.decoding.batch_utterances, options.limit)
        for noise, snr in conditions:
            if snr is not None:
                harder = AugmentationConfig(noise=1.0, noises=(noise,), snr=(snr, snr))
                paired.augment = make_harder(harder, rate, 1, speech)
            texts = {}
            for indices in batches:
                batch = paired.paired_batch(indices, None if snr is None else 0).to(device)
                with torch.inference_mode():
                    states = trained.model.encode_speech(batch.features, batch.feature_lengths, batch.languages)
                    found = search(options.decoder, decoder, states.states_of(options.decoder), states.lengths)
                for utterance, hypotheses in zip(batch.utterances, found):
                    texts[utterance] = trained.symbols.tokenizer.decode(hypotheses[0].labels)
            said, languages = ({key: table[key] for key in texts} for table in (directory.text, directory.utt2lang))
            scored = score_utterances(said, texts, languages, path=options.out, normalise=for_scoring, segment=segment)
            sums = [total(item.main for item in scored), total(item.characters for item in scored)]
            yield (name, noise, "" if snr is None else f"{snr:g}"), [100 * own.errors / own.length for own in sums]


if __name__ == "__main__":
    main()
