"""The commands that are no stages: those run and skipped like a stage, and those with arguments of their own."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from jointst.common.lock import Claim
from jointst.config.context import Context, writes_experiment
from jointst.recipe.stage import Stage
from jointst.recipe.stages import fusion_files, search_files


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command with arguments of its own.

    Attributes:
        name: ``jointst <name>``.
        help: one sentence.
        function: ``module:function`` taking its arguments and returning an exit status; imported when run.
    """

    name: str
    help: str
    function: str

    def run(self, arguments: list[str]) -> int:
        """Run it and return its exit status."""
        module, function = self.function.split(":")
        status: int = getattr(importlib.import_module(module), function)(arguments)
        return status


def _sentences(context: Context) -> list[Path]:
    data = context.config.data
    return [context.data / name / "text" for name in (*data.train, *data.unpaired, *data.dev)]


def _phones(context: Context) -> list[Path]:
    data = context.config.data
    return [context.data / name / "phones" for name in (*data.train, *data.pseudo, *data.unpaired, *data.dev)]


def _speech(context: Context) -> list[Path]:
    return [context.data / name / "wav.scp" for name in context.config.pseudo_label.sets]


def pseudo_sets(context: Context) -> list[Path]:
    """The data directories that ``jointst pseudo_label`` writes."""
    config = context.config.pseudo_label
    return [context.data / f"{name}{config.suffix}" for name in config.sets]


def _durations(context: Context) -> list[Claim]:
    """The locks of a command that writes durations, which trainings of other experiments read."""
    return [*writes_experiment(context), Claim.beside(context.exp / "durations")]


def _pseudo(context: Context) -> list[Claim]:
    """The locks of a command that writes some sets, and leaves the others to those that read them."""
    written = [Claim.beside(folder) for folder in pseudo_sets(context)]
    read = [claim for claim in context.reading if claim.folder not in {claim.folder for claim in written}]
    return [Claim.beside(context.exp), *read, *written]


def _dev(context: Context) -> list[Path]:
    return [context.data / name / file for name in context.config.data.dev for file in ("text", "feats.scp")]


RECIPE_COMMANDS: tuple[Stage, ...] = (
    Stage(
        number=-1,
        name="lm",
        help="train the neural language model on paired and unpaired text; continues from the last checkpoint",
        function="jointst.training.language_model:run",
        sections=("data", "tokenizer", "lm"),
        inputs=lambda context: [*_sentences(context), context.data / "tokenizer" / "tokenizer.model"],
        outputs=lambda context: [context.exp / "lm" / "model.safetensors"],
        per_experiment=True,
    ),
    Stage(
        number=-1,
        name="tune",
        help="find the weights of the language models on the dev sets",
        function="jointst.decoding.tune:run",
        sections=("data", "decoding", "tune"),
        inputs=lambda context: [context.exp / "model.safetensors", *search_files(context), *_dev(context)],
        outputs=lambda context: [context.exp / "tune.json"],
        per_experiment=True,
    ),
    Stage(
        number=-1,
        name="probe",
        help="linear probes of frozen states for speaker, language, phone, age and the like, layer by layer",
        function="jointst.probing.probe:run",
        sections=("data", "probe"),
        inputs=lambda context: [context.exp / "model.safetensors"],
        outputs=lambda context: [context.exp / "probe" / "probe.json"],
        per_experiment=True,
    ),
    Stage(
        number=-1,
        name="durations",
        help="durations of phones by a forced alignment with a trained model, predicted for unpaired text",
        function="jointst.durations.command:run",
        sections=("data", "durations"),
        inputs=lambda context: [context.exp / "model.safetensors", *_phones(context)],
        outputs=lambda context: [context.exp / "durations" / "durations.json"],
        per_experiment=True,
        claims=_durations,
    ),
    Stage(
        number=-1,
        name="pseudo_label",
        help="transcribe unpaired speech with a trained model and keep what it is sure of, as a set for data.pseudo",
        function="jointst.decoding.pseudo_label:run",
        sections=("decoding", "pseudo_label"),
        inputs=lambda context: [context.exp / "model.safetensors", *fusion_files(context), *_speech(context)],
        outputs=lambda context: [folder / "text" for folder in pseudo_sets(context)],
        per_experiment=True,
        claims=_pseudo,
    ),
)
"""What a recipe's experiment may have beside its stages, with the settings of the recipe."""

COMMANDS: tuple[Command, ...] = (
    Command(
        name="transcribe",
        help="recognise sound files, a pipe or a microphone with the model that stage 10 packed",
        function="jointst.transcription.command:run",
    ),
    Command(
        name="adapt",
        help="teach a trained model the words of a new domain by text alone",
        function="jointst.adaptation.command:run",
    ),
    Command(
        name="serve",
        help="serve the packed model: OpenAI's transcription API, a WebSocket for live audio, and a page",
        function="jointst.serving.command:run",
    ),
    Command(
        name="fix",
        help="mend data directories (order, line ends, keys, empty and leaked sentences) and keep a backup",
        function="jointst.data.fix:run",
    ),
    Command(
        name="report",
        help="lay experiments beside each other in one page, or make the page of one again",
        function="jointst.analysis.side_by_side:run",
    ),
    Command(
        name="shard",
        help="pack speech into shards (webdataset's tar files with an index), here or behind a URL",
        function="jointst.data.shards.command:run",
    ),
    Command(
        name="compare",
        help="train, decode and score a grid of systems and seeds in a recipe's folder, and lay them side by side",
        function="jointst.comparison.command:run",
    ),
    Command(
        name="results",
        help="make RESULTS.md from the comparisons that recipes have stored: claim by claim, with a verdict",
        function="jointst.comparison.results:run",
    ),
)
"""Those with arguments of their own; ``transcribe``, ``adapt``, ``serve`` and ``shard`` need no recipe, the others run
in one."""
