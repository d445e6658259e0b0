#!/usr/bin/env python
"""ESPnet 202511 on the data of a recipe, for the same wall time, scored as our own systems are.

    cd egs/en_l2; ./run.sh --stop-stage 1
    ../../.venv/bin/python ../../tools/yardstick_espnet.py --conf conf/train.yaml --minutes 60

A conformer with CTC and attention over characters, trained by ``espnet2.bin.asr_train`` on the training sets at the
speeds of the recipe, stopped by the clock (its start counts), the weights of its five best epochs averaged, decoded
by ``espnet2.bin.asr_inference`` (joint CTC and attention, a beam of 10). Its settings are those of ESPnet's recipes,
but for sizes and the rate's warm-up, which are for hours of speech; it has no use for unpaired text. ESPnet gets an
environment of its own, ``--environment``, which is made the first time (5 GB). Everything lies in ``exp/<name>``:
``espnet`` has its data, settings, logs and model, ``score`` the tables and their JSON, as after stage 8. Interrupt it
when you like and run it again: training goes on from its last epoch, and the minutes of all runs count; with more
minutes it goes on too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from yardstick.espnet import PACKAGES, SIZES, ESPnet, install, settings, write_data, write_tokens
from yardstick.results import add_options, context_of, score, test_sets, write_hypotheses

from jointst.common.errors import JointstError
from jointst.kaldi.directory import DataDirectory


def main() -> int:
    """Train, decode and score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, "yardstick_espnet")
    parser.add_argument("--minutes", type=float, required=True, help="wall time of training, of all runs together")
    parser.add_argument("--environment", type=Path, default=Path("exp/espnet_environment"), help="for ESPnet")
    parser.add_argument("--size", choices=SIZES, default="small", help="of the model")
    parser.add_argument("--updates", type=int, default=250, help="of an epoch, after which dev sets are looked at")
    parser.add_argument("--seconds", type=float, default=60.0, help="of audio in a batch")
    parser.add_argument("--beam", type=int, default=10, help="hypotheses of the search")
    parser.add_argument("--ngpu", type=int, default=0, choices=(0, 1), help="GPUs")
    parser.add_argument("--nj", type=int, default=2, help="processes that convert audio")
    options = parser.parse_args()
    try:
        run(options)
    except JointstError as error:
        print(f"yardstick_espnet: error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """All of it, each step where it is not done yet."""
    context = context_of(options)
    data, tests = context.config.data, test_sets(context)
    python = install(options.environment)
    folder = (context.exp / "espnet").resolve()
    train, dev = ([DataDirectory.read(context.data / name) for name in names] for names in (data.train, data.dev))
    heard = write_data(folder / "train", train, context.config.features.speed_perturbation, options.nj)
    write_data(folder / "dev", dev, (1.0,), options.nj)
    write_tokens(folder / "tokens.txt", [text for directory in train for text in directory.text.values()])
    espnet = ESPnet(python, folder, options.threads, options.ngpu)
    minutes = espnet.train(settings(options.size, options.updates, options.seconds), options.minutes)
    model = espnet.average()
    for directory in tests:
        audio = write_data(folder / directory.path.name, [directory], (1.0,), options.nj)
        hypotheses, seconds = espnet.decode(model, directory.path.name, options.beam)
        write_hypotheses(context, directory, hypotheses, audio, seconds)
    about = {
        "system": f"ESPnet, conformer with CTC and attention ({options.size}), {minutes:.0f} minutes of training",
        "packages": list(PACKAGES),
        "minutes": minutes,
        "hours_of_audio_at_all_speeds": heard / 3600,
        "beam": options.beam,
        "threads": options.threads,
        "gpus": options.ngpu,
    }
    print(about["system"])
    score(context, about, tests)


if __name__ == "__main__":
    sys.exit(main())
