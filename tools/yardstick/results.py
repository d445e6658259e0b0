"""Where a yardstick writes: an experiment of the recipe, with hypotheses and scores where stages 7 and 8 have them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jointst.common.files import write_atomically
from jointst.common.versions import hardware
from jointst.config.context import Context
from jointst.config.load import parse
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import write_table
from jointst.scoring.score import score_decoders


def add_options(parser: argparse.ArgumentParser, name: str) -> None:
    """The options of every yardstick, and its experiment's name by default."""
    parser.add_argument("--conf", required=True, help="settings of the recipe: its sets, and where they are")
    parser.add_argument("--name", default=name, help="the experiment, a folder in exp")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")


def context_of(options: argparse.Namespace) -> Context:
    """The experiment that a yardstick is of."""
    return parse("yardstick", "", ["--conf", options.conf, "--name", options.name])


def test_sets(context: Context) -> list[DataDirectory]:
    """The test sets of the recipe.

    Raises:
        DataError: one is not there: run stage 1.
    """
    return [DataDirectory.read(context.data / name) for name in context.config.data.test]


def write_hypotheses(
    context: Context, directory: DataDirectory, hypotheses: Mapping[str, str], audio: float, seconds: float
) -> None:
    """Write what was recognised in a test set.

    Args:
        context: the experiment.
        directory: the set.
        hypotheses: text of each utterance.
        audio: seconds of audio.
        seconds: that it took.
    """
    folder = context.exp / "decode" / directory.path.name
    write_table(folder / "full_context" / "hyp.text", hypotheses)
    timing = {"encoder_seconds": 0.0, "audio_seconds": audio, "full_context_seconds": seconds}
    write_atomically(folder / "timing.json", json.dumps(timing) + "\n")


def score(context: Context, about: Mapping[str, Any], sets: Sequence[DataDirectory]) -> Path:
    """Print the tables of stage 8 and store them, with what the system is in ``yardstick.json`` beside them."""
    made = score_decoders(context, ("full_context",), sets=sets)
    path = context.exp / "score" / "yardstick.json"
    own = {**about, "hardware": hardware(int(about.get("gpus", 0)))}
    write_atomically(path, json.dumps(own, indent=1, ensure_ascii=False) + "\n")
    print(f"{made.what} -> {made.where}")
    return path
